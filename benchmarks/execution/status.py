"""How far everything is that was launched into a results folder: from its files alone, on any machine.

Records say what is done, claims with a heartbeat what runs, the ledger what was wanted.  SLURM is asked only
for what still waits; without it, or without its accounting, the rest is the same.  Imports no torch: asking must
be quick.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.execution import launches as ledger
from benchmarks.execution import locks
from benchmarks.experiments import records

STATES = ("done", "running", "pending", "failed", "diverged")
Cell = tuple[str, str, str]  # preset, model, data set


@dataclass
class Line:
    """One cell: how many trainings are in which state, and what is left."""

    states: Counter[str] = field(default_factory=Counter)
    steps: float = 0.0  # steps that are left in all
    run: float = 0.0  # steps that the running ones have taken, and
    seconds: float = 0.0  # in how many seconds
    example: str = ""  # key of a finished training, which knows how long one takes


def report(
    results: Path, listed: Callable[[], Mapping[str, str] | None], cluster: Callable[[], str | None] = lambda: None
) -> str:
    """What there is, as text.

    Args:
        results: results folder.
        listed: SLURM's waiting and running jobs, as `slurm.listed`; called only if there are any to ask for.
        cluster: SLURM's name, as `slurm.cluster`; likewise.
    """
    launches = ledger.launches(results)
    submitted = any(launch["jobs"] for launch in launches.values())
    queue, name = (listed(), cluster()) if submitted else ({}, None)
    jobs = {job for launch in launches.values() for job in ledger.jobs(launch, name)}
    lines, orphans = overview(results, launches, name, queue)
    text = ["preset  model                     data set        " + "".join(f"{s:>9}" for s in STATES) + "  time left"]
    for (preset, model, dataset), line in lines.items():
        counts = "".join(f"{line.states[state] or '.':>9}" for state in STATES)
        text.append(f"{preset:7} {model:25} {dataset:15} {counts}  {time_left(results, line)}")
    if not lines:
        text = [f"nothing was launched into {results} yet"]
    waiting = Counter(why for job, why in (queue or {}).items() if job in jobs and why.startswith("pending"))
    text += [f"SLURM: {count} jobs {why}" for why, count in waiting.items()]
    if queue is None:
        text.append("SLURM does not answer: what waits in its queue is not known; the rest is from the files")
    elif orphans:
        text.append(f"{orphans} pending trainings have neither a job nor a launcher: `run retry` runs them")
    return "\n".join(text)


def overview(
    results: Path, launches: Mapping[Path, dict[str, Any]], name: str | None, queue: Mapping[str, str] | None
) -> tuple[dict[Cell, Line], int]:
    """Cells in the order in which they were wanted, and how many pending trainings nobody will run."""
    now = locks.clock(results) if results.is_dir() else 0.0
    wanted: dict[str, tuple[Cell, int]] = {}
    draws: dict[str, int] = {}
    expected: set[str] = set()
    for path, launch in launches.items():
        for key, cell in launch["cells"].items():
            wanted[key] = (cell["preset"], cell["model"], cell["dataset"]), cell["steps"]
            draws[key] = max(draws.get(key, 0), cell.get("draws", 0))
        if ledger.is_launcher_alive(path, launch, now):
            expected |= launch["cells"].keys()
        expected |= ledger.pending_jobs(launch, name, queue).keys()
    runs = records.read_evaluations(results)
    samples = runs[runs["source"] == "prior"].groupby(["key", "protocol_id"], sort=False)["draw"].nunique()
    measured = samples.groupby(level="key").max().to_dict()
    runs = runs[["key", "preset", "model", "dataset", "status"]].drop_duplicates("key")
    status = {}
    for key, preset, model, dataset, state in runs.itertuples(index=False):
        wanted.setdefault(key, ((preset, model, dataset), 0))
        # Trained, but killed before all of its sample sets were measured.
        short = state == "done" and measured.get(key, 0) < draws.get(key, 0)
        status[key] = "pending" if short else state
    lines: dict[Cell, Line] = {}
    orphans = 0
    for key, (cell, steps) in wanted.items():
        line = lines.setdefault(cell, Line())
        state = status.get(key, "pending")
        if state == "done":
            line.example = key
        folder = results / "runs" / key
        if locks.is_locked(folder, now):  # also of finished ones: another metric, or --force
            state = "running"
            progress = _progress(folder)
            line.steps += progress.get("total", steps) - progress.get("done", 0)
            line.run += progress.get("run", 0)
            line.seconds += progress.get("seconds", 0)
        elif state == "pending":
            line.steps += 0 if key in status else steps
            orphans += key not in expected
        line.states[state] += 1
    return lines, orphans


def time_left(results: Path, line: Line) -> str:
    """Of training, with as many at a time as run now; "" where nothing is left, "?" where nothing is known."""
    if not line.states["running"] + line.states["pending"]:
        return ""
    if line.run > 0:
        pace = line.seconds / line.run
    else:
        record = records.find(results, line.example) if line.example else None
        epochs = record["epochs"] if record else []
        steps = sum(row["steps"] for row in epochs)
        if not steps:
            return "?"
        pace = sum(row["seconds"] for row in epochs) / steps
    left = line.steps * pace / max(1, line.states["running"])
    if left < 90:
        return f"{left:.0f} s"
    return f"{left / 60:.0f} min" if left < 5400 else f"{left / 3600:.1f} h"


def _progress(folder: Path) -> dict[str, float]:
    try:
        found = json.loads((folder / "progress.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def asked(arguments: list[str]) -> Path | None:
    """The results folder of a plain `status [--results DIR]`; None for any other command."""
    if arguments == ["status"]:
        return Path("results/local")
    return Path(arguments[2]) if len(arguments) == 3 and arguments[:2] == ["status", "--results"] else None


def show(results: Path, listed: Callable[[], Mapping[str, str] | None], cluster: Callable[[], str | None]) -> int:
    """Print the report."""
    warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
    print(report(results, listed, cluster))
    return 0
