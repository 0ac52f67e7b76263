"""A command's options as text, and the parsing of those that several commands have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


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
    device: str = "auto"
    precision: str = "fp32"
    engine: str = "auto"
    keep: str = "weights"


def names(text: str) -> list[str]:
    """What an option lists, each once."""
    return list(dict.fromkeys(name.strip() for name in text.split(",")))


def parse_count(option: str, text: str | None, default: int, errors: list[str]) -> int:
    """The whole number of an option; what is wrong with it is added to `errors`."""
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        errors.append(f"{option} must be a positive integer, got {text!r}")
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
                      f"got {text!r}")  # fmt: skip
        return (0,)
    numbers = tuple(map(int, words))
    if repeated := [number for number in dict.fromkeys(numbers) if numbers.count(number) > 1]:
        errors.append(f"--seeds {text} lists seed {', '.join(map(str, repeated))} more than once; list each seed once")
    return tuple(dict.fromkeys(numbers)) if is_list else tuple(range(numbers[0]))


def format_seeds(seeds: Sequence[int]) -> str:
    """Seeds as `--seeds` takes them: "3" for 0, 1 and 2; "3,7"; "7,"."""
    if [*seeds] == [*range(len(seeds))]:
        return str(len(seeds))
    return ",".join(map(str, seeds)) + ("," if len(seeds) == 1 else "")


def parse_device(text: str, errors: list[str], missing: list[str] | None = None) -> torch.device | None:
    """The device of `--device`; None if it is unknown or not here.

    Args:
        text: the option.
        errors: takes what is wrong with the option.
        missing: takes the message about a GPU that this machine lacks; None: `errors` takes it.
    """
    import torch  # here: it takes seconds to import

    if text == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = text.partition(":")
    if kind not in ("cpu", "cuda") or (index and not (kind == "cuda" and index.isdigit())):
        errors.append(f"unknown device {text!r}. Known: auto, cpu, cuda, cuda:N")
        return None
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "cuda" and int(index or 0) >= count:
        message = f"there is no device {text!r} here: torch sees {count} GPU{'' if count == 1 else 's'}"
        (errors if missing is None else missing).append(message)
        return None
    return torch.device(text)
