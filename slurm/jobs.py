"""Make SLURM jobs from items: what a job does, which items share one, and which jobs share an array."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import submitit

from slurm.resources import OVERRIDES_VARIABLE, Resources
from slurm.sbatch import find_path_error
from slurm.turns import Turns, has_room

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class SlurmOptions(Generic[T, R]):
    """How to make jobs from items, and how to find the outcome of an item.

    Attributes:
        folder: folder for the private folder of submitit's files and logs. It must have the same path on all nodes, and
            a path that `find_path_error` accepts.
        group_key: item -> a key. Only items with equal keys share a job.
        resources_of: item -> resources of its job. They must be equal for all items of a group.
        find_result: item -> its result, or None if there is none yet.
        is_running: item -> whether a process works on it now, in one of these jobs or elsewhere.
        on_submitted: called with new jobs, job id -> its items. If it raises, the jobs are cancelled.
        existing_jobs: index of an item -> the job that an earlier launcher submitted for it.
        at_once: item -> how many such items a job runs at once, if the function is a generator function.
        wait: whether to wait for outcomes. False means only to submit what SLURM takes now.
        report: called with each message.
        noun: what the items are in messages, in the plural.
    """

    folder: Path
    group_key: Callable[[T], Hashable]
    resources_of: Callable[[T], Resources]
    find_result: Callable[[T], R | None]
    is_running: Callable[[T], bool]
    on_submitted: Callable[[Mapping[str, Sequence[T]]], None]
    existing_jobs: Mapping[int, str]
    at_once: Callable[[T], int] = lambda item: 1
    wait: bool = True
    report: Callable[[str], None] = print
    noun: str = "runs"

    def __post_init__(self) -> None:
        if error := find_path_error(self.folder):
            raise ValueError(error)


@dataclass(frozen=True)
class JobTask(Generic[T]):
    """The work of one job: some items, one after the other, or several at once if the function is a generator function.

    Attributes:
        fn: called with each item.
        items: the items.
        requeues: how often the job may still be requeued.
        at_once: number of items at once.
    """

    fn: Callable[[T], Any]
    items: tuple[T, ...]
    requeues: int
    at_once: int = 1

    def __call__(self) -> None:
        """Call the function on every item, even if it raises for some of them.

        Raises:
            RuntimeError: the function raised for at least one item.
        """
        failed = 0
        turns: Turns[T] = Turns()  # submitit ends a job by SystemExit, which is not caught
        shares: dict[int, float] = {}
        waiting = deque(enumerate(self.items))
        while waiting or shares:
            while waiting and has_room(shares, turns.light, 1 / self.at_once):
                number, item = waiting.popleft()
                shares[number] = 1 / self.at_once
                turns.add(number, self.fn, item)
            for event in turns.advance():
                if event.is_end:
                    del shares[event.number]
                    failed += event.error is not None
                    if event.error is not None:
                        print(event.error, file=sys.stderr, flush=True)
        if failed:
            raise RuntimeError(f"{failed} of {len(self.items)} items failed; see above")

    def checkpoint(self) -> submitit.helpers.DelayedSubmission | None:
        """The work of the requeued job, or None to not requeue. submitit calls this before it requeues a job."""
        # submitit's own limit is 3 time-outs, and it counts every preemption of a short job as a time-out.
        if self.requeues < 1:
            return None
        return submitit.helpers.DelayedSubmission(replace(self, requeues=self.requeues - 1))


def group_items(
    items: Sequence[T], group_key: Callable[[T], Hashable], resources_of: Callable[[T], Resources]
) -> list[tuple[Resources, list[int]]]:
    """Group items into jobs, in the order of their first items: resources and item indices of each job."""
    by_key: dict[Hashable, list[int]] = {}
    for index, item in enumerate(items):
        by_key.setdefault(group_key(item), []).append(index)
    jobs = []
    for indices in by_key.values():
        requested = resources_of(items[indices[0]])
        jobs += [
            (requested, indices[start : start + requested.seeds]) for start in range(0, len(indices), requested.seeds)
        ]
    return sorted(jobs, key=lambda job: job[1][0])


def group_jobs(
    jobs: Sequence[tuple[Resources, list[int]]], max_array_size: int
) -> list[tuple[Resources, list[list[int]]]]:
    """Group jobs with equal resources into arrays of at most `max_array_size` jobs."""
    by_resources: dict[Resources, list[list[int]]] = {}
    for needs, indices in jobs:
        by_resources.setdefault(needs, []).append(indices)
    return [
        (needs, tasks[start : start + max_array_size])
        for needs, tasks in by_resources.items()
        for start in range(0, len(tasks), max_array_size)
    ]


def refusal_message(reason: str, needs: Resources) -> str:
    """A message: why SLURM refused a job, what the job asked for, and where to change it."""
    requested = ", ".join(f"{name} {getattr(needs, name)!r}" for name in ("partition", "account", "minutes", "gpus"))
    return f"SLURM refused the job: {reason} (asked for {requested}; slurm/resources.py, or {OVERRIDES_VARIABLE})"
