"""Items as SLURM jobs: submitted in arrays by submitit, and followed by what they leave behind.

submitit submits, requeues and keeps the logs.  Whether an item is done is asked of the caller, whether its job
lives of squeue: submitit's own answer comes from sacct, and where there is no accounting it waits for ever for
a job that was killed.
"""

from __future__ import annotations

import contextlib
import io
import shlex
import sys
import time
import traceback
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import submitit

from slurm import scheduler
from slurm.outcome import Outcome
from slurm.resources import VARIABLE, Resources

T = TypeVar("T")
R = TypeVar("R")

ARRAY = 1000  # jobs in an array: SLURM's own default limit
TICK = 0.5  # seconds between two looks at what jobs have left behind
LOOK = 5.0  # seconds between two calls of squeue in the first minutes, and
CALM = 30.0  # after these minutes, as a busy controller should not be asked often
PATIENCE = 1800.0  # seconds without any answer from squeue, and without news, before giving up


@dataclass(frozen=True)
class Follow(Generic[T, R]):
    """How items become jobs, and how their fates are known.

    Attributes:
        folder: for submitit's files and the jobs' logs; nodes must see it under the same path.
        kind: item -> what items that may share a job have in common, such as model and data set.
        needs: item -> what its job asks for; one answer for all items of a kind.
        found: what the item's work has left behind, or None where there is nothing yet.
        alive: whether somebody is at work on the item at this moment, in a job of ours or not.
        submitted: told of new jobs: job id -> its items; where it raises, they are cancelled.
        adopted: item's place in the sequence -> the job that an earlier launcher has submitted for it.
        wait: or only submit.
        tell: takes lines for people.
    """

    folder: Path
    kind: Callable[[T], Hashable]
    needs: Callable[[T], Resources]
    found: Callable[[T], R | None]
    alive: Callable[[T], bool]
    submitted: Callable[[Mapping[str, Sequence[T]]], None]
    adopted: Mapping[int, str]
    wait: bool = True
    tell: Callable[[str], None] = print


@dataclass(frozen=True)
class Group(Generic[T]):
    """What one job runs: some items, one after the other."""

    fn: Callable[[T], Any]
    items: tuple[T, ...]
    requeues: int  # how often it may still go on after a time limit or a pre-emption

    def __call__(self) -> None:
        """Call the function on all items; a raising one does not keep the others from their turn."""
        failed = 0
        for item in self.items:
            try:
                self.fn(item)
            except Exception:
                traceback.print_exc()
                failed += 1
        if failed:
            raise RuntimeError(f"{failed} of {len(self.items)} items failed; see above")

    def checkpoint(self) -> submitit.helpers.DelayedSubmission | None:
        """submitit asks for this before it requeues the job; None means not to."""
        # Our own count: submitit's is of time-outs, takes every pre-emption of a short job for one, and is 3.
        if self.requeues < 1:
            return None
        return submitit.helpers.DelayedSubmission(replace(self, requeues=self.requeues - 1))


def groups(
    items: Sequence[T], kind: Callable[[T], Hashable], needs: Callable[[T], Resources]
) -> list[tuple[Resources, list[int]]]:
    """Jobs: what each asks for and the places of its items, in the order of their first ones."""
    kinds: dict[Hashable, list[int]] = {}
    for index, item in enumerate(items):
        kinds.setdefault(kind(item), []).append(index)
    jobs = []
    for indices in kinds.values():
        asked = needs(items[indices[0]])
        jobs += [(asked, indices[at : at + asked.seeds]) for at in range(0, len(indices), asked.seeds)]
    return sorted(jobs, key=lambda job: job[1][0])


def arrays(jobs: Sequence[tuple[Resources, list[int]]]) -> list[tuple[Resources, list[list[int]]]]:
    """Jobs that ask for the same are one array, of at most `ARRAY` jobs."""
    alike: dict[Resources, list[list[int]]] = {}
    for needs, indices in jobs:
        alike.setdefault(needs, []).append(indices)
    return [(needs, all_[at : at + ARRAY]) for needs, all_ in alike.items() for at in range(0, len(all_), ARRAY)]


def submit(
    fn: Callable[[T], Any],
    items: Sequence[T],
    follow: Follow[T, Any],
    environment: Mapping[str, str],
    alone: bool = False,
) -> tuple[dict[int, str], dict[int, str]]:
    """Submit all items; `alone`: each in a job of its own.

    Returns:
        item's place -> job id; item's place -> why SLURM refused it.
    """
    jobs: dict[int, str] = {}
    refused: dict[int, str] = {}

    def needed(item: T) -> Resources:
        return replace(follow.needs(item), seeds=1) if alone else follow.needs(item)

    for needs, array in arrays(groups(items, follow.kind, needed)):
        tasks = [Group(fn, tuple(items[index] for index in indices), needs.requeues) for indices in array]
        try:
            executor = submitit.SlurmExecutor(follow.folder, max_num_timeout=sys.maxsize)  # `Group` counts
            executor.update_parameters(**parameters(needs, environment))
            with contextlib.redirect_stderr(io.StringIO()):  # the error says it too
                ids = [job.job_id for job in executor.submit_array(tasks)]
        except Exception as reason:  # submitit's, subprocess's, or a full disk
            told = " ".join(str(reason).replace("sbatch: error: ", "").split()) or type(reason).__name__
            refused |= {index: _refusal(told, needs) for indices in array for index in indices}
            continue
        try:
            follow.submitted(
                {job: [items[index] for index in indices] for job, indices in zip(ids, array, strict=True)}
            )
        except BaseException as reason:  # a full disk, or `cancel`: nobody would know of these jobs
            scheduler.cancel(ids)
            if not isinstance(reason, OSError):
                raise
            refused |= {index: f"the jobs cannot be noted: {reason}" for indices in array for index in indices}
            continue
        jobs |= {index: job for job, indices in zip(ids, array, strict=True) for index in indices}
    return jobs, refused


def _refusal(why: str, needs: Resources) -> str:
    asked = ", ".join(f"{name} {getattr(needs, name)!r}" for name in ("partition", "account", "minutes", "gpus"))
    return f"SLURM refused the job: {why} (asked for {asked}; slurm/resources.py, or {VARIABLE})"


def parameters(needs: Resources, environment: Mapping[str, str]) -> dict[str, Any]:
    """submitit's parameters of a job."""
    given = {
        "job_name": scheduler.NAME,
        "time": needs.minutes,
        "cpus_per_task": needs.cpus,
        "signal_delay_s": needs.signal_s,
        "array_parallelism": needs.parallel,
        "stderr_to_stdout": True,
        # srun does not take it over from sbatch since SLURM 22.05
        "srun_args": [f"--cpus-per-task={needs.cpus}"],
        "setup": [f"export {name}={shlex.quote(value)}" for name, value in environment.items()],
        "additional_parameters": {"requeue": True},  # clusters may have it off by default
    }
    given |= {n: getattr(needs, n) for n in ("partition", "account", "qos", "constraint") if getattr(needs, n)}
    given |= {"mem": f"{needs.memory_gb}GB"} if needs.memory_gb else {}
    return given | ({"gpus_per_node": needs.gpus} if needs.gpus else {})


class Watch(Generic[T, R]):
    """SLURM's queue, looked at now and then: which jobs are gone, which will never start, which are held."""

    def __init__(self, follow: Follow[T, R]):
        self.follow = follow
        self.started = self.answered = time.monotonic()
        self.looked = 0.0
        self.absent: dict[int, int] = {}  # item -> looks in a row that did not find its job
        self.told: set[str] = set()  # jobs that somebody holds

    def news(self) -> None:
        """An item has come to its end: all is well, though SLURM may not answer."""
        self.answered = time.monotonic()

    def due(self) -> bool:
        """Whether it is time to look."""
        now = time.monotonic()
        return now - self.looked >= (LOOK if now - self.started < 300 else CALM)

    def look(self, jobs: Mapping[int, str], items: Sequence[T]) -> tuple[dict[int, str], list[int]]:
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
        queue = scheduler.listed()
        if queue is None:
            if self.looked - self.answered > PATIENCE:
                raise OSError("SLURM has not answered for half an hour; submitted jobs are followed by the same "
                              "command, run again")  # fmt: skip
            return {}, []
        self.answered = self.looked
        states = {index: queue.get(job, scheduler.GONE) for index, job in jobs.items()}
        useless = {jobs[index] for index, s in states.items() if scheduler.never(s) or scheduler.fallen(s)}
        if useless:  # nobody waits for these any longer, and what goes again has a job of its own
            scheduler.cancel(useless)
        hopeless = {}
        for index, state in states.items():
            job, item = jobs[index], items[index]
            if scheduler.never(state):
                hopeless[index] = _refusal(state, self.follow.needs(item))
            elif scheduler.held(state) and job not in self.told:
                self.told.add(job)
                self.follow.tell(f"SLURM job {job} is held: {state}; `scontrol release {job}` lets it go")
            gone = (state == scheduler.GONE or scheduler.fallen(state)) and not self.follow.alive(item)
            self.absent[index] = self.absent.get(index, 0) + 1 if gone else 0
        # Two looks: a job may have been between two states, and its record on its way through a file system.
        lost = [index for index in jobs if self.absent[index] >= 2]
        self.absent |= dict.fromkeys(lost, 0)
        return hopeless, lost


def run(
    fn: Callable[[T], R],
    items: Sequence[T],
    follow: Follow[T, R],
    environment: Mapping[str, str],
    retries: int,
    poll: Callable[[], None] | None,
) -> Generator[Outcome[T, R], None, None]:
    """Submit what has no job yet, and yield each item's outcome as soon as it is known.

    An item whose job is gone without having left anything behind is submitted again, at most `retries` times.
    """
    follow.folder.mkdir(parents=True, exist_ok=True)
    jobs = dict(follow.adopted)
    fresh = [index for index in range(len(items)) if index not in jobs]

    def send(indices: list[int], alone: bool = False) -> list[Outcome[T, R]]:
        sent, refused = submit(fn, [items[index] for index in indices], follow, environment, alone)
        jobs.update({indices[at]: job for at, job in sent.items()})
        return [Outcome(items[indices[at]], None, why, ran=False) for at, why in refused.items()]

    open_ = dict.fromkeys(range(len(items)))  # in order
    places = {id(items[index]): index for index in open_}
    outcomes = send(fresh) if fresh else []
    for outcome in outcomes:
        del open_[places[id(outcome.item)]]
    yield from outcomes
    if not follow.wait:
        return

    watch = Watch(follow)
    tries: dict[int, int] = {}
    while open_:
        for index in [*open_]:
            value = follow.found(items[index])
            if value is not None:
                del open_[index]
                watch.news()
                yield Outcome(items[index], value, None)
        if open_ and watch.due():
            hopeless, gone = watch.look({index: jobs[index] for index in open_}, items)
            for index, why in hopeless.items():
                del open_[index]
                yield Outcome(items[index], None, why, ran=False)
            lost = [index for index in gone if follow.found(items[index]) is None]
            # Whose fault it was is known only where an item had its job for itself.
            shared = {index for index in lost if sum(job == jobs[index] for job in jobs.values()) > 1}
            again = [index for index in lost if index in shared or tries.get(index, 0) < retries]
            for index in lost:
                tries[index] = tries.get(index, 0) + (index not in shared)
                how = scheduler.fate(jobs[index])
                if index in again:
                    follow.tell(f"SLURM job {jobs[index]} ended without a record ({how}): submitted again")
                else:
                    del open_[index]
                    why = f"SLURM job {jobs[index]} ended without a record ({how})"
                    follow.tell(why + _last_words(follow, jobs[index]))  # they may name a host: not for the record
                    yield Outcome(items[index], None, why)
            for outcome in send(again, alone=True) if again else []:
                del open_[places[id(outcome.item)]]
                yield outcome
        if poll:
            poll()
        if open_:
            time.sleep(TICK)


def _last_words(follow: Follow[T, R], job: str) -> str:
    """The last line of a job's log."""
    try:
        lines = (follow.folder / f"{job}_0_log.out").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return f"; its last words: {lines[-1][:200]}" if lines else ""
