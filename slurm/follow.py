"""Following SLURM jobs by what they leave behind.

Whether an item is done is asked of the caller, whether its job lives of squeue.  submitit's own answer comes from
sacct, and on a cluster without accounting it waits for ever for a job that was killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Generic, TypeVar

from slurm import scheduler
from slurm.jobs import SlurmOptions, refusal_message, submit
from slurm.outcome import Outcome

T = TypeVar("T")
R = TypeVar("R")

POLL_SECONDS = 0.5  # between two looks at what jobs have left behind
QUEUE_SECONDS = 5.0  # between two calls of squeue in the first five minutes,
QUIET_QUEUE_SECONDS = 30.0  # and after them, as a busy controller should not be asked often
MAX_SILENCE_SECONDS = 1800.0  # without any answer from squeue, and without results, before giving up


class QueueMonitor(Generic[T, R]):
    """SLURM's queue, looked at now and then: which jobs are gone, which will never start, which are held."""

    def __init__(self, options: SlurmOptions[T, R]):
        self.options = options
        self.started = self.answered = time.monotonic()
        self.looked = 0.0
        self.absent: dict[int, int] = {}  # item -> looks in a row that did not find its job
        self.held_jobs: set[str] = set()  # jobs that somebody holds

    def note_result(self) -> None:
        """An item has come to its end: all is well, though SLURM may not answer."""
        self.answered = time.monotonic()

    def is_due(self) -> bool:
        """Whether it is time to look."""
        now = time.monotonic()
        return now - self.looked >= (QUEUE_SECONDS if now - self.started < 300 else QUIET_QUEUE_SECONDS)

    def check(self, jobs: Mapping[int, str], items: Sequence[T]) -> tuple[dict[int, str], list[int]]:
        """Ask SLURM for the jobs of items.

        Args:
            jobs: item's place -> its job.
            items: all items.

        Returns:
            item's place -> why its job will never start; places of items whose jobs are gone.

        Raises:
            OSError: it has not answered for a long time.
        """
        self.looked = time.monotonic()
        queue = scheduler.list_jobs()
        if queue is None:
            if self.looked - self.answered > MAX_SILENCE_SECONDS:
                raise OSError("SLURM has not answered for half an hour; submitted jobs are followed by the same "
                              "command, run again")  # fmt: skip
            return {}, []
        self.answered = self.looked
        states = {index: queue.get(job, scheduler.GONE) for index, job in jobs.items()}
        useless = {
            jobs[index]
            for index, s in states.items()
            if scheduler.can_never_start(s) or scheduler.was_requeued_and_held(s)
        }
        if useless:  # nobody waits for these any longer, and what goes again has a job of its own
            scheduler.cancel_jobs(useless)
        impossible = {}
        for index, state in states.items():
            job, item = jobs[index], items[index]
            if scheduler.can_never_start(state):
                impossible[index] = refusal_message(state, self.options.resources_of(item))
            elif scheduler.is_held(state) and job not in self.held_jobs:
                self.held_jobs.add(job)
                self.options.report(f"SLURM job {job} is held: {state}; `scontrol release {job}` lets it go")
            is_gone = state == scheduler.GONE or scheduler.was_requeued_and_held(state)
            is_gone = is_gone and not self.options.is_running(item)
            self.absent[index] = self.absent.get(index, 0) + 1 if is_gone else 0
        # Two looks: a job may have been between two states, and its record on its way through a file system.
        lost = [index for index in jobs if self.absent[index] >= 2]
        self.absent |= dict.fromkeys(lost, 0)
        return impossible, lost


def submit_and_follow(
    fn: Callable[[T], R],
    items: Sequence[T],
    options: SlurmOptions[T, R],
    environment: Mapping[str, str],
    retries: int,
    poll: Callable[[], None] | None,
) -> Generator[Outcome[T, R], None, None]:
    """Submit what has no job yet, and yield each item's outcome as soon as it is known.

    An item whose job is gone without having left anything behind is submitted again, at most `retries` times.
    """
    options.folder.mkdir(parents=True, exist_ok=True)
    jobs = dict(options.existing_jobs)
    unsubmitted = [index for index in range(len(items)) if index not in jobs]

    def send(indices: list[int], alone: bool = False) -> list[Outcome[T, R]]:
        sent, refused = submit(fn, [items[index] for index in indices], options, environment, alone)
        jobs.update({indices[at]: job for at, job in sent.items()})
        return [Outcome(items[indices[at]], None, why, ran=False) for at, why in refused.items()]

    unfinished = dict.fromkeys(range(len(items)))  # in order
    places = {id(items[index]): index for index in unfinished}
    outcomes = send(unsubmitted) if unsubmitted else []
    for outcome in outcomes:
        del unfinished[places[id(outcome.item)]]
    yield from outcomes
    if not options.wait:
        return

    monitor = QueueMonitor(options)
    tries: dict[int, int] = {}
    while unfinished:
        for index in [*unfinished]:
            value = options.find_result(items[index])
            if value is not None:
                del unfinished[index]
                monitor.note_result()
                yield Outcome(items[index], value, None)
        if unfinished and monitor.is_due():
            impossible, gone = monitor.check({index: jobs[index] for index in unfinished}, items)
            for index, why in impossible.items():
                del unfinished[index]
                yield Outcome(items[index], None, why, ran=False)
            lost = [index for index in gone if options.find_result(items[index]) is None]
            # Whose fault it was is known only where an item had its job for itself.
            shared = {index for index in lost if sum(job == jobs[index] for job in jobs.values()) > 1}
            again = [index for index in lost if index in shared or tries.get(index, 0) < retries]
            for index in lost:
                tries[index] = tries.get(index, 0) + (index not in shared)
                how = scheduler.how_it_ended(jobs[index])
                if index in again:
                    options.report(f"SLURM job {jobs[index]} ended without a record ({how}): submitted again")
                else:
                    del unfinished[index]
                    why = f"SLURM job {jobs[index]} ended without a record ({how})"
                    # The log may name a host: its last line is shown, and does not enter the record.
                    options.report(why + _last_log_line(options, jobs[index]))
                    yield Outcome(items[index], None, why)
            for outcome in send(again, alone=True) if again else []:
                del unfinished[places[id(outcome.item)]]
                yield outcome
        if poll:
            poll()
        if unfinished:
            time.sleep(POLL_SECONDS)


def _last_log_line(options: SlurmOptions[T, R], job: str) -> str:
    """The last line of a job's log."""
    try:
        lines = (options.folder / f"{job}_0_log.out").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return f"; its last words: {lines[-1][:200]}" if lines else ""
