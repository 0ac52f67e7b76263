"""Run the pending jobs of a plan: in this process, in worker processes or in SLURM jobs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks.execution import launches, locks
from benchmarks.execution.options import UserErrors
from benchmarks.execution.placement import group_key, resources_of
from benchmarks.execution.plan import Plan
from benchmarks.execution.progress import describe_outcome, progress_bars
from benchmarks.execution.worker import WORKER_LOST, find_outcome, run_job, run_job_in_turns
from benchmarks.experiments.job import Job, is_finished
from benchmarks.program import program_words, suggest
from slurm import Outcome, SlurmOptions, cluster_name, gpu_slots, is_available, launch, list_jobs
from zoo.external import user_folders_off_path

# A run on a CPU has one thread.  Set before a worker imports anything, as libraries read these variables once.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
RETRIES = 1  # attempts after the first, if the worker died or the SLURM job is gone
CHECK_SECONDS = 2.0  # between checks of other launchers' runs and of a cancellation

RunOutcome = Outcome[Job, dict[str, Any] | None]


def detach(command: Sequence[str], results: Path) -> int:
    """Start a launcher that outlives this process, for `--no-wait` without SLURM or with too many jobs for it."""
    folder = launches.folder(results)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"launcher-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    with path.open("w", encoding="utf-8") as log:
        process = subprocess.Popen([*program_words(), *command], stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, start_new_session=True)  # fmt: skip
    print(f"started as process {process.pid}; its output goes to {path}")
    return 0


def run(plan: Plan, pending: list[Job], console: Console, command: Mapping[str, Any], wait: bool) -> int:
    """Run what is missing, and show the progress.

    Args:
        plan: the plan.
        pending: its jobs that have something left to do.
        console: for progress bars.
        command: the command that makes the same plan again, for `retry`.
        wait: until all runs have ended; else, on SLURM, submit what it takes now and return.

    Returns:
        The number of runs that are not submitted, as SLURM took no more jobs. It is 0 if the launcher has waited.

    Raises:
        UserErrors: SLURM refused all jobs.
        KeyboardInterrupt: by the keyboard or by `cancel`.
    """
    if not pending:
        return 0
    with contextlib.ExitStack() as stack:
        if plan.cluster != "inline":
            stack.enter_context(user_folders_off_path())
        if console.is_terminal and wait:
            poll, report = stack.enter_context(progress_bars(pending, console))
            return _run(plan, pending, command, wait, poll, report)
        return _run(plan, pending, command, wait, lambda: None, lambda line: print(line, flush=True))


def _run(
    plan: Plan,
    pending: list[Job],
    command: Mapping[str, Any],
    wait: bool,
    poll: Callable[[], None],
    report: Callable[[str], None],
) -> int:
    on_slurm = plan.cluster == "slurm"
    report(_summary(plan, pending))
    if plan.cluster == "local" and command["options"].get("cluster") == "auto" and is_available() is None:
        report("sbatch is here, but its controller does not answer: everything runs on this machine")
    scheduler = cluster_name() if on_slurm else None
    submitted = submitted_before(plan.results, scheduler, command) if on_slurm else {}
    started = time.monotonic()
    unfinished = {job.trial.key for job in pending}
    refused = 0
    try:
        with launches.record_launch(plan.results, plan.cluster, scheduler, command, describe_cells(pending)) as path:
            check = cancel_check(path, poll)
            jobs, elsewhere = pending, list[Job]()  # to be run here; run by another launcher at this moment
            while jobs:
                for outcome in _launch(plan, jobs, submitted, path, wait, check, report):
                    if outcome.error is None and outcome.value is None:
                        elsewhere.append(outcome.item)
                        continue
                    trial = outcome.item.trial
                    unfinished.discard(trial.key)
                    refused += not outcome.ran
                    ended = len(pending) - len(unfinished)
                    prefix = f"[{ended}/{len(pending)} {time.monotonic() - started:6.0f} s]"
                    description = describe_outcome(outcome, plan.scorers[trial.dataset])
                    report(f"{prefix} {trial.name} {trial.dataset} seed {trial.seed}: {description}")
                jobs = _wait_for_unlocked(elsewhere, check)
                elsewhere = [job for job in elsewhere if job not in jobs]
    except KeyboardInterrupt as reason:
        if on_slurm and not reason.args:  # by the keyboard
            waiting = len(unfinished - submitted.keys())
            rest = f" and submits the other {waiting} runs" if waiting else ""
            report(f"SLURM jobs keep running: the same command waits for them again{rest}; `cancel` ends them")
        raise
    if refused == len(pending):
        raise UserErrors([f"SLURM accepted none of {refused} runs. The reasons are above"])
    if wait:
        return 0
    report(f"submitted; to see the progress: {suggest('status', plan.results)}")
    return len(unfinished - submitted.keys())


def _summary(plan: Plan, pending: Sequence[Job]) -> str:
    """How many runs there are to do, and where."""
    states = [plan.state(job) for job in plan.jobs]
    skipped = {state: states.count(state) for state in plan.SKIPPED if state in states}
    done = len(plan.jobs) - len(pending) - sum(skipped.values())
    skipped_text = "".join(f", {count} {state}" for state, count in skipped.items())
    workers = 1 if plan.cluster == "inline" else min(plan.workers, len(pending))
    at_once = 1 if plan.cluster == "inline" else max(map(plan.runs_at_once, pending))
    location = "in SLURM jobs" if plan.cluster == "slurm" else f"{workers} at a time on {pending[0].device}"
    if at_once > 1 and plan.cluster == "local":
        location = f"up to {at_once} at a time in each of {workers} processes on {pending[0].device}"
    scored = len(pending) - len(plan.untrained())
    kinds = f" ({scored} only to score)" if scored else ""
    return f"{len(pending)} run{'s' * (len(pending) != 1)} to do{kinds}, {done} done already{skipped_text}; {location}"


def describe_cells(pending: Sequence[Job]) -> dict[str, dict[str, Any]]:
    """Run key -> the fields of the run that `status` shows."""
    return {job.trial.key: {"model": job.trial.name, "dataset": job.trial.dataset, "preset": job.trial.preset,
                            "seed": job.trial.seed, "steps": job.trial.steps, "draws": job.draws}
            for job in pending}  # fmt: skip


def submitted_before(results: Path, scheduler: str | None, command: Mapping[str, Any]) -> dict[str, str]:
    """Run key -> the SLURM job that an earlier launcher of the same command has submitted for it.

    Jobs of other commands do not count, because they may measure less of the same runs.
    """
    queue = list_jobs()
    submitted: dict[str, str] = {}
    for launch_record in launches.launches(results).values():
        if launches.is_same_command(launch_record["command"], command):
            submitted |= launches.pending_jobs(launch_record, scheduler, queue)
    return submitted


def _wait_for_unlocked(elsewhere: Sequence[Job], check: Callable[[], None]) -> list[Job]:
    """Wait until other launchers have finished or released some of these runs; return those runs."""
    unlocked: list[Job] = []
    while elsewhere and not unlocked:
        time.sleep(CHECK_SECONDS)
        check()
        unlocked = [job for job in elsewhere if not locks.is_locked(job.run_folder)]
    return unlocked


def _launch(
    plan: Plan,
    jobs: list[Job],
    submitted: dict[str, str],
    path: Path,
    wait: bool,
    poll: Callable[[], None],
    report: Callable[[str], None],
) -> Iterator[RunOutcome]:
    """Run jobs, and yield their outcomes; a job that another launcher runs has neither a value nor an error.

    Args:
        plan: the plan.
        jobs: its jobs to run.
        submitted: run key -> its SLURM job; takes the new ones.
        path: the launch file.
        wait: see `run`.
        poll: called often.
        report: called with each message.
    """
    since = locks.clock(path.parent)
    indices = {job.trial.key: index for index, job in enumerate(jobs)}
    # The file of resources may change while jobs wait: a launch uses what it said at its start.
    needs = {job.trial.key: resources_of(job) for job in jobs} if plan.cluster == "slurm" else {}

    def record_jobs(new: Mapping[str, Sequence[Job]]) -> None:
        launches.add_jobs(path, {number: [job.trial.key for job in group] for number, group in new.items()})
        submitted.update({job.trial.key: number for number, group in new.items() for job in group})
        stop_if_cancelled(path)

    def find_result(job: Job) -> dict[str, Any] | None:
        return find_outcome(job, lambda record: is_finished(record, plan.scorers[job.trial.dataset], job), since)

    slurm_options: SlurmOptions[Job, dict[str, Any] | None] | None = None
    if plan.cluster == "slurm":
        slurm_options = SlurmOptions(
            folder=path.parent.absolute(),
            group_key=group_key,
            resources_of=lambda job: needs[job.trial.key],
            find_result=find_result,
            is_running=lambda job: locks.is_locked(job.run_folder),
            on_submitted=record_jobs,
            existing_jobs={indices[key]: number for key, number in submitted.items() if key in indices},
            at_once=plan.runs_at_once,
            wait=wait,
            report=report,
        )
    workers = min(plan.workers, len(jobs))
    on_cpu = all(job.device == "cpu" for job in jobs)
    share_gpus = jobs[0].device == "cuda" and plan.cluster == "local"  # "cuda:1" names one GPU for all
    on_gpu = any(job.device.startswith("cuda") for job in jobs)
    return launch(
        run_job_in_turns if on_gpu and plan.cluster != "inline" else run_job,
        jobs,
        cluster=plan.cluster,
        workers=workers,
        slots=gpu_slots(torch.cuda.device_count(), workers) if share_gpus else (),
        environment=ONE_THREAD if on_cpu else {},
        retries=RETRIES,
        worker_lost=WORKER_LOST,
        poll=poll,
        at_once=plan.runs_at_once,
        slurm=slurm_options,
    )


def cancel_check(path: Path, poll: Callable[[], None]) -> Callable[[], None]:
    """A function to be called often. It polls, and checks every few seconds whether the launch was cancelled."""
    checked = time.monotonic()

    def check() -> None:
        nonlocal checked
        poll()
        if time.monotonic() - checked > CHECK_SECONDS:
            checked = time.monotonic()
            stop_if_cancelled(path)

    return check


def stop_if_cancelled(path: Path) -> None:
    """Raise KeyboardInterrupt if a launch was cancelled; `path` is its file."""
    if launches.is_cancelled(path):
        raise KeyboardInterrupt("cancel")
