"""Worker processes that may crash: each takes items one after the other, and dies with at most one of them.

When the caller dies, its workers end too.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar

from slurm.outcome import Outcome

T = TypeVar("T")
R = TypeVar("R")

POLL_SECONDS = 0.2  # between two calls of poll()
GRACE_SECONDS = 60.0  # a worker gets to save and end before it is killed; a second Ctrl-C cuts them short
MAX_FAILED_STARTS = 3  # in a row; after these no further worker is started
READY = b"ready"  # a worker's first message: its imports are over and it waits for an item


def run_in_workers(
    fn: Callable[[T], R],
    items: Sequence[T],
    slots: Sequence[Mapping[str, str]],
    retries: int,
    worker_lost: int | None,
    poll: Callable[[], None] | None,
) -> Generator[Outcome[T, R], None, None]:
    """`launch` with cluster "local": one worker process per slot.

    Args:
        fn: as `launch` takes it.
        items: likewise.
        slots: the environment variables of each worker.
        retries: as `launch` takes it.
        worker_lost: likewise.
        poll: likewise.
    """
    pending = deque(range(len(items)))
    free_slots = deque(slots)  # variables of workers that may be started
    deaths = [0] * len(items)
    busy: list[_Worker] = []  # each of these has an item
    idle: list[_Worker] = []  # told to end, as nothing is left for them
    failed_starts = 0
    polled = -math.inf

    def start_worker() -> None:
        with _sigint_held():  # Ctrl-C between the start of a process and the append would lose it
            busy.append(_start_worker(pending.popleft(), free_slots.popleft()))

    def assign(worker: _Worker) -> None:
        # A worker that has died meanwhile is noticed by the next wait.
        with contextlib.suppress(OSError):
            worker.pipe.send_bytes(pickle.dumps((fn, items[worker.index])))

    try:
        for _ in range(min(len(slots), len(items))):
            start_worker()
        while busy:
            # The sentinels as well: a process that fn has left behind may hold a dead worker's pipe open.
            awake = set(wait([end for w in busy for end in (w.pipe, w.process.sentinel)], POLL_SECONDS))
            outcomes: list[Outcome[T, R]] = []
            for worker in [w for w in busy if w.pipe in awake or w.process.sentinel in awake]:
                message = _receive(worker.pipe)
                if message is None:
                    how_it_died = _how_it_died(worker)
                    busy.remove(worker)
                    free_slots.append(worker.slot)
                    deaths[worker.index] += not worker.has_answered or worker.process.exitcode != worker_lost
                    if deaths[worker.index] <= retries:
                        pending.appendleft(worker.index)  # to a new worker: another may be what it died of
                    else:
                        outcomes.append(Outcome(items[worker.index], None, how_it_died))
                    failed_starts = 0 if worker.is_ready else failed_starts + 1
                    if failed_starts >= MAX_FAILED_STARTS:
                        outcomes += [Outcome(items[index], None, how_it_died) for index in pending]
                        pending.clear()
                    if pending:
                        start_worker()
                elif not worker.is_ready:
                    worker.is_ready = True
                    failed_starts = 0
                    assign(worker)
                else:
                    # The worker goes on before the caller has the outcome, who may take a while over it.
                    index = worker.index
                    worker.has_answered = True
                    if pending:
                        worker.index = pending.popleft()
                        assign(worker)
                    else:
                        idle.append(worker)
                        busy.remove(worker)
                        free_slots.append(worker.slot)
                        worker.pipe.close()
                    value, error = _unpickle_reply(message)
                    outcomes.append(Outcome(items[index], value, error))
            if poll and time.monotonic() - polled >= POLL_SECONDS:
                poll()
                polled = time.monotonic()
            yield from outcomes
    except BaseException:  # KeyboardInterrupt and GeneratorExit are not Exceptions
        for worker in busy + idle:
            worker.process.terminate()
        raise
    finally:
        _join(busy + idle)


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection
    index: int  # of its item
    slot: Mapping[str, str]  # variables that it was started with
    is_ready: bool = False  # it has started well enough to ask for that item
    has_answered: bool = False  # it has answered before


def _start_worker(index: int, environment: Mapping[str, str]) -> _Worker:
    context = multiprocessing.get_context("spawn")  # fork is unsafe once CUDA or threads are in use
    parent_end, worker_end = context.Pipe()
    process = context.Process(target=_serve, args=(worker_end,), daemon=True)
    with environment_variables(environment):
        process.start()
    worker_end.close()  # or the death of the worker would not end the pipe
    return _Worker(process, parent_end, index, environment)


def _receive(pipe: Connection) -> bytes | None:
    """The next message, or None when its worker is dead."""
    try:
        return pipe.recv_bytes() if pipe.poll() else None
    except (EOFError, OSError):
        return None


def _how_it_died(worker: _Worker) -> str:
    """How a worker died, in words."""
    _join([worker])  # the pipe closes a moment before the exit code is known
    code = worker.process.exitcode or 0
    cause = f"signal {-code}: {signal.strsignal(-code)}" if code < 0 else f"exit code {code}"
    if -code == signal.SIGKILL:
        cause += ", often for lack of memory"
    return f"the worker process died ({cause})" + ("" if worker.is_ready else " before it could take an item")


def _join(workers: Sequence[_Worker]) -> None:
    deadline = time.monotonic() + GRACE_SECONDS
    try:
        for worker in workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
    finally:  # a second Ctrl-C cuts the waiting short
        for worker in workers:
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.pipe.close()


def _serve(pipe: Connection) -> None:
    """What a worker does: answer each (fn, item) with (value, error) until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):  # the parent is gone or needs nothing more
        pipe.send_bytes(READY)
        while True:
            pipe.send_bytes(_answer(pipe.recv_bytes()))


def _answer(message: bytes) -> bytes:
    # Unpickling imports the module of fn, which can fail as fn itself can.
    request, error = call_safely(pickle.loads, message)
    value = None
    if request is not None:
        value, error = call_safely(*request)
    reply, unsendable = call_safely(pickle.dumps, (value, error))
    return reply or pickle.dumps((None, unsendable))


def _unpickle_reply(message: bytes) -> tuple[Any, str | None]:
    # What one process has pickled, another may still fail to read.
    reply, unreadable = call_safely(pickle.loads, message)
    return reply or (None, unreadable)


def call_safely(fn: Callable[[T], R], item: T) -> tuple[R | None, str | None]:
    """Call a function; its value and None, or None and its traceback."""
    try:
        return fn(item), None
    except (Exception, SystemExit):  # sys.exit in one item must not end the others
        return None, traceback.format_exc()


def _end_with_parent() -> None:
    """End this process with its parent, even amid a long call: a killed parent terminates nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def environment_variables(environment: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, and put back what was there."""
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
    """Hold back Ctrl-C; a process started meanwhile inherits that, until it can ignore the signal.

    Where this process has other threads, one of those may take it all the same. A worker lost that way ends
    with its pipe, by itself, and leaves one more traceback on the screen.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker  # cannot be imported on Windows

    # Process.start would start the tracker, and that unblocks SIGINT (Python 3.11).
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
