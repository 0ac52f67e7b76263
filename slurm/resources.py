"""What a job asks SLURM for: the one file that a new cluster edits.

A row is named MODEL/DATASET, with * for any.  A job takes "*/*" and lets "*/DATASET", then "MODEL/*", then
"MODEL/DATASET" override it, field by field.  Without touching the code: a TOML file with the same rows, named
by the environment variable AE_BENCH_RESOURCES, overrides these.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

RESOURCES: dict[str, dict[str, Any]] = {
    # minutes: SLURM's limit for one run of a job; one that reaches it goes on from its saved state, so it may be
    # far less than a training takes.  seeds: trainings per job, one after the other.
    "*/*":       {"minutes": 720, "gpus": 1, "cpus": 4, "memory_gb": 16, "seeds": 1},
    "*/digits":  {"minutes": 60,  "gpus": 0, "cpus": 1, "memory_gb": 2,  "seeds": 1},
    "*/mnist":   {"minutes": 240},
    "*/fashion": {"minutes": 240},
}  # fmt: skip

OVERRIDES_VARIABLE = "AE_BENCH_RESOURCES"


@dataclass(frozen=True)
class Resources:
    """What one job gets.

    Attributes:
        partition, account, qos, constraint: as sbatch takes them; "" means the cluster's default.
        minutes: wall time of one run of the job.
        memory_gb: of main memory; 0 asks for none, for clusters that do not count it.
        gpus, cpus: per job; without GPUs its trainings run on the CPU.
        seeds: trainings in a job.
        parallel: jobs of an array that run at a time.
        requeues: how often a job may go on after its time limit or a pre-emption.
        signal_s: seconds before the time limit at which a job is told to save and requeue.
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
    """What a job of this model and data set asks for.

    Raises:
        ValueError: the file that AE_BENCH_RESOURCES names cannot be read, or a row has an unknown or wrong field.
    """
    given: dict[str, Any] = {}
    for source, table in (("slurm/resources.py", RESOURCES), *_overrides()):
        for row in ("*/*", f"*/{dataset}", f"{model}/*", f"{model}/{dataset}"):
            given |= _checked(table.get(row, {}), f"{source}, row {row!r}")
    return Resources(**given)


def _overrides() -> list[tuple[str, Mapping[str, Any]]]:
    path = os.environ.get(OVERRIDES_VARIABLE)
    if not path:
        return []
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as reason:
        raise ValueError(f"{OVERRIDES_VARIABLE} names {path}, which cannot be read: {reason}") from None
    if stray := [name for name in table if name.count("/") != 1]:
        rows = ", ".join(map(repr, stray))
        raise ValueError(f'{path} has {rows} where rows are named MODEL/DATASET, such as ["*/*"]')
    return [(path, table)]


def _checked(row: Any, where: str) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise ValueError(f"{where} is no table of fields, such as minutes = 60")
    known = asdict(Resources())
    for name, value in row.items():
        if name not in known:
            raise ValueError(f"{where}: unknown field {name!r}. Known: {', '.join(f.name for f in fields(Resources))}")
        if type(value) is not type(known[name]):
            raise ValueError(f"{where}: {name} must be of type {type(known[name]).__name__}, got {value!r}")
        lowest = 1 if name in ("minutes", "cpus", "seeds", "parallel") else 0
        if isinstance(value, int) and value < lowest:
            raise ValueError(f"{where}: {name} must be at least {lowest}, got {value}")
    return dict(row)
