"""The outcome of one item, wherever it ran."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Outcome(Generic[T, R]):
    """The outcome of one item: the function's ``value``, or an ``error``."""

    item: T
    value: R | None
    error: str | None  # a traceback, or how the worker process or the SLURM job ended
    ran: bool = True  # False where SLURM refused the item's job


Function = Callable[[T], R | Generator[bool, None, R]]
"""A function that is called on items: a plain one, or a generator function, whose calls can take turns."""
