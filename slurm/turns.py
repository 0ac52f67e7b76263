"""Several items in one process: the calls of generator functions take turns."""

from __future__ import annotations

import gc
import sys
import traceback
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from inspect import isgenerator
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")

MAX_LIGHT = 2  # calls of a process that are nearly done, beside those that count


class Postponed(Exception):
    """Raised by a call that needs more memory than the other calls of the process leave. It is made again later."""


@dataclass(frozen=True)
class Event:
    """What has happened to a call.

    Attributes:
        number: of the call.
        is_end: whether the call has ended; else it has become light.
        value: what it returned.
        error: its traceback, if it raised.
    """

    number: int
    is_end: bool
    value: Any = None
    error: str | None = None


class Turns(Generic[T]):
    """The calls of a process that have not ended.

    A generator function may be called for several items at once; `advance` resumes each of its calls once. A call
    yields True when it is *light*: another call may start, as this one uses the process only a little from now on.
    Another function returns its value with the first turn.

    Args:
        caught: the exceptions that end only the call that has raised them.
    """

    def __init__(self, caught: tuple[type[BaseException], ...] = (Exception,)):
        self.caught = caught
        self.running: dict[int, Generator[bool, None, Any]] = {}
        self.light: set[int] = set()
        self.calls: dict[int, tuple[Callable[[T], Any], T]] = {}  # of all numbers that have not ended
        self.waiting: deque[int] = deque()  # not started, or postponed
        self.most: int | None = None  # calls at once, after one was postponed

    def add(self, number: int, fn: Callable[[T], Any], item: T) -> None:
        """Add a call. It starts with the next turn."""
        self.calls[number] = fn, item
        self.waiting.append(number)

    def advance(self) -> list[Event]:
        """Start the calls that may start, resume the others once, and return what has happened."""
        events: list[Event] = []
        while self.waiting and (self.most is None or len(self.running) < self.most):
            number = self.waiting.popleft()
            fn, item = self.calls[number]
            try:
                value = fn(item)
            except self.caught:
                events.append(self._end(number, None, traceback.format_exc()))
                continue
            if isgenerator(value):
                self.running[number] = cast(Generator[bool, None, Any], value)
            else:
                events.append(self._end(number, value, None))
        for number in [*self.running]:
            events += self._resume(number)
        return events

    def _resume(self, number: int) -> list[Event]:
        try:
            is_light = next(self.running[number])
        except StopIteration as end:
            return [self._end(number, end.value, None)]
        except Postponed as error:
            if len(self.running) == 1:
                return [self._end(number, None, traceback.format_exc())]
            reason = str(error)
        except self.caught:
            return [self._end(number, None, traceback.format_exc())]
        else:
            if is_light and number not in self.light:
                self.light.add(number)
                return [Event(number, is_end=False)]
            return []
        self._postpone(number, reason)  # here, as the traceback of a handled error keeps what the call has allocated
        return []

    def _end(self, number: int, value: Any, error: str | None) -> Event:
        self.running.pop(number, None)
        self.light.discard(number)
        del self.calls[number]
        return Event(number, True, value, error)

    def _postpone(self, number: int, reason: str) -> None:
        del self.running[number]
        self.light.discard(number)
        self.waiting.append(number)
        self.most = len(self.running)
        gc.collect()  # frees its memory
        print(f"{reason}: this process runs at most {self.most} at once from now on", file=sys.stderr, flush=True)


def has_room(shares: dict[int, float], light: set[int], share: float) -> bool:
    """Whether a process may start another call.

    Args:
        shares: number of each of its calls -> the share of the process that it takes, such as 1/8.
        light: the calls that are light, and take no share.
        share: that of the new call.
    """
    taken = sum(value for number, value in shares.items() if number not in light)
    return taken + share <= 1 + 1e-9 and len(light) <= MAX_LIGHT
