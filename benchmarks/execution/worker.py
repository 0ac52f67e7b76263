"""Run one job in a worker or a SLURM job: lock it, attempt it twice, and record it even if it fails."""

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
from benchmarks.printing import prepare_output
from benchmarks.training import device

WORKER_LOST = 75  # exit code of a worker that lost its GPU; its run is not to blame
ATTEMPTS = 2  # the first error may be the machine's fault; a second one is the run's

LOST_DEVICES: set[str] = set()  # devices that this process can no longer use


def run_job(job: Job) -> dict[str, Any] | None:
    """Run a job unless another process runs it. If it fails, it is resumed once.

    If an earlier run has left the GPU unusable, a worker process exits with `WORKER_LOST`, and a new worker takes the
    job.

    Returns:
        The record, with status "failed" and a traceback if it failed twice; None if another process runs it.

    Raises:
        OSError: not even the failure could be recorded, as on a full disk.
        RuntimeError: an earlier run has left the GPU unusable, and this process is not a worker.
    """
    prepare_output()  # a process of its own, or a SLURM job
    if job.device in LOST_DEVICES:
        if multiprocessing.parent_process() is not None:
            os._exit(WORKER_LOST)  # destructors of objects on the GPU would raise
        raise RuntimeError(f"an earlier run left {job.device} unusable for this process. Run the command again")
    with locked(job.run_folder) as is_ours:
        if not is_ours:
            return None
        log_attempt(job.run_folder, "begin")
        record = _attempt(job)
        log_attempt(job.run_folder, str(record["status"]))
        return record


def _attempt(job: Job) -> dict[str, Any]:
    for number in range(ATTEMPTS):
        try:
            record = run_trial.run_trial(job)
        except Exception:
            if _is_last_attempt(job, number):
                return new_record.record_failure(job, traceback.format_exc())
        else:
            if record["status"] != "failed" or _is_last_attempt(job, number):
                return record
    raise AssertionError("unreachable: the last attempt returns or raises")


def _is_last_attempt(job: Job, number: int) -> bool:
    """Whether a failed job is not attempted again in this process."""
    if device.is_device_lost(job.device):
        LOST_DEVICES.add(job.device)
    return number + 1 == ATTEMPTS or job.device in LOST_DEVICES


def find_outcome(job: Job, is_finished: Callable[[dict[str, Any]], bool], since: float) -> dict[str, Any] | None:
    """The record of a job that runs elsewhere, or None if it has not ended yet.

    Args:
        job: the job.
        is_finished: whether a record holds all that is needed.
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
