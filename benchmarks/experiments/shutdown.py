"""Ending a run on a signal only when its state is saved."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

GRACE_SECONDS = 60.0  # seconds after which a signal is obeyed although no epoch has ended: SLURM's patience is not long
SHUTDOWN_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)]


class GracefulShutdown:
    """A signal that asks this process to end is obeyed when the epoch has ended and its state is saved.

    What obeying means is for those to say who set a handler before: the default, which is to die, or submitit's,
    which has SLURM requeue the job.
    """

    def __init__(self) -> None:
        self.asked: int | None = None  # the signal
        self.before: dict[int, Any] = {}

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Remember a signal, and set an alarm in case the epoch is long."""
        self.asked = number
        signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)

    def obey(self, *_: object) -> None:
        """Do what the remembered signal would have done."""
        number, self.asked = self.asked, None
        signal.setitimer(signal.ITIMER_REAL, 0)
        if number is None:
            return
        before = self.before[number]
        if callable(before):
            before(number, None)
        elif before == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


@contextmanager
def graceful_shutdown() -> Iterator[GracefulShutdown]:
    """Hold signals back while the block runs; see `Heed`.  Only a process's main thread can."""
    heed = GracefulShutdown()
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield heed
        return
    alarm = signal.signal(signal.SIGALRM, heed.obey)
    heed.before = {number: signal.signal(number, heed.ask) for number in SHUTDOWN_SIGNALS}
    try:
        yield heed
    finally:
        for number, handler in heed.before.items():
            signal.signal(number, handler)
        heed.obey()
        signal.signal(signal.SIGALRM, alarm)
