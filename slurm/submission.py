"""Submit items as SLURM jobs, as many as the cluster's limits allow. The others wait until it accepts more.

A cluster limits the length of an array and the number of jobs that a user may have in its queue. It refuses a
whole array that exceeds a limit.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Generic, TypeVar

from slurm import scheduler
from slurm.jobs import JobTask, SlurmOptions, group_items, group_jobs, refusal_message
from slurm.resources import Resources
from slurm.sbatch import RefusedError, submit_array

T = TypeVar("T")
R = TypeVar("R")

PROBE_SECONDS = 60.0  # until SLURM is asked again to take a job, if none of ours has ended


class Submission(Generic[T, R]):
    """The jobs of a launch, and its items that have no job yet.

    Attributes:
        jobs: index of an item -> its job.
        waiting: index of an item without a job -> whether it gets a job of its own.
    """

    def __init__(
        self, fn: Callable[[T], Any], items: Sequence[T], options: SlurmOptions[T, R], environment: Mapping[str, str]
    ):
        self.fn, self.items, self.options, self.environment = fn, items, options, environment
        self.jobs = dict(options.existing_jobs)
        self.waiting = {index: False for index in range(len(items)) if index not in self.jobs}
        self._full_at: int | None = None  # number of our jobs in the queue when SLURM took no more; None: it takes all
        self._probe = 1  # number of jobs to try if none of ours has ended
        self._last_attempt = 0.0
        self._is_reported = False

    def resubmit(self, indices: Collection[int]) -> None:
        """Give these items new jobs, one for each, with the next `submit`."""
        for index in indices:
            del self.jobs[index]
            self.waiting[index] = True

    def submit(self, queue: Collection[str] | None = None) -> dict[int, str]:
        """Submit waiting items, as many as SLURM takes now.

        Args:
            queue: the jobs that SLURM has now; None: all of `jobs`.

        Returns:
            Index of an item -> why SLURM will never take it. These items no longer wait.
        """
        count = len({job for job in self.jobs.values() if queue is None or job in queue})
        room = self._room(count)
        if not self.waiting or room < 1:
            return {}
        had_jobs = scheduler.has_jobs()
        refused: dict[int, str] = {}
        limits: dict[Resources, str] = {}  # resources -> the limit that is reached for them
        for needs, jobs in self._arrays():
            while jobs and room > 0 and needs not in limits:
                taken, reason = self._submit_part(needs, jobs[:room])
                room, count, jobs = room - taken, count + taken, jobs[taken:]
                if reason is not None and self._is_temporary(reason, had_jobs or count > 0):
                    limits[needs] = scheduler.limit_reason(reason) or "it does not answer"
                elif reason is not None:
                    refused |= {index: refusal_message(reason, needs) for indices in jobs for index in indices}
                    break
        for index in refused:
            del self.waiting[index]
        self._note_limits(count, [*limits.values()])
        return refused

    @cached_property
    def _max_array_size(self) -> int:
        return scheduler.max_array_size()

    def _room(self, count: int) -> int:
        """How many jobs to submit now, if SLURM has `count` of ours."""
        if self._full_at is None:
            return sys.maxsize
        is_probe_due = time.monotonic() - self._last_attempt >= PROBE_SECONDS
        return max(self._full_at - count, self._probe if is_probe_due else 0)

    def _note_limits(self, count: int, limits: Sequence[str]) -> None:
        """Note how an attempt ended.

        Args:
            count: number of our jobs that SLURM has now.
            limits: the limits that it has reached.
        """
        self._last_attempt = time.monotonic()
        if limits:
            self._full_at, self._probe = count, 1
            if not self._is_reported:
                self._is_reported = True
                reasons = ", ".join(dict.fromkeys(limits))
                counts = f"{len(self.waiting)} of {len(self.items)}"
                waiting = f"{counts} {self.options.noun} wait until it takes more"
                self.options.report(f"SLURM takes no more jobs now ({reasons}): {waiting}")
        elif self._full_at is not None and count > self._full_at:  # jobs of others have ended
            self._full_at, self._probe, self._last_attempt = count, 2 * self._probe, 0.0

    def _arrays(self) -> list[tuple[Resources, list[list[int]]]]:
        """The arrays of the waiting items: resources, and the item indices of each job."""
        arrays = []
        for is_separate in (False, True):
            selected = [index for index, separate in self.waiting.items() if separate == is_separate]
            items = [self.items[index] for index in selected]

            def resources_of(item: T, is_separate: bool = is_separate) -> Resources:
                needs = self.options.resources_of(item)
                return replace(needs, seeds=1) if is_separate else needs

            grouped = group_jobs(group_items(items, self.options.group_key, resources_of), self._max_array_size)
            arrays += [(needs, [[selected[i] for i in indices] for indices in array]) for needs, array in grouped]
        return arrays

    def _submit_part(self, needs: Resources, jobs: Sequence[list[int]]) -> tuple[int, str | None]:
        """Submit the first jobs of an array: all of them or, if that exceeds a limit, fewer.

        Returns:
            The number of submitted jobs; and if it is 0, why SLURM took not even one of them.
        """
        size = len(jobs)
        while True:
            reason = self._submit_array(needs, jobs[:size])
            if reason is None:
                return size, None
            if size == 1 or not scheduler.is_too_many(reason):
                return 0, reason
            size //= 2

    def _submit_array(self, needs: Resources, jobs: Sequence[list[int]]) -> str | None:
        """Submit one array; return why it was refused, or None."""
        tasks = []
        for indices in jobs:
            items = tuple(self.items[index] for index in indices)
            tasks.append(JobTask(self.fn, items, needs.requeues, self.options.at_once(items[0])))
        try:
            ids = submit_array(tasks, needs, self.options.folder, self.environment)
        except RefusedError as reason:
            return str(reason)
        submitted = dict(zip(ids, jobs, strict=True))
        try:
            self.options.on_submitted({job: [self.items[i] for i in indices] for job, indices in submitted.items()})
        except BaseException as reason:  # a full disk, or `cancel`: nobody could find these jobs again
            scheduler.cancel_jobs(ids)
            if not isinstance(reason, OSError):
                raise
            return f"the jobs were cancelled, as they could not be recorded: {reason}"
        for job, indices in submitted.items():
            for index in indices:
                self.jobs[index] = job
                del self.waiting[index]
        return None

    def _is_temporary(self, reason: str, has_jobs: bool) -> bool:
        """Whether SLURM may take a job later that it has refused now.

        Args:
            reason: the message of sbatch.
            has_jobs: whether this user had jobs in the queue. Without any, waiting would not help against a limit.
        """
        if scheduler.limit_reason(reason) is not None:
            return has_jobs or scheduler.is_shared_limit(reason)
        # At the first job, this is an error: the user may have named the wrong cluster.
        return bool(self.jobs) and scheduler.is_unreachable(reason)
