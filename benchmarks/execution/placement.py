"""Prepare jobs for SLURM: their resources, paths and devices, and the arrays that would be submitted."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from benchmarks.execution.options import UserErrors
from benchmarks.execution.plan import Plan
from benchmarks.experiments.job import Job
from slurm import Resources, find_path_error, group_items, group_jobs, max_array_size, resources_for

T = TypeVar("T")


def find_slurm_errors(cluster: str, results: Path) -> list[str]:
    """What is wrong with a results path or with the file of resources, if a command runs on SLURM."""
    if cluster != "slurm":
        return []
    path_error = find_path_error(results.absolute())
    errors = [] if path_error is None else [f"{path_error}. Choose another --results"]
    try:
        resources_for("*", "*")
    except ValueError as reason:
        errors += str(reason).splitlines()
    return errors


def place_on_slurm(plan: Plan, device: str) -> Plan:
    """A plan for SLURM: with absolute paths, and with a GPU for each job that requests one, unless `device` is "cpu".

    Args:
        plan: the plan.
        device: as `--device` says.

    Raises:
        UserErrors: those of `find_slurm_errors`, or a GPU wanted for jobs that ask for none.
    """
    if plan.cluster != "slurm":
        return plan
    if errors := find_slurm_errors(plan.cluster, plan.results):
        raise UserErrors(errors)
    jobs = []
    for job in plan.jobs:
        gpus = resources_for(job.trial.model, job.trial.dataset).gpus
        if device == "cuda" and not gpus:
            errors.append(f"--device cuda needs a GPU, but jobs of {job.trial.model} on {job.trial.dataset} request "
                         "none. Set gpus in slurm/resources.py, or in the file of AE_BENCH_RESOURCES")  # fmt: skip
        device_type = "cpu" if device == "cpu" or not gpus else "cuda"
        root = None if job.data_root is None else job.data_root.absolute()
        jobs.append(replace(job, device=device_type, data_root=root, results=job.results.absolute()))
    if errors:
        raise UserErrors(errors)
    return replace(plan, jobs=tuple(jobs), results=plan.results.absolute())


def resources_of(job: Job) -> Resources:
    """The resources that the SLURM job of a trial requests; no GPU if it runs on the CPU."""
    row = resources_for(job.trial.model, job.trial.dataset)
    return replace(row, gpus=0) if job.device == "cpu" else row


def group_key(job: Job) -> tuple[str, str]:
    """What the runs of one SLURM job have in common."""
    return job.trial.model, job.trial.dataset


def describe_slurm_arrays(
    pending: Sequence[T], group_key: Callable[[T], Hashable], resources_of: Callable[[T], Resources], noun: str
) -> Iterator[str]:
    """One line for each array that would be submitted.

    Args:
        pending: what the jobs run.
        group_key: what the items of one job have in common, as in `slurm.SlurmOptions`.
        resources_of: the resources of an item's job.
        noun: what the items are, in the plural.
    """
    for row, array in group_jobs(group_items(pending, group_key, resources_of), max_array_size()):
        count = sum(map(len, array))
        device_type = f"partition {row.partition or 'by default'}" + (f", account {row.account}" if row.account else "")
        memory = f", {row.memory_gb} GB" if row.memory_gb else ""
        yield (f"SLURM: {len(array)} jobs with {count} {noun}, at most {row.parallel} jobs at a time; each: "
               f"{device_type}, {row.minutes} min, {row.gpus} GPUs, {row.cpus} CPUs{memory}")  # fmt: skip
