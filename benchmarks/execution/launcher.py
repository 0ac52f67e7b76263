"""Where trainings run, and waiting for them: worker processes or SLURM jobs, through one results folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from benchmarks.execution import launches, locks
from benchmarks.execution.options import Problems
from benchmarks.execution.plan import Plan
from benchmarks.execution.worker import SPENT, attempt, outcome
from benchmarks.experiments.trial import Job, finished, record_failure
from slurm import (
    Follow,
    Outcome,
    Resources,
    answers,
    arrays,
    cancel,
    gpu_slots,
    groups,
    launch,
    listed,
    resources,
)
from slurm import cluster as slurm_name

# A trial has one thread; set before a worker imports anything, as libraries read them once.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
RETRIES = 1  # of a trial whose worker died, or whose SLURM job is gone
PAUSE = 2.0  # seconds between two looks at trainings that somebody else is at, and at whether we were cancelled


def placed(found: Plan, device: str) -> Plan:
    """A plan for SLURM: paths that nodes know, and a device for each job by what it asks for.

    Args:
        found: the plan.
        device: as `--device` says.

    Raises:
        Problems: resources that cannot be read, or a GPU wanted for jobs that ask for none.
    """
    if found.cluster != "slurm":
        return found
    wrong: list[str] = []
    jobs = []
    for job in found.jobs:
        try:
            gpus = resources(job.trial.model, job.trial.dataset).gpus
        except ValueError as reason:
            raise Problems([str(reason)]) from None
        if device == "cuda" and not gpus:
            wrong.append(f"--device cuda, but jobs of {job.trial.model} on {job.trial.dataset} ask for no GPU "
                         "(slurm/resources.py)")  # fmt: skip
        where = "cpu" if device == "cpu" or not gpus else "cuda"
        root = None if job.root is None else job.root.absolute()
        jobs.append(replace(job, device=where, root=root, results=job.results.absolute()))
    if wrong:
        raise Problems(wrong)
    return replace(found, jobs=tuple(jobs), results=found.results.absolute())


def needs(job: Job) -> Resources:
    """What the SLURM job of a trial asks for; no GPU where it is to run on the CPU."""
    row = resources(job.trial.model, job.trial.dataset)
    return replace(row, gpus=0) if job.device == "cpu" else row


def kind(job: Job) -> tuple[str, str]:
    """What trials of one SLURM job have in common."""
    return job.trial.model, job.trial.dataset


def what_slurm_gets(pending: Sequence[Job]) -> Iterator[str]:
    """One line for each array that would be submitted."""
    for row, array in arrays(groups(pending, kind, needs)):
        trainings = sum(map(len, array))
        where = f"partition {row.partition or 'by default'}" + (f", account {row.account}" if row.account else "")
        memory = f", {row.memory_gb} GB" if row.memory_gb else ""
        yield (f"SLURM: {len(array)} jobs with {trainings} trainings, at most {row.parallel} jobs at a time; each: "
               f"{where}, {row.minutes} min, {row.gpus} GPUs, {row.cpus} CPUs{memory}")  # fmt: skip


def detach(command: Sequence[str], results: Path) -> int:
    """Start a launcher that outlives this one, for `--no-wait` without SLURM."""
    folder = launches.folder(results)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"launcher-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    with path.open("w", encoding="utf-8") as log:
        process = subprocess.Popen([sys.executable, "-m", "benchmarks.run", *command], stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, start_new_session=True)  # fmt: skip
    print(f"started as process {process.pid}; what it says goes to {path}")
    return 0


def run(found: Plan, pending: list[Job], console: Console, command: Mapping[str, Any], wait: bool) -> None:
    """Run what is missing, showing how far it is.

    Args:
        found: the plan.
        pending: its jobs that have something left to do.
        console: for bars.
        command: what makes the same plan again, for `run retry`.
        wait: or only submit, on SLURM.

    Raises:
        Problems: SLURM refused all jobs.
        KeyboardInterrupt: by the keyboard or by `run cancel`.
    """
    if not pending:
        return
    if console.is_terminal and wait:
        with _bars(pending) as (poll, tell):
            _consume(found, pending, command, wait, poll, tell)
    else:
        _consume(found, pending, command, wait, lambda: None, lambda line: print(line, flush=True))


def _consume(
    found: Plan,
    pending: list[Job],
    command: Mapping[str, Any],
    wait: bool,
    poll: Callable[[], None],
    tell: Callable[[str], None],
) -> None:
    workers = min(found.workers, len(pending))
    states = [found.state(job) for job in found.jobs]
    cannot = {state: states.count(state) for state in ("lacking", "unusable") if state in states}
    there = len(found.jobs) - len(pending) - sum(cannot.values())
    others = "".join(f", {n} {state}" for state, n in cannot.items())
    where = "in SLURM jobs" if found.cluster == "slurm" else f"{workers} at a time on {pending[0].device}"
    tell(f"{len(pending)} trainings to run, {there} there already{others}; {where}")
    if found.cluster == "local" and command["options"].get("cluster") == "auto" and answers() is None:
        tell("sbatch is here, but its controller does not answer: everything runs on this machine")
    cells = {job.trial.key: {"model": job.trial.model, "dataset": job.trial.dataset, "preset": job.trial.preset,
                             "seed": job.trial.seed, "steps": job.trial.steps, "draws": job.draws}
             for job in pending}  # fmt: skip
    scheduler = slurm_name() if found.cluster == "slurm" else None
    waiting = _submitted(found.results, scheduler, command) if found.cluster == "slurm" else {}
    started = time.monotonic()
    told, refused = 0, 0
    try:
        with launches.launching(found.results, found.cluster, scheduler, command, cells) as path:
            heed = _heed_cancel(path, poll)
            left, busy = pending, list[Job]()  # to be run, and what somebody else is at
            while left:
                for one in _outcomes(found, left, workers, waiting, path, wait, heed, tell):
                    if one.error is None and one.value is None:
                        busy.append(one.item)
                        continue
                    told += 1
                    trial = one.item.trial
                    at = f"[{told}/{len(pending)} {time.monotonic() - started:6.0f} s]"
                    tell(f"{at} {trial.model} {trial.dataset} seed {trial.seed}: {_said(one)}")
                    refused += not one.ran
                left = _freed(busy, heed)
                busy = [job for job in busy if job not in left]
    except KeyboardInterrupt as why:
        if found.cluster == "slurm" and not why.args:  # by the keyboard
            tell("SLURM jobs go on: the same command waits for them again, `run cancel` ends them")
        raise
    if refused == len(pending):
        raise Problems([f"SLURM accepts none of {refused} trainings; the reasons are above"])
    if not wait:
        tell(f"submitted; how far they are: python -m benchmarks.run status --results {found.results}")


def _submitted(results: Path, scheduler: str | None, command: Mapping[str, Any]) -> dict[str, str]:
    """Training key -> the job that an earlier launcher has submitted for it, to be waited for.

    By the same command alone: another one may want less of the same trainings, no draws, no criteria.
    """
    queue = listed()
    waiting: dict[str, str] = {}
    for launched in launches.launches(results).values():
        if launches.same(launched["command"], command):
            waiting |= launches.waiting(launched, scheduler, queue)
    return waiting


def _freed(busy: Sequence[Job], heed: Callable[[], None]) -> list[Job]:
    """Wait until some of the trainings that others are at are theirs no more, by their end or by their death."""
    free: list[Job] = []
    while busy and not free:
        time.sleep(PAUSE)
        heed()
        free = [job for job in busy if not locks.alive(job.work)]
    return free


def _outcomes(
    found: Plan,
    left: list[Job],
    workers: int,
    waiting: Mapping[str, str],
    path: Path,
    wait: bool,
    poll: Callable[[], None],
    tell: Callable[[str], None],
) -> Iterator[Outcome[Job, dict[str, Any] | None]]:
    since = locks.clock(path.parent)
    places = {job.trial.key: index for index, job in enumerate(left)}

    def note(jobs: Mapping[str, Sequence[Job]]) -> None:
        launches.submitted(path, {number: [job.trial.key for job in of] for number, of in jobs.items()})
        _stop_if_told(path)

    follow: Follow[Job, dict[str, Any] | None] = Follow(
        folder=path.parent.absolute(),
        kind=kind,
        needs=needs,
        found=lambda job: outcome(job, lambda r: finished(r, found.measures[job.trial.dataset], job), since),
        alive=lambda job: locks.alive(job.work),
        submitted=note,
        adopted={places[key]: job for key, job in waiting.items() if key in places},
        wait=wait,
        tell=tell,
    )
    on_cpu = all(job.device == "cpu" for job in left)
    shared = left[0].device == "cuda" and found.cluster == "local"  # "cuda:1" names one for all
    return launch(
        attempt,
        left,
        cluster=found.cluster,
        workers=workers,
        slots=gpu_slots(torch.cuda.device_count(), workers) if shared else (),
        environment=ONE_THREAD if on_cpu else {},
        retries=RETRIES,
        spent=SPENT,
        poll=poll,
        follow=follow,
    )


def _said(one: Outcome[Job, dict[str, Any] | None]) -> str:
    """An outcome in one line; a failure that could not record itself is recorded."""
    if one.error is None:
        return _result(one.value or {})
    last = one.error.strip().splitlines()[-1]
    if not one.ran:
        return f"not submitted: {last}"
    try:
        with locks.claimed(one.item.work) as mine:
            if not mine:
                return f"failed: {last}; somebody else is at it"
            record_failure(one.item, one.error)
    except (OSError, ValueError) as reason:  # a full disk, data that have gone, a record of a newer version
        return f"failed: {last}; not recorded: {reason}"
    return f"failed: {last}"


def _heed_cancel(path: Path, poll: Callable[[], None]) -> Callable[[], None]:
    looked = time.monotonic()

    def heed() -> None:
        nonlocal looked
        poll()
        if time.monotonic() - looked > PAUSE:
            looked = time.monotonic()
            _stop_if_told(path)

    return heed


def _stop_if_told(path: Path) -> None:
    if launches.cancelled(path):
        raise KeyboardInterrupt("run cancel")


def _result(record: dict[str, Any]) -> str:
    if record["status"] != "done":
        return f"{record['status']}: {record['error']['message']}"
    values: dict[str, list[float]] = {}
    samples = [evaluation for evaluation in record["evaluations"] if evaluation["source"] == "prior"]
    for evaluation in samples:
        if evaluation["protocol_id"] != samples[0]["protocol_id"]:
            continue  # a variant: the table tells
        for name, value in evaluation["values"].items():
            values.setdefault(name, []).append(value)
    seconds = sum(row["seconds"] for row in record["epochs"])
    numbers = ", ".join(f"{name} {sum(v) / len(v):.2f}" for name, v in values.items())
    return f"{numbers} ({seconds:.0f} s of training)"


@contextmanager
def _bars(pending: list[Job]) -> Iterator[tuple[Callable[[], None], Callable[[str], None]]]:
    """A bar over all trainings and one for each that runs."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as progress:
        whole = progress.add_task("steps of all trainings", total=sum(job.trial.steps for job in pending))
        bars: dict[Path, TaskID] = {}
        ended: set[Path] = set()

        def poll() -> None:
            done = 0
            for job in pending:
                try:
                    state = json.loads((job.work / "progress.json").read_text(encoding="utf-8"))
                except (OSError, ValueError):
                    if job.work in bars and job.work not in ended:
                        ended.add(job.work)
                        progress.update(bars[job.work], visible=False)
                    done += job.trial.steps if job.work in ended else 0
                    continue
                if job.work not in bars:
                    what = f"{job.trial.model} {job.trial.dataset} seed {job.trial.seed}"
                    bars[job.work] = progress.add_task(what, total=state["total"])
                progress.update(bars[job.work], completed=state["done"])
                done += state["done"]
            progress.update(whole, completed=done)

        yield poll, lambda line: progress.console.print(line, highlight=False, markup=False, soft_wrap=True)


# --- commands on what was launched


def end_launches(results: Path) -> int:
    """Tell everything that runs for a results folder to stop, wherever it runs; 1 where SLURM did not answer."""
    code, count = 0, 0
    queue: Mapping[str, str] | None = None
    name: str | None = None
    for path, launched in launches.launches(results).items():
        if launched["jobs"] and queue is None:
            queue, name = listed(), slurm_name()
        # Without an answer nobody knows whether they are still there.
        jobs = [*launched["jobs"]] if queue is None else [j for j in launches.jobs(launched, name) if j in queue]
        # A launch that was told to stop may have jobs left all the same: SLURM may not have answered then.
        if not jobs and (launched["cancelled"] or not launches.live(path, launched)):
            continue
        launches.cancel(path)
        count += 1
        # Asked again: it may have submitted more before it could see that it was told to stop.
        later = launches.launches(results)[path]
        jobs += [job for job in later["jobs"] if job not in launched["jobs"]]
        # Without an answer the numbers may be somebody else's by now: nobody is told that they were cancelled.
        if jobs and (queue is None or not cancel(jobs)):
            print(f"error: SLURM did not answer: its jobs {', '.join(jobs[:5])} may still run; cancel again where it "
                  "answers", file=sys.stderr)  # fmt: skip
            code = 1
        where = f"{len(jobs)} SLURM jobs" if jobs else f"the launcher on {launched['owner']['host']}"
        print(f"told to stop: {where}, begun {time.strftime('%Y-%m-%d %H:%M', time.localtime(launched['at']))}")
    print("finished trainings are kept; `run retry` goes on with the rest" if count else "nothing is running")
    return code
