"""What has been launched into a results folder: one file per launch, for whoever asks later, from anywhere.

It is no truth about trainings, which records and claims are: it says which were wanted, by which command, and who
can be told to stop.  Unlike records it holds hosts and paths, and is of no use elsewhere: it does not travel.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks import owners

Launch = dict[str, Any]


def folder(results: Path) -> Path:
    """Where the launches of a results folder are noted; SLURM's logs lie there too."""
    return results / "jobs"


def begin(results: Path, cluster: str, command: Mapping[str, Any], cells: Mapping[str, Mapping[str, Any]]) -> Path:
    """Note a launch before anything starts.

    Args:
        results: results folder.
        cluster: where it runs.
        command: what makes the same plan again.
        cells: training key -> model, dataset, preset, seed and steps.

    Returns:
        The launch's file, for `submitted` and `end`.
    """
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}.launch"
    path = folder(results) / name
    owner = {name: value for name, value in owners.whoami().items() if name != "job"}
    _write(path, {"cluster": cluster, "command": {**command}, "owner": owner, "at": time.time(), "cells": {**cells},
                  "jobs": {}, "ended": False})  # fmt: skip
    return path


def submitted(path: Path, jobs: Mapping[str, Sequence[str]]) -> None:
    """Note new SLURM jobs: job id -> training keys."""
    launch = _read(path)
    if launch is not None:
        _write(path, launch | {"jobs": launch["jobs"] | {job: [*keys] for job, keys in jobs.items()}})


def end(path: Path) -> None:
    """Note that a launcher has ended."""
    launch = _read(path)
    if launch is not None:
        with suppress(OSError):  # a full disk: the process is gone, which `live` sees for itself
            _write(path, launch | {"ended": True})


def cancel(path: Path) -> None:
    """Ask a launcher to stop; it looks at `cancelled` every few seconds, from whatever machine it was asked."""
    path.with_suffix(".cancelled").touch()


def cancelled(path: Path) -> bool:
    """Whether a launch has been asked to stop."""
    return path.with_suffix(".cancelled").exists()


def launches(results: Path) -> dict[Path, Launch]:
    """All launches, in the order in which they began; what cannot be read is passed over."""
    found = {path: _read(path) for path in sorted(folder(results).glob("*.launch"))}
    return {path: launch | {"cancelled": cancelled(path)} for path, launch in found.items() if launch is not None}


def waiting(launch: Launch, listed: Mapping[str, str] | None) -> dict[str, str]:
    """Training key -> its SLURM job, of the jobs that SLURM still lists."""
    alive = {job: keys for job, keys in launch["jobs"].items() if listed and job in listed}
    return {key: job for job, keys in alive.items() for key in keys}


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two commands want the same; where it runs does not matter."""
    place = ("cluster", "workers", "device", "results", "data_root")
    wants = [{**c["options"], **dict.fromkeys(place), "what": c["what"]} for c in (one, other)]
    return wants[0] == wants[1]


def live(launch: Launch) -> bool | None:
    """Whether a launch's launcher still runs; None where that cannot be told from this host."""
    if launch["ended"]:
        return False
    owner = launch["owner"]
    if owner["host"] != owners.whoami()["host"]:
        return None
    return not owners.dead(owner)


def _read(path: Path) -> Launch | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    needed = {"cluster", "command", "owner", "at", "cells", "jobs", "ended"}
    return found if isinstance(found, dict) and needed <= found.keys() else None


def _write(path: Path, launch: Launch) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(json.dumps(launch), encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
