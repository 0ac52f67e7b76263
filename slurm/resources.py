"""The resources of SLURM jobs. This is the only file to edit for a new cluster.

A row is named MODEL/DATASET, where * means any. A job combines the rows "*/*", "*/DATASET", "MODEL/*" and
"MODEL/DATASET"; fields of later rows override those of earlier ones. To override rows without editing this file, write
a TOML file with rows of the same form, and set the environment variable AE_BENCH_RESOURCES to its path.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

RESOURCES: dict[str, dict[str, Any]] = {
    # minutes: time limit of a job. At the limit, the job saves its state and is requeued, so a run may take longer.
    # seeds: runs per job, one after the other.
    "*/*":       {"minutes": 720, "gpus": 1, "cpus": 4, "memory_gb": 16, "seeds": 1},
    "*/digits":  {"minutes": 60,  "gpus": 0, "cpus": 1, "memory_gb": 2,  "seeds": 1},
    "*/mnist":   {"minutes": 240},
    "*/fashion": {"minutes": 240},
}  # fmt: skip

OVERRIDES_VARIABLE = "AE_BENCH_RESOURCES"


@dataclass(frozen=True)
class Resources:
    """The resources of one job.

    Attributes:
        partition, account, qos, constraint: options of sbatch; "" means the cluster's default.
        minutes: time limit of the job.
        memory_gb: main memory in GB; 0 for clusters that do not count it.
        gpus, cpus: numbers per job. Without GPUs, runs use the CPU.
        seeds: runs per job, one after the other.
        parallel: maximum number of jobs of an array that run at a time.
        requeues: how often a job may be requeued, after its time limit or a preemption.
        signal_s: seconds before the time limit at which SLURM signals the job to save its state.
    """

    partition: str = ""
    account: str = ""
    qos: str = ""
    constraint: str = ""
    minutes: int = 60
    memory_gb: int = 0
    gpus: int = 0
    cpus: int = 1
    seeds: int = 1
    parallel: int = 64
    requeues: int = 200
    signal_s: int = 90


def resources_for(model: str, dataset: str) -> Resources:
    """The resources of a job for a model and a data set.

    Raises:
        ValueError: the file that AE_BENCH_RESOURCES names cannot be read, or a field of a row is unknown or invalid.
    """
    values: dict[str, Any] = {}
    for source, table in (("slurm/resources.py", RESOURCES), *_overrides()):
        for row in ("*/*", f"*/{dataset}", f"{model}/*", f"{model}/{dataset}"):
            values |= _check_row(table.get(row, {}), f"{source}, row {row!r}")
    return Resources(**values)


def _overrides() -> list[tuple[str, Mapping[str, Any]]]:
    path = os.environ.get(OVERRIDES_VARIABLE)
    if not path:
        return []
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as reason:
        raise ValueError(f"{OVERRIDES_VARIABLE} names {path}, which cannot be read: {reason}") from None
    if misnamed := [name for name in table if name.count("/") != 1]:
        rows = ", ".join(map(repr, misnamed))
        raise ValueError(f'{path}: rows must be named MODEL/DATASET, such as ["*/*"]; got {rows}')
    return [(path, table)]


def _check_row(row: Any, location: str) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise ValueError(f"{location}: must be a table of fields, such as minutes = 60")
    known = asdict(Resources())
    for name, value in row.items():
        if name not in known:
            raise ValueError(
                f"{location}: unknown field {name!r}. Known: {', '.join(f.name for f in fields(Resources))}"
            )
        if type(value) is not type(known[name]):
            raise ValueError(f"{location}: {name} must be of type {type(known[name]).__name__}, got {value!r}")
        minimum = 1 if name in ("minutes", "cpus", "seeds", "parallel") else 0
        if isinstance(value, int) and value < minimum:
            raise ValueError(f"{location}: {name} must be at least {minimum}, got {value}")
    return dict(row)
