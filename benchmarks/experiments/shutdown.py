"""End a run on a signal, after its state was saved."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

GRACE_SECONDS = 60.0  # a longer epoch is interrupted: SLURM kills a job soon after its signal
SHUTDOWN_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)]


class GracefulShutdown:
    """Delays a signal that asks this process to end until the epoch has ended and its state is saved.

    The process then handles the signal as it would have done without the delay: by an earlier handler, or by the
    default action, which ends the process. Submitit's handler, for example, makes SLURM requeue the job.
    """

    def __init__(self) -> None:
        self.number: int | None = None  # the signal
        self.earlier_handlers: dict[int, Any] = {}

    @property
    def is_requested(self) -> bool:
        """Whether a signal has arrived."""
        return self.number is not None

    def request(self, number: int, frame: FrameType | None) -> None:
        """Remember a signal, and set an alarm in case the epoch is long."""
        self.number = number
        signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)

    def shut_down(self, *_: object) -> None:
        """Do what the remembered signal would have done, if there is one."""
        number, self.number = self.number, None
        signal.setitimer(signal.ITIMER_REAL, 0)
        if number is None:
            return
        handler = self.earlier_handlers[number]
        if callable(handler):
            handler(number, None)
        elif handler == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


@contextmanager
def graceful_shutdown() -> Iterator[GracefulShutdown]:
    """Delay signals while the block runs; see `GracefulShutdown`. Only a process's main thread can."""
    shutdown = GracefulShutdown()
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield shutdown
        return
    earlier_alarm = signal.signal(signal.SIGALRM, shutdown.shut_down)
    shutdown.earlier_handlers = {number: signal.signal(number, shutdown.request) for number in SHUTDOWN_SIGNALS}
    try:
        yield shutdown
    finally:
        for number, handler in shutdown.earlier_handlers.items():
            signal.signal(number, handler)
        shutdown.shut_down()
        signal.signal(signal.SIGALRM, earlier_alarm)
