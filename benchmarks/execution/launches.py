"""The launches of a results folder, one file each: which command started which runs, where, and whether it has ended.

`status`, `cancel` and `retry` read these files, on any host. They do not say what is done or running: records and locks
do. They hold host names and paths, so they are not shared with the records.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.execution import locks
from benchmarks.experiments.process import process_identity

Launch = dict[str, Any]


def folder(results: Path) -> Path:
    """The folder of the launch files and of SLURM's logs."""
    return results / "jobs"


@contextmanager
def record_launch(
    results: Path,
    cluster: str,
    scheduler: str | None,
    command: Mapping[str, Any],
    cells: Mapping[str, Mapping[str, Any]],
) -> Iterator[Path]:
    """Write a launch file before anything starts, keep its heartbeat while the block runs, and note its end.

    Args:
        results: results folder.
        cluster: where it runs: local, slurm, ...
        scheduler: name of the SLURM cluster. Job numbers are valid on this cluster only.
        command: what makes the same plan again.
        cells: run key -> model, dataset, preset, seed, steps and draws.

    Yields:
        The launch's file, for `add_jobs`.
    """
    owner = {name: value for name, value in process_identity().items() if name != "job"}
    path = folder(results) / f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}.launch"
    _write(path, {"cluster": cluster, "scheduler": scheduler, "command": {**command}, "owner": owner,
                  "at": time.time(), "cells": {**cells}, "jobs": {}, "ended": False})  # fmt: skip
    try:
        with locks.heartbeat(path):
            yield path
    finally:
        launch = _read(path)
        if launch is not None:
            with suppress(OSError):  # a full disk; `is_launcher_alive` notices that the process has ended
                _write(path, launch | {"ended": True})


def add_jobs(path: Path, jobs: Mapping[str, Sequence[str]]) -> None:
    """Add SLURM jobs to a launch file: job id -> run keys."""
    launch = _read(path)
    if launch is not None:
        _write(path, launch | {"jobs": launch["jobs"] | {job: [*keys] for job, keys in jobs.items()}})


def cancel(path: Path) -> None:
    """Ask a launcher on any host to stop. The launcher checks `is_cancelled` every few seconds."""
    path.with_suffix(".cancelled").touch()


def is_cancelled(path: Path) -> bool:
    """Whether a launch has been asked to stop."""
    return path.with_suffix(".cancelled").exists()


def launches(results: Path) -> dict[Path, Launch]:
    """All launches, in the order in which they began; unreadable files are skipped."""
    readable = [(path, launch) for path in folder(results).glob("*.launch") if (launch := _read(path)) is not None]
    readable.sort(key=lambda entry: (entry[1]["at"], entry[0]))
    return {path: launch | {"cancelled": is_cancelled(path)} for path, launch in readable}


def jobs(launch: Launch, scheduler: str | None) -> list[str]:
    """The SLURM jobs of a launch, if it ran on the cluster of this name; older launch files name no cluster."""
    return [*launch["jobs"]] if launch.get("scheduler") in (None, scheduler) else []


def pending_jobs(launch: Launch, scheduler: str | None, queue: Mapping[str, str] | None) -> dict[str, str]:
    """Run key -> its SLURM job, for the jobs that are still in SLURM's queue."""
    queued = [job for job in jobs(launch, scheduler) if queue and job in queue]
    return {key: job for job in queued for key in launch["jobs"][job]}


def is_same_command(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two commands ask for the same runs and measurements. Where they run and what they print may differ."""
    ignored = ("cluster", "workers", "device", "engine", "results", "data_root", "format", "decimals", "margin",
                    "keep")  # fmt: skip
    compared = [{**_given_options(c, ignored), "what": c["what"], "force": c.get("force", "")}
             for c in (one, other)]  # fmt: skip
    return compared[0] == compared[1]


def _given_options(command: Mapping[str, Any], ignored: Collection[str]) -> dict[str, Any]:
    """The options that a command names, except `ignored` ones. Older versions had fewer options."""
    return {name: value for name, value in command["options"].items() if value is not None and name not in ignored}


def last_force(results: Path, command: Mapping[str, Any]) -> str | None:
    """The force id of the last launch of the same command with --force."""
    earlier = [launch["command"] for launch in launches(results).values() if launch["command"].get("force")]
    force_ids = [c["force"] for c in earlier if is_same_command({**command, "force": c["force"]}, c)]
    return force_ids[-1] if force_ids else None


def is_launcher_alive(path: Path, launch: Launch, now: float | None = None) -> bool:
    """Whether a launch's launcher still runs; `now` as in `locks.is_locked`."""
    return not launch["ended"] and locks.is_owner_alive(path, launch["owner"], now)


def _read(path: Path) -> Launch | None:
    try:
        launch = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return launch if _is_valid(launch) else None


def _is_valid(launch: Any) -> bool:
    """Whether a file has the form that `record_launch` writes."""
    shape = {"cluster": str, "command": dict, "owner": dict, "at": int | float, "cells": dict, "jobs": dict,
             "ended": bool}  # fmt: skip
    if not isinstance(launch, dict) or not all(isinstance(launch.get(name), type_) for name, type_ in shape.items()):
        return False
    command = launch["command"]
    options = command.get("options")
    return (
        isinstance(command.get("what"), str)
        and isinstance(command.get("force", ""), str)
        and isinstance(options, dict)
        and all(isinstance(value, str | bool | None) for value in options.values())
        and all(isinstance(cell, dict) for cell in launch["cells"].values())
        and all(isinstance(keys, list) for keys in launch["jobs"].values())
    )


def _write(path: Path, launch: Launch) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(json.dumps(launch), encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
