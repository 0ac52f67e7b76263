"""One function over many items: here, in worker processes that may crash, or in SLURM jobs.

A worker that dies takes one item with it, never the caller; when the caller dies, its workers end too, and SLURM
jobs go on.
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

from slurm import array, scheduler
from slurm.outcome import Outcome

T = TypeVar("T")
R = TypeVar("R")

CLUSTERS = ("auto", "inline", "local", "slurm")
TICK = 0.2  # seconds between two calls of poll()
GRACE = 60.0  # seconds a worker gets to save and end before it is killed; Ctrl-C again cuts them short
FAILED_STARTS = 3  # in a row; after these no further worker is tried
READY = b"ready"  # a worker's first message: its imports are over and it waits for an item


def launch(
    fn: Callable[[T], R],
    items: Sequence[T],
    *,
    cluster: str = "auto",
    workers: int = 1,
    slots: Sequence[Mapping[str, str]] = (),
    environment: Mapping[str, str] = {},
    retries: int = 0,
    spent: int | None = None,
    poll: Callable[[], None] | None = None,
    follow: array.Follow[T, R] | None = None,
) -> Generator[Outcome[T, R], None, None]:
    """Call ``fn`` on every item and yield each outcome as soon as it is there.

    Arguments are checked at once; work starts with the first ``next``. Closing the generator, or an exception
    such as KeyboardInterrupt while it waits, ends the workers, so ``fn`` must write its files by rename.

    Args:
        fn: a function that pickle can name (top level of a module, or a ``functools.partial`` of one). Worker
            processes are daemonic: it may use threads and ``subprocess``, but not ``multiprocessing``.
        items: its arguments, one per call.
        cluster: "inline" is a plain map in this process; "local" uses worker processes; "slurm" submits jobs;
            "auto" is as `choose` says: never "inline", so that a crash does not take this process down.
        workers: number of processes, for "local".
        slots: for "local", variables of each worker of its own, such as its GPU in CUDA_VISIBLE_DEVICES; as many
            as there are workers, or none.
        environment: variables that workers have before they import anything, such as OMP_NUM_THREADS. Inline,
            they are set during each call, too late for libraries that are already loaded.
        retries: how often an item goes again when its worker has died, or its SLURM job is gone.
        spent: for "local", the exit code by which ``fn`` ends a worker that can do nothing more: a new one takes the
            item, which is none of its retries.
        poll: called a few times a second while waiting (inline: before every item).
        follow: for "slurm", how items become jobs and how their outcomes are known.

    Returns:
        Outcomes in order of completion, one per item.

    Raises:
        ValueError: unknown cluster, fewer than one worker, another number of slots than of workers, or "slurm"
            without `follow`.
        TypeError: pickle cannot send ``fn`` or an item to a worker.
    """
    if cluster not in CLUSTERS:
        raise ValueError(f"unknown cluster {cluster!r}. Known: {', '.join(CLUSTERS)} (slurm/launch.py)")
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    if slots and len(slots) != workers:
        raise ValueError(f"there are {len(slots)} slots for {workers} workers")
    cluster = choose(cluster) if follow or cluster != "auto" else "local"
    if cluster == "inline":
        return _inline(fn, items, environment, poll)
    _check_pickles(fn, "fn", "Use a function at the top level of a module, or functools.partial of one")
    for number, item in enumerate(items):
        _check_pickles(item, f"item {number}", "Items should be plain values")
    if cluster == "local":
        each = [{**environment, **slot} for slot in slots or [{}] * workers]
        return _local(fn, items, each, retries, spent, poll)
    if follow is None:
        raise ValueError("cluster 'slurm' needs follow: what to ask for, and how an item's outcome is known")
    return array.run(fn, items, follow, environment, retries, poll)


def choose(cluster: str) -> str:
    """What "auto" means here: "slurm" where sbatch and a controller answer, outside of jobs; else "local"."""
    if cluster != "auto":
        return cluster
    return "slurm" if scheduler.answers() else "local"


def gpu_slots(count: int, workers: int) -> list[dict[str, str]]:
    """One GPU for each worker, in turn; several workers share a GPU where there are more workers than GPUs.

    Args:
        count: GPUs that this process sees; where CUDA_VISIBLE_DEVICES names them, those names are handed on.
        workers: number of processes.
    """
    names = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    visible = names[:count] if len(names) >= count else [str(index) for index in range(count)]
    return [{"CUDA_VISIBLE_DEVICES": visible[index % count]} for index in range(workers)]


def _inline(
    fn: Callable[[T], R], items: Sequence[T], environment: Mapping[str, str], poll: Callable[[], None] | None
) -> Generator[Outcome[T, R], None, None]:
    for item in items:
        if poll:
            poll()
        with _variables(environment):
            value, error = _attempt(fn, item)
        yield Outcome(item, value, error)


def _local(
    fn: Callable[[T], R],
    items: Sequence[T],
    slots: Sequence[Mapping[str, str]],
    retries: int,
    spent: int | None,
    poll: Callable[[], None] | None,
) -> Generator[Outcome[T, R], None, None]:
    pending = deque(range(len(items)))
    free = deque(slots)  # variables of workers that may be hired
    deaths = [0] * len(items)
    busy: list[_Worker] = []  # each of these has an item
    idle: list[_Worker] = []  # told to end, as nothing is left for them
    failed_starts = 0
    polled = -math.inf

    def hire() -> None:
        with _sigint_held():  # Ctrl-C between the start of a process and the append would lose it
            busy.append(_start(pending.popleft(), free.popleft()))

    def assign(worker: _Worker) -> None:
        # A worker that has died meanwhile is noticed by the next wait.
        with contextlib.suppress(OSError):
            worker.pipe.send_bytes(pickle.dumps((fn, items[worker.index])))

    try:
        for _ in range(min(len(slots), len(items))):
            hire()
        while busy:
            # The sentinels as well: a process that fn has left behind may hold a dead worker's pipe open.
            awake = set(wait([end for w in busy for end in (w.pipe, w.process.sentinel)], TICK))
            outcomes: list[Outcome[T, R]] = []
            for worker in [w for w in busy if w.pipe in awake or w.process.sentinel in awake]:
                message = _receive(worker.pipe)
                if message is None:
                    fate = _fate(worker)
                    busy.remove(worker)
                    free.append(worker.slot)
                    deaths[worker.index] += not worker.used or worker.process.exitcode != spent
                    if deaths[worker.index] <= retries:
                        pending.appendleft(worker.index)  # to a new worker: another may be what it died of
                    else:
                        outcomes.append(Outcome(items[worker.index], None, fate))
                    failed_starts = 0 if worker.ready else failed_starts + 1
                    if failed_starts >= FAILED_STARTS:
                        outcomes += [Outcome(items[index], None, fate) for index in pending]
                        pending.clear()
                    if pending:
                        hire()
                elif not worker.ready:
                    worker.ready = True
                    failed_starts = 0
                    assign(worker)
                else:
                    # The worker goes on before the caller has the outcome, who may take a while over it.
                    index = worker.index
                    worker.used = True
                    if pending:
                        worker.index = pending.popleft()
                        assign(worker)
                    else:
                        idle.append(worker)
                        busy.remove(worker)
                        free.append(worker.slot)
                        worker.pipe.close()
                    value, error = _result(message)
                    outcomes.append(Outcome(items[index], value, error))
            if poll and time.monotonic() - polled >= TICK:
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
    ready: bool = False  # it has started well enough to ask for that item
    used: bool = False  # it has answered before


def _start(index: int, environment: Mapping[str, str]) -> _Worker:
    context = multiprocessing.get_context("spawn")  # fork is unsafe once CUDA or threads are in use
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs,), daemon=True)
    with _variables(environment):
        process.start()
    theirs.close()  # or the death of the worker would not end the pipe
    return _Worker(process, ours, index, environment)


def _receive(pipe: Connection) -> bytes | None:
    """The next message, or None when its worker is dead."""
    try:
        return pipe.recv_bytes() if pipe.poll() else None
    except (EOFError, OSError):
        return None


def _fate(worker: _Worker) -> str:
    """How a worker died, in words."""
    _join([worker])  # the pipe closes a moment before the exit code is known
    code = worker.process.exitcode or 0
    how = f"signal {-code}: {signal.strsignal(-code)}" if code < 0 else f"exit code {code}"
    if -code == signal.SIGKILL:
        how += ", often for lack of memory"
    return f"the worker process died ({how})" + ("" if worker.ready else " before it could take an item")


def _join(workers: Sequence[_Worker]) -> None:
    deadline = time.monotonic() + GRACE
    try:
        for worker in workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
    finally:  # a second Ctrl-C cuts the waiting short
        for worker in workers:
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.pipe.close()


def _work(pipe: Connection) -> None:
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
    call, error = _attempt(pickle.loads, message)
    value = None
    if call is not None:
        value, error = _attempt(*call)
    reply, unsendable = _attempt(pickle.dumps, (value, error))
    return reply or pickle.dumps((None, unsendable))


def _result(message: bytes) -> tuple[Any, str | None]:
    # What one process has pickled, another may still fail to read.
    reply, unreadable = _attempt(pickle.loads, message)
    return reply or (None, unreadable)


def _attempt(fn: Callable[[T], R], item: T) -> tuple[R | None, str | None]:
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


def _check_pickles(thing: object, name: str, advice: str) -> None:
    try:
        pickle.dumps(thing)
    except Exception as reason:  # __reduce__ may raise anything
        told = f"{name} cannot be sent to a worker process: {thing!r}: {reason}. {advice}."
        raise TypeError(told) from reason


@contextlib.contextmanager
def _variables(environment: Mapping[str, str]) -> Iterator[None]:
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
