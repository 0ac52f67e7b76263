"""End the runs of this process on a signal, after their states were saved."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

GRACE_SECONDS = 60.0  # a longer epoch is interrupted: SLURM kills a job soon after its signal
SHUTDOWN_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)]


class GracefulShutdown:
    """Delays a signal that asks this process to end until all of its runs have saved their states.

    The process then handles the signal as it would have done without the delay: by an earlier handler, or by the
    default action, which ends the process. Submitit's handler, for example, makes SLURM requeue the job.

    Attributes:
        number: the signal, or None.
        unsaved: the runs that are in training and have not saved their states since the signal.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.unsaved: set[object] = set()
        self.runs = 0  # in training
        self.earlier_handlers: dict[int, Any] = {}
        self.earlier_alarm: Any = None

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

    def shut_down_in_turns(self, run: object) -> Generator[None, None, None]:
        """Shut down after a run has saved its state, and after the other runs in training have saved theirs."""
        self.unsaved.discard(run)
        while self.unsaved and self.is_requested:
            yield
        self.shut_down()
        self.unsaved.add(run)  # the process goes on, and there may be another signal

    def _install(self) -> None:
        self.earlier_alarm = signal.signal(signal.SIGALRM, self.shut_down)
        self.earlier_handlers = {number: signal.signal(number, self.request) for number in SHUTDOWN_SIGNALS}

    def _remove(self) -> None:
        for number, handler in self.earlier_handlers.items():
            signal.signal(number, handler)
        self.shut_down()
        signal.signal(signal.SIGALRM, self.earlier_alarm)


_shutdown = GracefulShutdown()  # the handlers of a process are global


@contextmanager
def graceful_shutdown(run: object = None) -> Iterator[GracefulShutdown]:
    """Delay signals while the block runs; see `GracefulShutdown`. Only a process's main thread can.

    Args:
        run: identifies the run, if several runs of this process are in such a block.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield GracefulShutdown()
        return
    shutdown = _shutdown
    if not shutdown.runs:
        shutdown._install()
    shutdown.runs += 1
    shutdown.unsaved.add(run)
    try:
        yield shutdown
    finally:
        shutdown.unsaved.discard(run)
        shutdown.runs -= 1
        if not shutdown.runs:
            shutdown._remove()
