"""A command's options as text, and the parsing of those that several commands have."""

from __future__ import annotations

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
