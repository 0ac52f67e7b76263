"""The resources of SLURM jobs. This is the only file to edit for a new cluster.

A row is named MODEL/DATASET, where * means any. A job combines the rows "*/*", "*/DATASET", "MODEL/*" and
"MODEL/DATASET"; fields of later rows override those of earlier ones. To override rows without editing this file, write
a TOML file with rows of the same form, and set the environment variable AE_BENCH_RESOURCES to its path.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
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
MAX_FILE_BYTES = 1_000_000
MAX_ERRORS = 20  # in a message

# Field -> its least and greatest value. The greatest are those of SLURM, or more than any cluster has.
BOUNDS = {
    "minutes": (1, 525_600),  # a year
    "memory_gb": (0, 1_000_000),
    "gpus": (0, 1_000),
    "cpus": (1, 65_535),
    "seeds": (1, 100_000),
    "parallel": (1, 1_000_000),
    "requeues": (0, 1_000_000),
    "signal_s": (0, 65_535),
}
# These texts become lines of job scripts, where a line break would begin a command.
NAMES = r"[A-Za-z0-9_][A-Za-z0-9_.,:@+=/-]*"
PATTERNS = {
    "partition": NAMES,
    "account": NAMES,
    "qos": NAMES,
    "constraint": r"[A-Za-z0-9_(\[][A-Za-z0-9_.,:@+=/&|*()\[\]-]*",  # such as [rack1|rack2]*2&gpu
}
MAX_TEXT = 1_000  # characters


@dataclass(frozen=True)
class Resources:
    """The resources of one job.

    Attributes:
        partition, account, qos, constraint: options of sbatch; "" means the cluster's default.
        minutes: time limit of the job.
        memory_gb: main memory in GB; 0 for clusters that do not count it.
        gpus, cpus: numbers per job. Without GPUs, runs use the CPU.
        seeds: runs per job, one after the other.
        parallel: maximum number of jobs of an array that run at a time. If a cluster's limits split the jobs of a
            launch into several arrays, it holds for each of them.
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
        ValueError: the file that AE_BENCH_RESOURCES names cannot be read, or rows of it or of this module are invalid.
            The message has a line for each error.
    """
    values: dict[str, Any] = {}
    for table in (_checked(RESOURCES, "slurm/resources.py"), _overrides()):
        for row in ("*/*", f"*/{dataset}", f"{model}/*", f"{model}/{dataset}"):
            values |= table.get(row, {})
    return Resources(**values)


def _overrides() -> Mapping[str, Mapping[str, Any]]:
    path = os.environ.get(OVERRIDES_VARIABLE)
    if not path:
        return {}
    try:
        table = tomllib.loads(_read(path))
    except (OSError, ValueError) as reason:
        reason_text = getattr(reason, "strerror", None) or " ".join(str(reason).split())
        raise ValueError(f"{OVERRIDES_VARIABLE} names {_shown(path)}, which cannot be read: {reason_text}") from None
    except RecursionError:
        raise ValueError(
            f"{OVERRIDES_VARIABLE} names {_shown(path)}, which cannot be read: it is nested too deeply"
        ) from None
    return _checked(table, path)


def _read(path: str) -> str:
    """The text of a small regular file. A FIFO or a device is not waited for.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is no regular file, is too large, or is not UTF-8.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is not a regular file")
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"it has more than {MAX_FILE_BYTES:,} bytes")
    return data.decode("utf-8")


def _checked(table: Mapping[str, Any], source: str) -> Mapping[str, Mapping[str, Any]]:
    """Return a table whose rows are all valid.

    Raises:
        ValueError: what is wrong with it, a line for each error.
    """
    errors = []
    if misnamed := [name for name in table if name.count("/") != 1]:
        rows = ", ".join(map(repr, misnamed[:5]))
        errors.append(f'{_shown(source)}: rows must be named MODEL/DATASET, such as ["*/*"]; got {rows}')
    for name, row in table.items():
        location = f"{_shown(source)}, row {name!r}"
        if name in misnamed:
            continue
        if not isinstance(row, Mapping):
            errors.append(f"{location}: must be a table of fields, such as minutes = 60")
            continue
        errors += [f"{location}: {error}" for field, value in row.items() if (error := field_error(field, value))]
    if errors:
        more = [f"{_shown(source)}: {len(errors) - MAX_ERRORS} more errors"] if len(errors) > MAX_ERRORS else []
        raise ValueError("\n".join(errors[:MAX_ERRORS] + more))
    return table


def field_error(name: str, value: Any) -> str | None:
    """What is wrong with a field of a row, or None."""
    known = asdict(Resources())
    if name not in known:
        return f"unknown field {name!r}. Known: {', '.join(field.name for field in fields(Resources))}"
    expected = type(known[name])
    if type(value) is not expected:
        return f"{name} must be of type {expected.__name__}, got a value of type {type(value).__name__}"
    if name in BOUNDS:
        least, greatest = BOUNDS[name]
        number = value if abs(value) < 2**64 else "a number of more than 19 digits"
        return None if least <= value <= greatest else f"{name} must be from {least} to {greatest}, got {number}"
    if value and (len(value) > MAX_TEXT or not re.fullmatch(PATTERNS[name], value)):
        allowed = PATTERNS[name][PATTERNS[name].rindex("[A-Z") :]
        return (
            f"{name} must be a value that sbatch accepts for --{name}, of characters {allowed} only; got {value!r:.100}"
        )
    return None


def _shown(path: str) -> str:
    """A path for a message, without control characters."""
    return path if path.isprintable() else ascii(path)
