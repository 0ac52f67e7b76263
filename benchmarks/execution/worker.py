"""What every worker and every SLURM job calls: one trial, claimed, tried twice, recorded whatever happens."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable
from typing import Any

from benchmarks.execution.locks import is_locked, locked
from benchmarks.experiments import new_record, records, run_trial
from benchmarks.experiments.job import Job
from benchmarks.experiments.log import log_attempt
from benchmarks.experiments.restart import is_forced
from benchmarks.training import device

WORKER_LOST = 75  # exit code of a worker that cannot go on, through no fault of the trial that it was given
ATTEMPTS = 2  # an error may have been the machine's; the second time it is the trial's

LOST: set[str] = set()  # devices on which nothing succeeds in this process any more


def run_job(job: Job) -> dict[str, Any] | None:
    """Run a trial unless it is being run elsewhere; a failing one once more, from where it stands.

    Returns:
        The record, with status "failed" and a traceback where it failed twice; None where somebody else is at it.

    Raises:
        OSError: not even the failure could be recorded, as on a full disk.
        RuntimeError: an earlier trial has left the GPU unusable, and no other worker would take this one's place.

    A worker whose GPU an earlier trial has left unusable ends here, and a new one takes the trial.
    """
    if job.device in LOST:
        if multiprocessing.parent_process() is not None:
            os._exit(WORKER_LOST)  # destructors of what lies on the GPU would raise
        raise RuntimeError(f"an earlier training left {job.device} unusable to this process: run again")
    with locked(job.run_folder) as mine:
        if not mine:
            return None
        log_attempt(job.run_folder, "begin")
        record = _tried(job)
        log_attempt(job.run_folder, str(record["status"]))
        return record


def _tried(job: Job) -> dict[str, Any]:
    for number in range(ATTEMPTS):
        try:
            record = run_trial.run_trial(job)
        except Exception:
            if _last(job, number):
                return new_record.record_failure(job, traceback.format_exc())
        else:
            if record["status"] != "failed" or _last(job, number):
                return record
    raise AssertionError("unreachable: the last attempt returns or raises")


def _last(job: Job, number: int) -> bool:
    """Whether a failed attempt is not to be made again in this process."""
    if device.is_device_lost(job.device):
        LOST.add(job.device)
    return number + 1 == ATTEMPTS or job.device in LOST


def find_outcome(job: Job, is_finished: Callable[[dict[str, Any]], bool], since: float) -> dict[str, Any] | None:
    """What a job that runs elsewhere has left behind, or None where it is still to come.

    Args:
        job: the trial.
        is_finished: whether a record holds all that is wanted of it.
        since: a failure counts only if it was recorded after this time, by the clock of `locks.clock`; seconds.
    """
    if is_forced(job.run_folder, job.force_id):
        return None
    record = records.find(job.results, job.trial.key)
    if record is None or is_finished(record):
        return record
    path = job.results / "records" / f"{job.trial.key}.json"
    failed_now = record["status"] == "failed" and path.stat().st_mtime > since and not is_locked(job.run_folder)
    return record if failed_now else None
