"""Run the pending fits of a plan: in this process or in worker processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from benchmarks.execution.launcher import ONE_THREAD, RETRIES
from benchmarks.execution.locks import locked
from benchmarks.experiments.densities.job import FitJob
from benchmarks.experiments.densities.run_fit import run_fit
from benchmarks.printing import prepare_output
from slurm import gpu_slots, launch

POLL_SECONDS = 2.0  # between two attempts to lock a fit that another process runs


def run_locked_fit(fit: FitJob) -> dict[str, Any]:
    """Run a fit, after any other process that runs it has ended."""
    prepare_output()
    while True:
        with locked(fit.folder) as is_ours:
            if is_ours:
                return run_fit(fit)
        time.sleep(POLL_SECONDS)


def run_fits(fits: Sequence[FitJob], cluster: str, workers: int, report: Callable[[str], None]) -> None:
    """Run fits and report the end of each. Fits to the same run follow each other, so that it is encoded once.

    Args:
        fits: to run.
        cluster: "inline" or "local".
        workers: number of processes, for "local".
        report: called with a line for each fit.
    """
    if not fits:
        return
    workers, started = min(workers, len(fits)), time.monotonic()
    on_cpu = all(fit.job.device == "cpu" for fit in fits)
    share_gpus = fits[0].job.device == "cuda" and cluster == "local"
    report(f"{len(fits)} fits to do, {1 if cluster == 'inline' else workers} at a time on {fits[0].job.device}")
    outcomes = launch(
        run_locked_fit, fits, cluster=cluster, workers=workers,
        slots=gpu_slots(torch.cuda.device_count(), workers) if share_gpus else (),
        environment=ONE_THREAD if on_cpu else {}, retries=RETRIES,
    )  # fmt: skip
    for number, outcome in enumerate(outcomes, 1):
        trial, record = outcome.item.job.trial, outcome.value
        if record is None:
            text = f"failed: {(outcome.error or 'unknown').strip().splitlines()[-1]}"
        elif record["status"] == "failed":
            text = f"failed: {record['error']['message']}"
        else:
            text = f"done, fitted in {record['fit_seconds']:.1f} s"
        place = f"[{number}/{len(fits)} {time.monotonic() - started:6.0f} s]"
        report(f"{place} {outcome.item.spec.name} on {trial.name} {trial.dataset} seed {trial.seed}: {text}")
