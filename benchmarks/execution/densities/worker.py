"""Run one fit in a worker or a SLURM job, under its lock, and find its outcome from its record."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.evaluation.scoring import Scorer
from benchmarks.execution.locks import is_locked, locked
from benchmarks.experiments.densities.job import FitJob
from benchmarks.experiments.densities.records import read_record
from benchmarks.experiments.densities.run_fit import is_finished, run_fit
from benchmarks.printing import prepare_output

POLL_SECONDS = 2.0  # between two attempts to lock a fit that another process runs


def run_locked_fit(fit: FitJob) -> dict[str, Any]:
    """Run a fit, after any other process that runs it has ended."""
    prepare_output()
    while True:
        with locked(fit.folder) as is_ours:
            if is_ours:
                return run_fit(fit)
        time.sleep(POLL_SECONDS)


def find_fit_outcome(fit: FitJob, scorer: Scorer, since: float) -> dict[str, Any] | None:
    """The record of a fit that runs elsewhere, or None if it has not ended yet.

    Args:
        fit: the fit.
        scorer: what scores its images.
        since: a failure counts only if it was recorded after this time, by the clock of `locks.clock`; seconds.
    """
    record = read_record(fit.record_file)
    if record is None or is_finished(record, fit, scorer):
        return record
    failed_now = record["status"] == "failed" and fit.record_file.stat().st_mtime > since and not is_locked(fit.folder)
    return record if failed_now else None
