"""The file of a campaign: a list of commands, most informative first."""

from __future__ import annotations

import os
import shlex
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from benchmarks.execution.options import UserErrors
from benchmarks.files import reading
from benchmarks.files.types import FileStruct
from benchmarks.files.writing import write_json

MAX_BYTES = 2**20
NOTE = ".campaign.json"  # in the results folder: the records that were there when a campaign began


class Campaign(FileStruct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A campaign's file.

    Attributes:
        steps: commands that write a table or figure, with the options that say what to run: "table1 --seeds 1".
    """

    steps: Annotated[list[str], Meta(min_length=1, max_length=1000)]


def read_steps(path: Path) -> list[list[str]]:
    """The words of each command of a campaign's file.

    Raises:
        UserErrors: the file cannot be read, or is not a list of commands.
    """
    expected = 'expected a TOML file with a list of commands: steps = ["table1 --seeds 1", "table1"]'
    try:
        value = tomllib.loads(reading.read_bytes(path, MAX_BYTES).decode())
        reading.check(value, Campaign)
        return [shlex.split(step) for step in value["steps"]]
    except OSError as reason:
        raise UserErrors([f"{path}: {reason.strerror or reason}; {expected}"]) from None
    except (ValueError, RecursionError) as reason:  # no UTF-8, no TOML, other fields, an open quote
        raise UserErrors([f"{path}: {reason}; {expected}"]) from None


def begin_campaign(results: Path) -> dict[str, int]:
    """Note which records are there, and return their times, as `record_times` does.

    The note stays until `end_campaign`. So a campaign that was killed before it packed its records packs them when it
    is run again.
    """
    path = results / NOTE
    with suppress(OSError, reading.InvalidFile):  # no note, or a broken one
        value = reading.read_json(path)
        reading.check(value, dict[str, int])
        return dict(value)
    times = record_times(results)
    write_json(path, times)
    return times


def end_campaign(results: Path) -> None:
    """Remove the note of `begin_campaign`: what is new has been packed."""
    (results / NOTE).unlink(missing_ok=True)


def new_records(results: Path, before: dict[str, int]) -> list[str]:
    """The keys of records that were written since `record_times` returned `before`."""
    return [key for key, written in record_times(results).items() if before.get(key) != written]


def record_times(results: Path) -> dict[str, int]:
    """Run key -> when its record was written, in ns."""
    times = {}
    for name in reading.list_files(results / "records", ".json"):
        times[name.removesuffix(".json")] = os.stat(results / "records" / name).st_mtime_ns
    return times
