"""A command's options as text, and the parsing of those that several commands have."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


# Option -> the largest number that it takes. A larger one is a slip: it would plan, or hold in memory, for hours.
LIMITS = {"--seeds": 1_000, "--draws": 1_000, "--images": 1_000_000, "--eval-every": 1_000_000, "--workers": 1_024,
          "--runs-per-gpu": 24, "--resize": 4_096}  # fmt: skip
MAX_GPU_DIGITS = 4  # of N in --device cuda:N
RESULT_FOLDERS = ("records", "densities", "runs", "jobs", "tables", "figures")  # in a results folder
LONGEST_RESULT = 150  # bytes, more than the longest path below a results folder has
SHOWN = 60  # characters of a wrong value in a message


class UserErrors(ValueError):
    """All that is wrong with a command."""

    def __init__(self, errors: list[str]):
        super().__init__("\n".join(errors))
        self.errors = list(dict.fromkeys(errors))


class MissingErrors(UserErrors):
    """What a command needs and this machine lacks: data, weights, a GPU.  The command itself is right."""


@dataclass(frozen=True)
class Options:
    """The command line, as text where it can be wrong; `None` means the preset's or the machine's default."""

    preset: str = "paper"
    only: str | None = None
    on: str | None = None
    name: str | None = None
    like: str | None = None
    recon: str | None = None
    set: str | None = None
    budget: str | None = None
    seeds: str | None = None
    draws: str | None = None
    features: str | None = None
    metrics: str | None = None
    images: str | None = None
    allow_few: bool = False
    eval_every: str | None = None
    format: str | None = None
    decimals: str | None = None
    margin: str | None = None
    notes: str | None = None
    data_root: str | None = None
    results: str = "results/local"
    cluster: str = "auto"
    workers: str | None = None
    runs_per_gpu: str | None = None
    device: str = "auto"
    precision: str = "fp32"
    engine: str = "auto"
    nondeterministic: bool = False
    keep: str = "weights"


def names(text: str) -> list[str]:
    """What an option lists, each once."""
    return list(dict.fromkeys(name.strip() for name in text.split(",")))


def shown(text: str) -> str:
    """A wrong value as messages show it: quoted, and shortened if it is long."""
    return repr(text) if len(text) <= SHOWN else f"{text[:SHOWN]!r}... ({len(text):,} characters)"


def _is_number(text: str, limit: int) -> bool:
    """Whether a text has only digits, and not more than a limit may have: `int` refuses thousands of digits."""
    return text.isascii() and text.isdigit() and len(text) <= len(str(limit)) + 1


def parse_count(option: str, text: str | None, default: int, errors: list[str]) -> int:
    """The whole number of an option, from 1 to its limit; what is wrong with it is added to `errors`."""
    if text is None:
        return default
    limit = LIMITS[option]
    if not _is_number(text, limit) or not 1 <= int(text) <= limit:
        errors.append(f"{option} must be a positive integer, at most {limit:,}, got {shown(text)}")
        return 1
    return int(text)


def parse_seeds(text: str | None, default: int, errors: list[str]) -> tuple[int, ...]:
    """The seeds of `--seeds`: "3" is a number of runs, of seeds 0, 1 and 2; "3,7" and "7," list the seeds themselves.

    Args:
        text: the option; None means the default.
        default: number of runs where the option is not given.
        errors: takes what is wrong with the option.
    """
    if text is None:
        return tuple(range(default))
    words = [word.strip() for word in text.split(",")]
    is_list = len(words) > 1
    if len(words) == 2 and not words[1]:  # "7,"
        del words[1]
    if not all(word.isascii() and word.isdigit() and len(word) < 10 for word in words) or text == "0":
        errors.append(f"--seeds must be a number of runs (3: seeds 0, 1, 2) or a list of seeds (3,7; one seed: 7,), "
                      f"got {shown(text)}")  # fmt: skip
        return (0,)
    numbers = tuple(map(int, words))
    if (count := len(numbers) if is_list else numbers[0]) > LIMITS["--seeds"]:
        errors.append(f"--seeds: a cell has at most {LIMITS['--seeds']:,} runs, got {count:,}")
        return (0,)
    if repeated := [number for number in dict.fromkeys(numbers) if numbers.count(number) > 1]:
        errors.append(f"--seeds {text} lists seed {', '.join(map(str, repeated))} more than once; list each seed once")
    return tuple(dict.fromkeys(numbers)) if is_list else tuple(range(numbers[0]))


def format_seeds(seeds: Sequence[int]) -> str:
    """Seeds as `--seeds` takes them: "3" for 0, 1 and 2; "3,7"; "7,"."""
    if [*seeds] == [*range(len(seeds))]:
        return str(len(seeds))
    return ",".join(map(str, seeds)) + ("," if len(seeds) == 1 else "")


def find_device_error(text: str) -> str | None:
    """Why a text names no device; None if it may name one. It does not say whether the device is here."""
    kind, colon, index = text.partition(":")
    if text in ("auto", "cpu", "cuda") or (kind == "cuda" and colon and _is_number(index, 10**MAX_GPU_DIGITS - 1)):
        return None
    return f"unknown device {shown(text)}. Known: auto, cpu, cuda, cuda:N"


def parse_device(text: str, errors: list[str], missing: list[str] | None = None) -> torch.device | None:
    """The device of `--device`; None if it is unknown or not here.

    Args:
        text: the option.
        errors: takes what is wrong with the option.
        missing: takes the message about a GPU that this machine lacks; None: `errors` takes it.
    """
    if error := find_device_error(text):
        errors.append(error)
        return None
    import torch  # here: it takes seconds to import

    if text == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = text.partition(":")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "cuda" and int(index or 0) >= count:
        message = f"there is no device {text!r} here: torch sees {count} GPU{'' if count == 1 else 's'}"
        (errors if missing is None else missing).append(message)
        return None
    return torch.device(text)


def find_folder_errors(option: str, text: str, must_write: bool = True, below: int = 0) -> list[str]:
    """Why a path cannot be the folder of an option, which need not exist; [] if it can.

    Args:
        option: the option, for messages.
        text: the path.
        must_write: whether the command makes files there.
        below: as for `find_path_problem`.
    """
    if problem := find_path_problem(text, below):
        return [f"{option} {shown(text)} {problem}"]
    folder = Path(text)
    nearest = _nearest(folder)
    if not nearest.is_dir():
        return [f"{option} {text} {_describe_obstacle(nearest, nearest == folder)}, expected a folder"]
    if must_write and not os.access(nearest, os.W_OK | os.X_OK):
        return [f"{option} {text}: no permission to write in {nearest}"]
    if not must_write and folder == nearest and not os.access(folder, os.R_OK | os.X_OK):
        return [f"{option} {text}: no permission to read it"]
    return []


def find_results_errors(text: str, must_write: bool = True) -> list[str]:
    """Why a path cannot be a results folder: as `find_folder_errors`, and the same for the folders in it."""
    if errors := find_folder_errors("--results", text, must_write, LONGEST_RESULT):
        return errors
    mode, verb = (os.R_OK | os.W_OK | os.X_OK, "read and write") if must_write else (os.R_OK | os.X_OK, "read")
    for path in (Path(text) / name for name in RESULT_FOLDERS):
        if not os.path.lexists(path):
            continue
        if not path.is_dir():
            errors.append(f"{path} {_describe_obstacle(path)}, expected a folder. Move it away, or choose another "
                          "folder with --results")  # fmt: skip
        elif not os.access(path, mode):
            errors.append(f"{path}: no permission to {verb} in this folder. Choose another folder with --results")
    return errors


def find_path_problem(text: str, below: int = 0) -> str | None:
    """Why a path cannot name a file, whether it exists or not: it is too long, or its links go in a circle.

    Args:
        text: the path.
        below: bytes of the longest path that is made below it.
    """
    path = Path(text)
    nearest = _nearest(path)
    if hasattr(os, "pathconf") and nearest.is_dir():
        longest_name, longest_path = (os.pathconf(nearest, limit) for limit in ("PC_NAME_MAX", "PC_PATH_MAX"))
        if any(len(os.fsencode(part)) > longest_name for part in path.parts):
            return f"has a name of more than {longest_name} bytes"
        if len(os.fsencode(path.absolute())) + below > longest_path:
            return f"is longer than the {longest_path:,} bytes of a path"
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except OSError as error:
        return f"cannot be used: {error.strerror}"
    return None


def _nearest(path: Path) -> Path:
    """The path itself if there is anything, else the nearest folder above it that exists."""
    return next(each for each in (path, *path.absolute().parents) if os.path.lexists(each))


def _describe_obstacle(path: Path, is_itself: bool = True) -> str:
    """What stands where a folder is expected."""
    kind = "a file" if path.exists() else f"a link to {os.readlink(path)}, which does not exist"
    return f"is {kind}" if is_itself else f"is below {path}, which is {kind}"
