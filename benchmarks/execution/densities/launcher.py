"""Run the pending fits of a plan: in this process, in worker processes or in SLURM jobs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.execution import launches, locks
from benchmarks.execution.densities.placement import place_fits
from benchmarks.execution.densities.planning import FitPlan
from benchmarks.execution.densities.worker import find_fit_outcome, run_locked_fit
from benchmarks.execution.launcher import (
    ONE_THREAD,
    RETRIES,
    cancel_check,
    describe_cells,
    stop_if_cancelled,
    submitted_before,
)
from benchmarks.execution.options import UserErrors
from benchmarks.experiments.densities.job import FitJob
from slurm import Outcome, SlurmOptions, cluster_name, gpu_slots, launch
from zoo.external import user_folders_off_path

FitOutcome = Outcome[FitJob, dict[str, Any]]


def run(fit_plan: FitPlan, command: Mapping[str, Any], report: Callable[[str], None]) -> None:
    """Run the pending fits and report the end of each. Fits to the same run follow each other: it is encoded once.

    Args:
        fit_plan: the plan; its runs have ended.
        command: the command of its runs, for the launch file.
        report: called with each message.

    Raises:
        UserErrors: SLURM refused all jobs.
        KeyboardInterrupt: by the keyboard or by `cancel`.
    """
    plan, fits = fit_plan.plan, fit_plan.pending()
    if not fits:
        return
    on_slurm = plan.cluster == "slurm"
    workers = 1 if plan.cluster == "inline" else min(plan.workers, len(fits))
    report(f"{len(fits)} fits to do, {'in SLURM jobs' if on_slurm else f'{workers} at a time on {fits[0].job.device}'}")
    scheduler = cluster_name() if on_slurm else None
    submitted = submitted_before(plan.results, scheduler, command) if on_slurm else {}
    runs = {fit.job.trial.key: fit.job for fit in fits}
    started, refused = time.monotonic(), 0
    try:
        with (
            contextlib.nullcontext() if plan.cluster == "inline" else user_folders_off_path(),
            launches.record_launch(
                plan.results, plan.cluster, scheduler, command, describe_cells([*runs.values()])
            ) as path,
        ):
            outcomes = _launch(fit_plan, fits, submitted, path, report)
            for number, outcome in enumerate(outcomes, 1):
                trial = outcome.item.job.trial
                refused += not outcome.ran
                place = f"[{number}/{len(fits)} {time.monotonic() - started:6.0f} s]"
                text = describe_fit(outcome)
                report(f"{place} {outcome.item.spec.name} on {trial.name} {trial.dataset} seed {trial.seed}: {text}")
    except KeyboardInterrupt as reason:
        if on_slurm and not reason.args:  # by the keyboard
            report("SLURM jobs keep running: the same command waits for them again; `cancel` ends them")
        raise
    if refused == len(fits):
        raise UserErrors([f"SLURM accepted none of {refused} fits. The reasons are above"])


def describe_fit(outcome: FitOutcome) -> str:
    """How a fit ended, in one line."""
    record = outcome.value
    if record is None:
        last_line = (outcome.error or "unknown").strip().splitlines()[-1]
        return f"{'failed' if outcome.ran else 'not submitted'}: {last_line}"
    if record["status"] == "failed":
        return f"failed: {record['error']['message']}"
    return f"done, fitted in {record['fit_seconds']:.1f} s"


def _launch(
    fit_plan: FitPlan, fits: Sequence[FitJob], submitted: Mapping[str, str], path: Path, report: Callable[[str], None]
) -> Iterator[FitOutcome]:
    """Run fits, and yield their outcomes.

    Args:
        fit_plan: the plan.
        fits: its fits to run.
        submitted: key of a fit -> the SLURM job that an earlier launcher has submitted for it.
        path: the launch file.
        report: called with each message.
    """
    plan = fit_plan.plan
    on_cpu = all(fit.job.device == "cpu" for fit in fits)
    share_gpus = fits[0].job.device == "cuda" and plan.cluster == "local"  # "cuda:1" names one GPU for all
    workers = min(plan.workers, len(fits))
    return launch(
        run_locked_fit,
        fits,
        cluster=plan.cluster,
        workers=workers,
        slots=gpu_slots(torch.cuda.device_count(), workers) if share_gpus else (),
        environment=ONE_THREAD if on_cpu else {},
        retries=RETRIES,
        poll=cancel_check(path, lambda: None),
        slurm=_slurm_options(fit_plan, fits, submitted, path, report) if plan.cluster == "slurm" else None,
    )


def _slurm_options(
    fit_plan: FitPlan, fits: Sequence[FitJob], submitted: Mapping[str, str], path: Path, report: Callable[[str], None]
) -> SlurmOptions[FitJob, dict[str, Any]]:
    """How SLURM jobs are made from fits; the arguments are those of `_launch`."""
    since, placed = locks.clock(path.parent), place_fits(fits)

    def record_jobs(new: Mapping[str, Sequence[FitJob]]) -> None:
        launches.add_jobs(path, {number: [fit.key for fit in group] for number, group in new.items()})
        stop_if_cancelled(path)

    return SlurmOptions(
        folder=path.parent.absolute(),
        group_key=placed.group_key,
        resources_of=placed.resources_of,
        find_result=lambda fit: find_fit_outcome(fit, fit_plan.plan.scorers[fit.job.trial.dataset], since),
        is_running=lambda fit: locks.is_locked(fit.folder),
        on_submitted=record_jobs,
        existing_jobs={index: submitted[fit.key] for index, fit in enumerate(fits) if fit.key in submitted},
        report=report,
        noun="fits",
    )
