"""Follow SLURM jobs until every item has an outcome.

The caller reports whether an item has a result; squeue reports whether its job still exists. submitit uses sacct
instead. On a cluster without accounting, submitit waits forever for a killed job.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Generic, TypeVar

from slurm import scheduler
from slurm.jobs import SlurmOptions, refusal_message
from slurm.outcome import Function, Outcome
from slurm.sbatch import last_log_line
from slurm.submission import Submission

T = TypeVar("T")
R = TypeVar("R")

POLL_SECONDS = 0.5  # between two checks of the items' results
QUEUE_SECONDS = 5.0  # between two calls of squeue in the first five minutes
QUIET_QUEUE_SECONDS = 30.0  # between later calls, so that they do not load the controller
MAX_SILENCE_SECONDS = 1800.0  # following stops after this time without an answer of squeue and without a new result


class QueueMonitor(Generic[T, R]):
    """Checks SLURM's queue at intervals for jobs that are gone, will never start, or are held."""

    def __init__(self, options: SlurmOptions[T, R]):
        self.options = options
        self.started = self.last_answer = time.monotonic()
        self.last_check = 0.0
        self.missed_checks: dict[int, int] = {}  # item -> consecutive checks that did not find its job
        self.held_jobs: set[str] = set()  # jobs whose hold has been reported
        self.queue: Mapping[str, str] | None = None  # the last answer of `scheduler.list_jobs`

    def note_result(self) -> None:
        """Note that an item has ended. This shows that jobs run, even if SLURM does not answer."""
        self.last_answer = time.monotonic()

    def is_due(self, is_urgent: bool) -> bool:
        """Whether the next check is due; it is due earlier if items wait for a job that has ended (`is_urgent`)."""
        now = time.monotonic()
        is_early = now - self.started < 300 or (is_urgent and self.last_answer > self.last_check)
        return now - self.last_check >= (QUEUE_SECONDS if is_early else QUIET_QUEUE_SECONDS)

    def check(self, jobs: Mapping[int, str], items: Sequence[T]) -> tuple[dict[int, str], list[int]]:
        """Check the jobs of items, and cancel those that will never start.

        Args:
            jobs: index of an item -> its job.
            items: all items.

        Returns:
            Index of an item -> why its job will never start; and the indices of items whose jobs are gone.

        Raises:
            OSError: SLURM has not answered for `MAX_SILENCE_SECONDS`.
        """
        self.last_check = time.monotonic()
        queue = self.queue = scheduler.list_jobs()
        if queue is None:
            if self.last_check - self.last_answer > MAX_SILENCE_SECONDS:
                raise OSError("SLURM has not answered for half an hour. Submitted jobs go on; run the same command "
                              "again to follow them")  # fmt: skip
            return {}, []
        self.last_answer = self.last_check
        states = {index: queue.get(job, scheduler.GONE) for index, job in jobs.items()}
        dead_jobs = {
            jobs[index]
            for index, state in states.items()
            if scheduler.can_never_start(state) or scheduler.was_requeued_and_held(state)
        }
        if dead_jobs:  # they must not start later, as their items are given up or get new jobs
            scheduler.cancel_jobs(dead_jobs)
        impossible = {}
        for index, state in states.items():
            job, item = jobs[index], items[index]
            if scheduler.can_never_start(state):
                impossible[index] = refusal_message(state, self.options.resources_of(item))
            elif scheduler.is_held(state) and job not in self.held_jobs:
                self.held_jobs.add(job)
                self.options.report(f"SLURM job {job} is held: {state}. Release it: `scontrol release {job}`")
            is_gone = state == scheduler.GONE or scheduler.was_requeued_and_held(state)
            is_gone = is_gone and not self.options.is_running(item)
            self.missed_checks[index] = self.missed_checks.get(index, 0) + 1 if is_gone else 0
        # Two checks: a job may change its state, and its record may take time to appear on a shared file system.
        lost = [index for index in jobs if self.missed_checks[index] >= 2]
        self.missed_checks |= dict.fromkeys(lost, 0)
        return impossible, lost


def submit_and_follow(
    fn: Function[T, R],
    items: Sequence[T],
    options: SlurmOptions[T, R],
    environment: Mapping[str, str],
    retries: int,
    poll: Callable[[], None] | None,
) -> Generator[Outcome[T, R], None, None]:
    """Submit the items that have no job yet, and yield each outcome as soon as it is known.

    If a job is gone and left no result, its item is submitted again, at most `retries` times.
    """
    submission = Submission(fn, items, options, environment)
    unfinished = dict.fromkeys(range(len(items)))  # in order

    def submit(queue: Mapping[str, str] | None = None) -> Generator[Outcome[T, R], None, None]:
        for index, reason in submission.submit(queue).items():
            del unfinished[index]
            yield Outcome(items[index], None, reason, ran=False)

    yield from submit()
    if not options.wait:
        return

    monitor = QueueMonitor(options)
    retries_used: dict[int, int] = {}
    while unfinished:
        for index in [*unfinished]:
            value = options.find_result(items[index])
            if value is not None:
                del unfinished[index]
                submission.waiting.pop(index, None)  # another launcher has run it
                monitor.note_result()
                yield Outcome(items[index], value, None)
        if unfinished and monitor.is_due(is_urgent=bool(submission.waiting)):
            jobs = submission.jobs
            impossible, gone = monitor.check({index: jobs[index] for index in unfinished if index in jobs}, items)
            for index, reason in impossible.items():
                del unfinished[index]
                yield Outcome(items[index], None, reason, ran=False)
            lost = [index for index in gone if options.find_result(items[index]) is None]
            # If several items shared the job, any of them may have ended it: this does not count as a retry.
            shared = {index for index in lost if sum(job == jobs[index] for job in jobs.values()) > 1}
            resubmitted = [index for index in lost if index in shared or retries_used.get(index, 0) < retries]
            for index in lost:
                retries_used[index] = retries_used.get(index, 0) + (index not in shared)
                how_it_ended = scheduler.describe_end(jobs[index])
                if index in resubmitted:
                    options.report(f"SLURM job {jobs[index]} ended without a record ({how_it_ended}): submitted again")
                else:
                    del unfinished[index]
                    reason = f"SLURM job {jobs[index]} ended without a record ({how_it_ended})"
                    # The log may contain a host name, so its last line is printed but not stored in the outcome.
                    log_line = last_log_line(options.folder, jobs[index])[:200]
                    options.report(reason + (f"; the last line of its log: {log_line}" if log_line else ""))
                    yield Outcome(items[index], None, reason)
            submission.resubmit(resubmitted)
            if monitor.queue is not None:
                yield from submit(monitor.queue)
        if poll:
            poll()
        if unfinished:
            time.sleep(POLL_SECONDS)
