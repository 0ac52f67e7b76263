"""Worker processes that take items, one after the other or several at once.

If a worker crashes, only its current items are affected. If the caller dies, its workers end too.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import pickle
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Generic, TypeVar, cast

from slurm.outcome import Function, Outcome
from slurm.serving import Event, call_safely, serve
from slurm.turns import has_room

T = TypeVar("T")
R = TypeVar("R")

POLL_SECONDS = 0.2  # between two calls of poll()
GRACE_SECONDS = 60.0  # time for workers to save their state before they are killed; a second Ctrl-C skips it
MAX_FAILED_STARTS = 3  # consecutive failures to start a worker, after which all pending items fail


def run_in_workers(
    fn: Function[T, R],
    items: Sequence[T],
    slots: Sequence[Mapping[str, str]],
    retries: int,
    worker_lost: int | None,
    poll: Callable[[], None] | None,
    at_once: Callable[[T], int],
) -> Generator[Outcome[T, R], None, None]:
    """`launch` with cluster "local": one worker process per slot.

    Args:
        fn: see `launch`.
        items: see `launch`.
        slots: environment variables of each worker.
        retries: see `launch`.
        worker_lost: see `launch`.
        poll: see `launch`.
        at_once: see `launch`.
    """
    pool = _WorkerPool(fn, items, slots, retries, worker_lost, at_once)
    last_poll = -math.inf
    try:
        for _ in range(min(len(slots), len(items))):
            pool.start_worker()
        while pool.busy:
            outcomes = pool.wait()
            if poll and time.monotonic() - last_poll >= POLL_SECONDS:
                poll()
                last_poll = time.monotonic()
            yield from outcomes
    except BaseException:  # KeyboardInterrupt and GeneratorExit are not Exceptions
        for worker in pool.busy + pool.idle:
            worker.process.terminate()
        raise
    finally:
        _join(pool.busy + pool.idle)


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection
    slot: Mapping[str, str]  # environment variables that it was started with
    shares: dict[int, float]  # index of each of its items -> the share of the worker that it takes
    light: set[int] = field(default_factory=set)  # items that take no share any more
    is_ready: bool = False  # whether it has sent its first message
    has_answered: bool = False  # whether it has ended an item


class _WorkerPool(Generic[T, R]):
    """The workers of one call of `run_in_workers`, and the items that have not been started."""

    def __init__(
        self,
        fn: Function[T, R],
        items: Sequence[T],
        slots: Sequence[Mapping[str, str]],
        retries: int,
        worker_lost: int | None,
        at_once: Callable[[T], int],
    ):
        self.fn, self.items, self.retries, self.worker_lost = fn, items, retries, worker_lost
        self.shares = [1 / at_once(item) for item in items]
        self.pending = deque(range(len(items)))  # indices of items
        self.free_slots = deque(slots)  # environment variables that no worker uses now
        self.deaths = [0] * len(items)  # item -> number of workers that died while they had it
        self.busy: list[_Worker] = []  # workers that have items
        self.idle: list[_Worker] = []  # workers that are about to end, as no item is left
        self.failed_starts = 0  # consecutive

    def start_worker(self) -> None:
        """Start a worker for the next item."""
        with _sigint_held():  # Ctrl-C between start and append would leave an unknown process
            index = self.pending.popleft()
            self.busy.append(_start_worker({index: self.shares[index]}, self.free_slots.popleft()))

    def wait(self) -> list[Outcome[T, R]]:
        """Wait up to `POLL_SECONDS` for messages and deaths of workers; return the outcomes of items that ended."""
        # Wait for sentinels, too: a process that fn has left behind may keep the pipe of a dead worker open.
        awake = set(wait([end for w in self.busy for end in (w.pipe, w.process.sentinel)], POLL_SECONDS))
        outcomes: list[Outcome[T, R]] = []
        for worker in [w for w in self.busy if w.pipe in awake or w.process.sentinel in awake]:
            message = _receive(worker.pipe)
            if message is None:
                outcomes += self._replace_dead(worker)
            elif not worker.is_ready:
                worker.is_ready = True
                self.failed_starts = 0
                for index in worker.shares:
                    self._send(worker, index)
                self._assign(worker)
            else:
                outcomes += self._take_event(worker, message)
        return outcomes

    def _assign(self, worker: _Worker) -> None:
        """Give a worker the next items, as many as it has room for."""
        while self.pending and self._has_room(worker, self.pending[0]):
            index = self.pending.popleft()
            worker.shares[index] = self.shares[index]
            self._send(worker, index)

    def _has_room(self, worker: _Worker, index: int) -> bool:
        """Whether a worker may take an item now.

        An item whose worker has died has the next one for itself, so that its next death shows that it is to blame.
        """
        if any(self.deaths[other] for other in (index, *worker.shares)):
            return not worker.shares
        return has_room(worker.shares, worker.light, self.shares[index])

    def _send(self, worker: _Worker, index: int) -> None:
        # If the worker has died meanwhile, the next wait notices it.
        with contextlib.suppress(OSError):
            worker.pipe.send((index, pickle.dumps((self.fn, self.items[index]))))

    def _replace_dead(self, worker: _Worker) -> list[Outcome[T, R]]:
        """Retry the items of a dead worker or give them up. If items are left, start a new worker."""
        outcomes: list[Outcome[T, R]] = []
        how_it_died = _how_it_died(worker)
        self.busy.remove(worker)
        self.free_slots.append(worker.slot)
        is_blamed = not worker.has_answered or worker.process.exitcode != self.worker_lost
        for index in reversed(worker.shares):
            # Any of several items may have ended the worker: each gets another chance, alone.
            shared = len(worker.shares) > 1
            self.deaths[index] = max(self.deaths[index], 1) if shared else self.deaths[index] + is_blamed
            if shared or self.deaths[index] <= self.retries:
                self.pending.appendleft(index)  # a new worker takes it, with a clean state
            else:
                outcomes.append(Outcome(self.items[index], None, how_it_died))
        self.failed_starts = 0 if worker.is_ready else self.failed_starts + 1
        if self.failed_starts >= MAX_FAILED_STARTS:
            outcomes += [Outcome(self.items[index], None, how_it_died) for index in self.pending]
            self.pending.clear()
        for _ in range(min(len(self.pending), len(self.free_slots))):
            self.start_worker()
        return outcomes

    def _take_event(self, worker: _Worker, message: Event) -> list[Outcome[T, R]]:
        """Return the outcome of an item that has ended. Before that, give the worker its next items."""
        index, reply = message
        if reply is None:
            worker.light.add(index)
            self._assign(worker)
            return []
        worker.has_answered = True
        del worker.shares[index]
        worker.light.discard(index)
        self._assign(worker)
        if not worker.shares:
            self.idle.append(worker)
            self.busy.remove(worker)
            self.free_slots.append(worker.slot)
            worker.pipe.close()
        value, error = _unpickle_reply(reply)
        return [Outcome(self.items[index], value, error)]


def _start_worker(shares: dict[int, float], environment: Mapping[str, str]) -> _Worker:
    context = multiprocessing.get_context("spawn")  # fork is unsafe once CUDA or threads are in use
    parent_end, worker_end = context.Pipe()
    process = context.Process(target=serve, args=(worker_end,), daemon=True)
    with environment_variables(environment):
        process.start()
    worker_end.close()  # otherwise the pipe would stay open after the worker's death
    return _Worker(process, parent_end, environment, shares)


def _receive(pipe: Connection) -> Event | None:
    """The next message, or None if the worker is dead."""
    try:
        return cast(Event, pipe.recv()) if pipe.poll() else None
    except (EOFError, OSError):
        return None


def _how_it_died(worker: _Worker) -> str:
    """Describe how a worker died."""
    _join([worker])  # the exit code is known only a moment after the pipe closes
    code = worker.process.exitcode or 0
    cause = f"signal {-code}: {signal.strsignal(-code)}" if code < 0 else f"exit code {code}"
    if -code == signal.SIGKILL:
        cause += ", often because memory ran out"
    return f"the worker process died ({cause})" + ("" if worker.is_ready else " before it could take an item")


def _join(workers: Sequence[_Worker]) -> None:
    deadline = time.monotonic() + GRACE_SECONDS
    try:
        for worker in workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
    finally:  # also after a second Ctrl-C
        for worker in workers:
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.pipe.close()


def _unpickle_reply(message: bytes) -> tuple[Any, str | None]:
    # Unpickling may fail, even if pickling in the worker succeeded.
    reply, unreadable = call_safely(pickle.loads, message)
    return reply or (None, unreadable)


@contextlib.contextmanager
def environment_variables(environment: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables in the block; restore them afterwards."""
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _sigint_held() -> Iterator[None]:
    """Delay Ctrl-C in the block. A process that is started in the block also delays it, until it ignores the signal.

    If this process has other threads, one of them may receive the signal. A worker that is then not in the pool ends
    when its pipe is closed, and prints one more traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker  # cannot be imported on Windows

    # Otherwise Process.start starts the tracker, which unblocks SIGINT (Python 3.11).
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
