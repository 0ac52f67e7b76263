"""Submit items as arrays of SLURM jobs through submitit, which also requeues the jobs and keeps their logs."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import submitit

from slurm import scheduler
from slurm.resources import OVERRIDES_VARIABLE, Resources

T = TypeVar("T")
R = TypeVar("R")

MAX_ARRAY_SIZE = 1000  # jobs in an array: SLURM's own default limit


@dataclass(frozen=True)
class SlurmOptions(Generic[T, R]):
    """How to make jobs from items, and how to find the outcome of an item.

    Attributes:
        folder: folder for submitit's files and the logs. It must have the same path on all nodes.
        group_key: item -> a key. Only items with equal keys share a job.
        resources_of: item -> resources of its job. They must be equal for all items of a group.
        find_result: item -> its result, or None if there is none yet.
        is_running: item -> whether a process works on it now, in one of these jobs or elsewhere.
        on_submitted: called with new jobs, job id -> its items. If it raises, the jobs are cancelled.
        existing_jobs: index of an item -> the job that an earlier launcher submitted for it.
        wait: whether to wait for outcomes. False means only to submit.
        report: called with each message.
    """

    folder: Path
    group_key: Callable[[T], Hashable]
    resources_of: Callable[[T], Resources]
    find_result: Callable[[T], R | None]
    is_running: Callable[[T], bool]
    on_submitted: Callable[[Mapping[str, Sequence[T]]], None]
    existing_jobs: Mapping[int, str]
    wait: bool = True
    report: Callable[[str], None] = print


@dataclass(frozen=True)
class JobTask(Generic[T]):
    """The work of one job: some items, one after the other."""

    fn: Callable[[T], Any]
    items: tuple[T, ...]
    requeues: int  # how often the job may still be requeued

    def __call__(self) -> None:
        """Call the function on every item, even if it raises for some of them.

        Raises:
            RuntimeError: the function raised for at least one item.
        """
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
        """The work of the requeued job, or None to not requeue. submitit calls this before it requeues a job."""
        # submitit's own limit is 3 time-outs, and it counts every preemption of a short job as a time-out.
        if self.requeues < 1:
            return None
        return submitit.helpers.DelayedSubmission(replace(self, requeues=self.requeues - 1))


def group_items(
    items: Sequence[T], group_key: Callable[[T], Hashable], resources_of: Callable[[T], Resources]
) -> list[tuple[Resources, list[int]]]:
    """Group items into jobs, in the order of their first items: resources and item indices of each job."""
    by_key: dict[Hashable, list[int]] = {}
    for index, item in enumerate(items):
        by_key.setdefault(group_key(item), []).append(index)
    jobs = []
    for indices in by_key.values():
        requested = resources_of(items[indices[0]])
        jobs += [
            (requested, indices[start : start + requested.seeds]) for start in range(0, len(indices), requested.seeds)
        ]
    return sorted(jobs, key=lambda job: job[1][0])


def group_jobs(jobs: Sequence[tuple[Resources, list[int]]]) -> list[tuple[Resources, list[list[int]]]]:
    """Group jobs with equal resources into arrays of at most `MAX_ARRAY_SIZE` jobs."""
    by_resources: dict[Resources, list[list[int]]] = {}
    for needs, indices in jobs:
        by_resources.setdefault(needs, []).append(indices)
    return [
        (needs, tasks[start : start + MAX_ARRAY_SIZE])
        for needs, tasks in by_resources.items()
        for start in range(0, len(tasks), MAX_ARRAY_SIZE)
    ]


def submit(
    fn: Callable[[T], Any],
    items: Sequence[T],
    options: SlurmOptions[T, Any],
    environment: Mapping[str, str],
    separately: bool = False,
) -> tuple[dict[int, str], dict[int, str]]:
    """Submit all items. If `separately`, each item gets its own job.

    Returns:
        Index of an item -> job id; and index of an item -> why SLURM refused it.
    """
    jobs: dict[int, str] = {}
    refused: dict[int, str] = {}

    def resources_needed(item: T) -> Resources:
        return replace(options.resources_of(item), seeds=1) if separately else options.resources_of(item)

    for needs, array in group_jobs(group_items(items, options.group_key, resources_needed)):
        tasks = [JobTask(fn, tuple(items[index] for index in indices), needs.requeues) for indices in array]
        try:
            # `JobTask` counts time-outs.
            executor = submitit.SlurmExecutor(options.folder, max_num_timeout=sys.maxsize, python=_python_command())
            executor.update_parameters(**submitit_parameters(needs, environment))
            with contextlib.redirect_stderr(io.StringIO()):  # the exception has the same message
                ids = [job.job_id for job in executor.submit_array(tasks)]
        except Exception as reason:  # errors of submitit and subprocess, or a full disk
            message = " ".join(str(reason).replace("sbatch: error: ", "").split()) or type(reason).__name__
            refused |= {index: refusal_message(message, needs) for indices in array for index in indices}
            continue
        try:
            options.on_submitted(
                {job: [items[index] for index in indices] for job, indices in zip(ids, array, strict=True)}
            )
        except BaseException as reason:  # a full disk, or `cancel`: nobody could find these jobs again
            scheduler.cancel_jobs(ids)
            if not isinstance(reason, OSError):
                raise
            message = f"the jobs were cancelled, as they could not be recorded: {reason}"
            refused |= {index: message for indices in array for index in indices}
            continue
        jobs |= {index: job for job, indices in zip(ids, array, strict=True) for index in indices}
    return jobs, refused


def _python_command() -> str:
    """This Python, which searches the current folder for modules only if this process does.

    Else a module of the user's there, such as slurm.py, would replace one of the program's.
    """
    searches_current_folder = not {"", os.getcwd()}.isdisjoint(sys.path)
    return shlex.quote(sys.executable) + ("" if searches_current_folder else " -P")


def refusal_message(reason: str, needs: Resources) -> str:
    """A message: why SLURM refused a job, what the job asked for, and where to change it."""
    requested = ", ".join(f"{name} {getattr(needs, name)!r}" for name in ("partition", "account", "minutes", "gpus"))
    return f"SLURM refused the job: {reason} (asked for {requested}; slurm/resources.py, or {OVERRIDES_VARIABLE})"


def submitit_parameters(needs: Resources, environment: Mapping[str, str]) -> dict[str, Any]:
    """The parameters that submitit takes for a job."""
    parameters: dict[str, Any] = {
        "job_name": scheduler.JOB_NAME,
        "time": needs.minutes,
        "cpus_per_task": needs.cpus,
        "signal_delay_s": needs.signal_s,
        "array_parallelism": needs.parallel,
        "stderr_to_stdout": True,
        # since SLURM 22.05, srun does not inherit it from sbatch
        "srun_args": [f"--cpus-per-task={needs.cpus}"],
        "setup": [f"export {name}={shlex.quote(value)}" for name, value in environment.items()],
        "additional_parameters": {"requeue": True},  # some clusters disable it by default
    }
    parameters |= {n: getattr(needs, n) for n in ("partition", "account", "qos", "constraint") if getattr(needs, n)}
    parameters |= {"mem": f"{needs.memory_gb}GB"} if needs.memory_gb else {}
    return parameters | ({"gpus_per_node": needs.gpus} if needs.gpus else {})
