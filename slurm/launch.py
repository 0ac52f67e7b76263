"""Call a function on many items: in this process, in worker processes, or in SLURM jobs."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TypeVar

from slurm import scheduler
from slurm.follow import submit_and_follow
from slurm.jobs import SlurmOptions
from slurm.outcome import Function, Outcome
from slurm.turns import Event, Turns
from slurm.workers import environment_variables, run_in_workers

T = TypeVar("T")
R = TypeVar("R")

CLUSTERS = ("auto", "inline", "local", "slurm")


def launch(
    fn: Function[T, R],
    items: Sequence[T],
    *,
    cluster: str = "auto",
    workers: int = 1,
    slots: Sequence[Mapping[str, str]] = (),
    environment: Mapping[str, str] = {},
    retries: int = 0,
    worker_lost: int | None = None,
    poll: Callable[[], None] | None = None,
    at_once: Callable[[T], int] = lambda item: 1,
    slurm: SlurmOptions[T, R] | None = None,
) -> Generator[Outcome[T, R], None, None]:
    """Call ``fn`` on every item and yield each outcome as soon as it is known.

    Arguments are checked in the call; work starts with the first ``next``. The workers end when the generator is closed
    or when an exception such as KeyboardInterrupt interrupts it. So ``fn`` must write its files by rename.

    Args:
        fn: a function that pickle can send: from the top level of a module, or a ``functools.partial`` of one. Worker
            processes are daemonic, so it may use threads and ``subprocess``, but not ``multiprocessing``.
        items: the arguments of ``fn``, one per call.
        cluster: "inline" runs the items in this process, "local" in worker processes, "slurm" in jobs. "auto" selects
            "local" or "slurm" by `resolve_cluster`. It never selects "inline", so a crash does not end this process.
        workers: number of processes, for "local".
        slots: environment variables of each worker, such as CUDA_VISIBLE_DEVICES, for "local". One entry per worker,
            or none at all.
        environment: variables to set before workers import anything, such as OMP_NUM_THREADS. For "inline", they are
            set during each call, which is too late for libraries that are already loaded.
        retries: how often an item is retried after its worker has died or its SLURM job is gone.
        worker_lost: the exit code with which ``fn`` ends a worker that cannot continue, for example because it lost
            its GPU, for "local". A new worker takes the item, and this does not count as a retry.
        poll: called a few times per second while waiting. For "inline", it is called before every item.
        at_once: item -> how many such items a worker takes at once, if ``fn`` is a generator function. Its calls take
            turns in one thread: each yields whether the worker may take another item early, as this call is nearly
            done, and returns its value. If a worker dies, each of its items is tried again alone. "inline" runs one
            item at a time; for "slurm", see `SlurmOptions.at_once`.
        slurm: how to make jobs from items and how to find their outcomes, for "slurm".

    Returns:
        Outcomes in order of completion, one per item.

    Raises:
        ValueError: the cluster is unknown, there is less than one worker, the numbers of slots and workers differ, or
            "slurm" has no options.
        TypeError: pickle cannot send ``fn`` or an item to a worker.
    """
    if cluster not in CLUSTERS:
        raise ValueError(f"unknown cluster {cluster!r}. Known: {', '.join(CLUSTERS)} (slurm/launch.py)")
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    if slots and len(slots) != workers:
        raise ValueError(f"got {len(slots)} slots for {workers} workers; give one slot per worker, or none")
    cluster = resolve_cluster(cluster) if slurm or cluster != "auto" else "local"
    if cluster == "inline":
        return _run_inline(fn, items, environment, poll)
    _check_picklable(fn, "fn", "Use a function at the top level of a module, or functools.partial of one")
    for number, item in enumerate(items):
        _check_picklable(item, f"item {number}", "Items should be plain values")
    if cluster == "local":
        worker_environments = [{**environment, **slot} for slot in slots or [{}] * workers]
        return run_in_workers(fn, items, worker_environments, retries, worker_lost, poll, at_once)
    if slurm is None:
        raise ValueError("cluster 'slurm' needs the argument slurm, a slurm.SlurmOptions")
    return submit_and_follow(fn, items, slurm, environment, retries, poll)


def resolve_cluster(cluster: str) -> str:
    """Resolve "auto": to "slurm" if jobs can be submitted here, otherwise to "local"."""
    if cluster != "auto":
        return cluster
    return "slurm" if scheduler.is_available() else "local"


def gpu_slots(count: int, workers: int) -> list[dict[str, str]]:
    """Assign GPUs to workers in turn. If there are more workers than GPUs, workers share GPUs.

    Args:
        count: number of GPUs that this process sees. If CUDA_VISIBLE_DEVICES is set, its names are used.
        workers: number of processes.
    """
    names = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    visible = names[:count] if len(names) >= count else [str(index) for index in range(count)]
    return [{"CUDA_VISIBLE_DEVICES": visible[index % count]} for index in range(workers)]


def _run_inline(
    fn: Function[T, R], items: Sequence[T], environment: Mapping[str, str], poll: Callable[[], None] | None
) -> Generator[Outcome[T, R], None, None]:
    for item in items:
        if poll:
            poll()
        turns: Turns[T] = Turns((Exception, SystemExit))
        turns.add(0, fn, item)
        events: list[Event] = []
        with environment_variables(environment):
            while not any(event.is_end for event in events):
                events = turns.advance()
        yield Outcome(item, events[-1].value, events[-1].error)


def _check_picklable(value: object, name: str, advice: str) -> None:
    try:
        pickle.dumps(value)
    except Exception as reason:  # __reduce__ may raise anything
        message = f"{name} cannot be sent to a worker process: {value!r}: {reason}. {advice}."
        raise TypeError(message) from reason
