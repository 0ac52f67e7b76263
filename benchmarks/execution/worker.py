"""Run one job in a worker or a SLURM job: lock it, attempt it twice, and record it even if it fails."""

from __future__ import annotations

import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable, Generator
from typing import Any

import torch

from benchmarks.execution.locks import is_locked, locked
from benchmarks.experiments import new_record, records, run_trial
from benchmarks.experiments.job import Job
from benchmarks.experiments.log import log_attempt
from benchmarks.experiments.restart import is_forced
from benchmarks.experiments.run_trial import Phase
from benchmarks.printing import prepare_output
from benchmarks.training import device, turns
from slurm import Postponed

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
    return turns.finish(_run_job(job))


def run_job_in_turns(job: Job) -> Generator[bool, None, dict[str, Any] | None]:
    """Run a job as `run_job` does, in a process that may run other jobs at the same time. Its numbers are the same.

    Yields:
        Whether the run has been trained, and is only scored from now on.

    Raises:
        Postponed: there is not enough GPU memory beside the other runs. The job can be run again later.
    """
    run = turns.isolated(_run_job(job), torch.device(job.device))
    while True:
        try:
            phase = next(run)
        except StopIteration as end:
            record: dict[str, Any] | None = end.value
            return record
        yield phase == "scoring"


def _run_job(job: Job) -> Generator[Phase, None, dict[str, Any] | None]:
    prepare_output()  # a process of its own, or a SLURM job
    if job.device in LOST_DEVICES:
        if multiprocessing.parent_process() is not None:
            os._exit(WORKER_LOST)  # destructors of objects on the GPU would raise
        raise RuntimeError(f"an earlier run left {job.device} unusable for this process. Run the command again")
    with locked(job.run_folder) as is_ours:
        if not is_ours:
            return None
        log_attempt(job.run_folder, "begin")
        record = yield from _attempt(job)
        log_attempt(job.run_folder, str(record["status"]))
        return record


def _attempt(job: Job) -> Generator[Phase, None, dict[str, Any]]:
    for number in range(ATTEMPTS):
        try:
            check_memory(job.device)
            record = yield from run_trial.run_trial_in_turns(job)
        except Postponed:
            log_attempt(job.run_folder, "postponed")
            raise
        except Exception as error:
            if turns.is_shared():
                _end_shared_attempt(job, error)
            if _is_last_attempt(job, number):
                return new_record.record_failure(job, traceback.format_exc())
        else:
            if record["status"] != "failed" or _is_last_attempt(job, number):
                return record
    raise AssertionError("unreachable: the last attempt returns or raises")


def check_memory(name: str) -> None:
    """Raise `Postponed` if a GPU has not enough memory for one more run like those that share this process."""
    if not name.startswith("cuda") or not turns.is_shared():
        return
    torch.cuda.empty_cache()  # the memory that ended runs have left counts as free
    free, _ = torch.cuda.mem_get_info(name)
    per_run = torch.cuda.memory_reserved(name) / (turns.count_runs() - 1)
    if free < per_run:
        raise Postponed(f"{free / 1e9:.1f} GB of GPU memory are free, and a run needs about {per_run / 1e9:.1f}")


def _end_shared_attempt(job: Job, error: Exception) -> None:
    """End an attempt whose error may be the fault of another run of this process; return if it is not."""
    if device.is_out_of_memory(error):
        log_attempt(job.run_folder, "postponed")
        raise Postponed(f"the GPU has no memory left for {turns.count_runs()} runs at once") from None
    if device.is_device_lost(job.device):  # for all runs; each is resumed from its saved state
        log_attempt(job.run_folder, "lost the GPU")
        print(f"{job.device} is lost: {error}", file=sys.stderr, flush=True)
        os._exit(WORKER_LOST)


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
