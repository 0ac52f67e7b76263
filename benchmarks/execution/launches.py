"""The launches of a results folder, one file each: which command started which runs, where, and whether it has ended.

`status`, `cancel` and `retry` read these files, on any host. They do not say what is done or running: records and locks
do. They hold host names and paths, so they are not shared with the records.
"""

from __future__ import annotations

import json
import os
import time
import uuid
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.execution import locks
from benchmarks.execution.options import Options
from benchmarks.experiments.process import process_identity
from benchmarks.files import reading
from benchmarks.files.launch import Launch as LaunchFile
from benchmarks.files.writing import replacing

Launch = dict[str, Any]  # as `benchmarks.files.launch.Launch` describes it

# Options in launch files of older versions -> their current names
RENAMED = {"progress": "eval_every"}


def folder(results: Path) -> Path:
    """The folder of the launch files and of SLURM's logs."""
    return results / "jobs"


@contextmanager
def record_launch(
    results: Path,
    cluster: str,
    scheduler: str | None,
    command: Mapping[str, Any],
    cells: Mapping[str, Mapping[str, Any]],
) -> Iterator[Path]:
    """Write a launch file before anything starts, keep its heartbeat while the block runs, and note its end.

    Args:
        results: results folder.
        cluster: where it runs: local, slurm, ...
        scheduler: name of the SLURM cluster. Job numbers are valid on this cluster only.
        command: what makes the same plan again.
        cells: run key -> model, dataset, preset, seed, steps and draws.

    Yields:
        The launch's file, for `add_jobs`.
    """
    owner = {name: value for name, value in process_identity().items() if name != "job"}
    path = folder(results) / f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}.launch"
    _write(path, {"cluster": cluster, "scheduler": scheduler, "command": {**command}, "owner": owner,
                  "at": time.time(), "cells": {**cells}, "jobs": {}, "ended": False})  # fmt: skip
    try:
        with locks.heartbeat(path):
            yield path
    finally:
        launch = _read(path)
        if launch is not None:
            with suppress(OSError):  # a full disk; `is_launcher_alive` notices that the process has ended
                _write(path, launch | {"ended": True})


def add_jobs(path: Path, jobs: Mapping[str, Sequence[str]]) -> None:
    """Add SLURM jobs to a launch file: job id -> run keys."""
    launch = _read(path)
    if launch is not None:
        _write(path, launch | {"jobs": launch["jobs"] | {job: [*keys] for job, keys in jobs.items()}})


def cancel(path: Path) -> None:
    """Ask a launcher on any host to stop. The launcher checks `is_cancelled` every few seconds."""
    path.with_suffix(".cancelled").touch()


def is_cancelled(path: Path) -> bool:
    """Whether a launch has been asked to stop."""
    return path.with_suffix(".cancelled").exists()


def launches(results: Path) -> dict[Path, Launch]:
    """All launches, in the order in which they began. A file that is not a valid launch is ignored, with a warning.

    Raises:
        OSError: the folder of the launch files cannot be read.
    """
    paths = [folder(results) / name for name in reading.list_files(folder(results), ".launch")]
    readable = [(path, launch) for path in paths if (launch := _read(path)) is not None]
    readable.sort(key=lambda entry: (entry[1]["at"], entry[0]))
    return {path: launch | {"cancelled": is_cancelled(path)} for path, launch in readable}


def jobs(launch: Launch, scheduler: str | None) -> list[str]:
    """The SLURM jobs of a launch, if it ran on the cluster of this name; older launch files name no cluster."""
    return [*launch["jobs"]] if launch.get("scheduler") in (None, scheduler) else []


def pending_jobs(launch: Launch, scheduler: str | None, queue: Mapping[str, str] | None) -> dict[str, str]:
    """Run key -> its SLURM job, for the jobs that are still in SLURM's queue."""
    queued = [job for job in jobs(launch, scheduler) if queue and job in queue]
    return {key: job for job in queued for key in launch["jobs"][job]}


def is_same_command(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two commands ask for the same runs and measurements. Where they run and what they print may differ."""
    ignored = ("cluster", "workers", "device", "engine", "results", "data_root", "format", "decimals", "margin",
                    "keep")  # fmt: skip
    compared = [{**_given_options(c, ignored), "what": c["what"], "force": c.get("force", "")}
             for c in (one, other)]  # fmt: skip
    return compared[0] == compared[1]


def _given_options(command: Mapping[str, Any], ignored: Collection[str]) -> dict[str, Any]:
    """The options that a command names, except `ignored` ones. Older versions had fewer options."""
    return {name: value for name, value in command["options"].items() if value is not None and name not in ignored}


def last_force(results: Path, command: Mapping[str, Any]) -> str | None:
    """The force id of the last launch of the same command with --force."""
    earlier = [launch["command"] for launch in launches(results).values() if launch["command"].get("force")]
    force_ids = [c["force"] for c in earlier if is_same_command({**command, "force": c["force"]}, c)]
    return force_ids[-1] if force_ids else None


def is_launcher_alive(path: Path, launch: Launch, now: float | None = None) -> bool:
    """Whether a launch's launcher still runs; `now` as in `locks.is_locked`."""
    return not launch["ended"] and locks.is_owner_alive(path, launch["owner"], now)


def _read(path: Path) -> Launch | None:
    """A launch, checked; None, with a warning that names the file and the reason, if it is not a valid one."""
    try:
        launch = reading.read_json(path)
        reading.check(launch, LaunchFile)
        reading.check(current_options(launch["command"]["options"]), Options)
    except FileNotFoundError:
        return None
    except (OSError, reading.InvalidFile) as reason:
        why = reason.strerror if isinstance(reason, OSError) else reason
        warnings.warn(f"{path}: not a valid launch file, so it is ignored ({why})", stacklevel=2)
        return None
    return _with_options(launch, _to_argument)


def _with_options(launch: Launch, change: Callable[[str], str]) -> Launch:
    """A launch whose command's options are changed, those that are texts."""
    options = launch["command"]["options"]
    changed = {name: change(value) if isinstance(value, str) else value for name, value in options.items()}
    return {**launch, "command": {**launch["command"], "options": changed}}


def _to_utf8(text: str) -> str:
    """An argument of this process for a file: its bytes are decoded as UTF-8, whatever the locale is."""
    try:
        return os.fsencode(text).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # no argument of this process
        return text


def _to_argument(text: str) -> str:
    """An option from a file, as if it were an argument of this process, whose locale may not be UTF-8."""
    return os.fsdecode(text.encode("utf-8"))


def current_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """A launch file's options that this version knows, by their current names."""
    renamed = {RENAMED.get(name, name): value for name, value in options.items()}
    return {name: value for name, value in renamed.items() if name in Options.__dataclass_fields__}


def _write(path: Path, launch: Launch) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(_with_options(launch, _to_utf8)), encoding="utf-8")
