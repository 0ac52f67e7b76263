"""The state of the runs of a results folder, from its files alone, on any host.

Records say which runs are done, locks which are running, and launch files which were requested. SLURM is asked only
which of its jobs still wait. This module imports no torch, so that `status` answers at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.execution import launches, locks
from benchmarks.experiments import records
from benchmarks.experiments.densities.records import FOLDER, read_record
from benchmarks.experiments.log import failure_log, read_progress
from benchmarks.files.reading import list_files
from benchmarks.printing import escape_terminal_line
from benchmarks.program import suggest

STATES = ("done", "running", "pending", "failed", "diverged")
MAX_FAILURES = 10  # failed runs whose messages are printed
Cell = tuple[str, str, str]  # preset, model, data set


@dataclass
class CellState:
    """One cell of the report: the number of runs in each state, and the work that is left."""

    states: Counter[str] = field(default_factory=Counter)
    steps_left: float = 0.0
    steps_done: float = 0.0  # by the runs that are running
    seconds: float = 0.0  # that these steps have taken
    finished_key: str = ""  # key of a finished run, whose record says how long a run takes
    failed_keys: list[str] = field(default_factory=list)


def report(
    results: Path,
    list_jobs: Callable[[], Mapping[str, str] | None],
    cluster_name: Callable[[], str | None] = lambda: None,
) -> str:
    """The report as text.

    Args:
        results: results folder.
        list_jobs: SLURM's waiting and running jobs, as `slurm.list_jobs`; called only if jobs were submitted.
        cluster_name: the cluster's name, as `slurm.cluster_name`; likewise.
    """
    all_launches = launches.launches(results)
    submitted = any(launch["jobs"] for launch in all_launches.values())
    queue, name = (list_jobs(), cluster_name()) if submitted else ({}, None)
    jobs = {job for launch in all_launches.values() for job in launches.jobs(launch, name)}
    cell_states, orphans = overview(results, all_launches, name, queue)
    text = ["preset  model                     data set        " + "".join(f"{s:>9}" for s in STATES) + "  time left"]
    for (preset, model, dataset), cell_state in cell_states.items():
        counts = "".join(f"{cell_state.states[state] or '.':>9}" for state in STATES)
        preset, model, dataset = map(escape_terminal_line, (preset, model, dataset))
        text.append(f"{preset:7} {model:25} {dataset:15} {counts}  {time_left(results, cell_state)}")
    if not cell_states:
        text = [f"nothing was launched into {results} yet"]
    text += describe_failures(results, [key for cell in cell_states.values() for key in cell.failed_keys])
    text += describe_fits(results)
    waiting = Counter(reason for job, reason in (queue or {}).items() if job in jobs and reason.startswith("pending"))
    text += [f"SLURM: {count} jobs {reason}" for reason, count in waiting.items()]
    if queue is None:
        text.append("SLURM does not answer, so queued jobs are not shown; the rest is read from files")
    elif orphans:
        command = suggest("retry", results)
        text.append(f"{orphans} pending runs have neither a job nor a launcher. Run them: {command}")
    return "\n".join(text)


def overview(
    results: Path, all_launches: Mapping[Path, dict[str, Any]], name: str | None, queue: Mapping[str, str] | None
) -> tuple[dict[Cell, CellState], int]:
    """The cells in the order of their launches, and the number of pending runs without a job or a launcher."""
    now = locks.clock(results) if results.is_dir() else 0.0
    requested: dict[str, tuple[Cell, int]] = {}
    draws: dict[str, int] = {}
    expected: set[str] = set()
    for path, launch in all_launches.items():
        for key, cell in launch["cells"].items():
            requested[key] = (cell["preset"], cell["model"], cell["dataset"]), cell["steps"]
            draws[key] = max(draws.get(key, 0), cell.get("draws", 0))
        if launches.is_launcher_alive(path, launch, now):
            expected |= launch["cells"].keys()
        expected |= launches.pending_jobs(launch, name, queue).keys()
    status = {}
    for key, (cell_of_record, state) in recorded_states(results, draws).items():
        requested.setdefault(key, (cell_of_record, 0))
        status[key] = state
    cell_states: dict[Cell, CellState] = {}
    orphans = 0
    for key, (cell, steps) in requested.items():
        cell_state = cell_states.setdefault(cell, CellState())
        state = status.get(key, "pending")
        if state == "done":
            cell_state.finished_key = key
        folder = results / "runs" / key
        if locks.is_locked(folder, now):  # also a finished run: for another metric, or by --force
            state = "running"
            progress = read_progress(folder) or {}
            cell_state.steps_left += progress.get("total", steps) - progress.get("done", 0)
            cell_state.steps_done += progress.get("run", 0)
            cell_state.seconds += progress.get("seconds", 0)
        elif state == "pending":
            cell_state.steps_left += 0 if key in status else steps
            orphans += key not in expected
        cell_state.states[state] += 1
        cell_state.failed_keys += [key] if state == "failed" else []
    return cell_states, orphans


def recorded_states(results: Path, draws: Mapping[str, int]) -> dict[str, tuple[Cell, str]]:
    """Run key -> its cell and its state, for all runs that have a record.

    Args:
        results: results folder.
        draws: run key -> number of sample sets that were requested; a run with fewer is pending.
    """
    evaluations = records.read_evaluations(results)
    samples = (
        evaluations[evaluations["source"] == "prior"].groupby(["key", "protocol_id"], sort=False)["draw"].nunique()
    )
    measured = samples.groupby(level="key").max().to_dict()
    evaluations = evaluations[["key", "preset", "model", "dataset", "status"]].drop_duplicates("key")
    states = {}
    for key, preset, model, dataset, state in evaluations.itertuples(index=False):
        # Trained, but killed before all of its sample sets were scored.
        is_incomplete = state == "done" and measured.get(key, 0) < draws.get(key, 0)
        states[key] = (preset, model, dataset), "pending" if is_incomplete else state
    return states


def unfinished_cells(results: Path, launches_of_command: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Run key -> the run's entry in the launch file, for launched runs that failed or have no complete record."""
    cells = {key: cell for launch in launches_of_command for key, cell in launch["cells"].items()}
    draws = {key: cell.get("draws", 0) for key, cell in cells.items()}
    states = recorded_states(results, draws)
    return {key: cell for key, cell in cells.items() if states.get(key, ((), "pending"))[1] in ("pending", "failed")}


def describe_failures(results: Path, keys: Sequence[str]) -> list[str]:
    """One line for each of the first failed runs: what failed, and where its traceback is."""
    lines = []
    for key in keys[:MAX_FAILURES]:
        record = records.find(results, key)
        if record is not None:
            run = f"{record['model']} on {record['dataset']}, seed {record['seed']}"
            text = f"failed: {run}: {record['error']['message']}; traceback: {failure_log(results, key)}"
            lines.append(escape_terminal_line(text))
    more = len(keys) - MAX_FAILURES
    return [*lines, f"{more} more failed runs are in {results / 'records'}"] if more > 0 else lines


def describe_fits(results: Path) -> list[str]:
    """A line with the number of fits of each density that are done and failed, and of all fits that run now.

    The line is left out if no density was fitted.
    """
    folder = results / FOLDER
    counts: dict[str, Counter[str]] = {}
    for name in list_files(folder, ".json"):
        if record := read_record(folder / name):
            counts.setdefault(record["density"], Counter())[record["status"]] += 1
    parts = [
        f"{density} {', '.join(f'{states[state]} {state}' for state in ('done', 'failed') if states[state])}"
        for density, states in sorted(counts.items())
    ]
    running = sum(locks.is_locked(path.parent) for path in folder.glob(f"*/{locks.LOCK_FILE}"))
    parts += [f"{running} running"] if running else []
    lines = [escape_terminal_line(f"density fits: {'; '.join(parts)}")] if parts else []
    if any(states["failed"] for states in counts.values()):
        lines.append(f"Try the failed fits again: {suggest('retry', results)}")
    return lines


def time_left(results: Path, cell_state: CellState) -> str:
    """The remaining training time if as many runs stay in progress as now; "" for none, "?" for unknown."""
    if not cell_state.states["running"] + cell_state.states["pending"]:
        return ""
    if cell_state.steps_done > 0:
        seconds_per_step = cell_state.seconds / cell_state.steps_done
    else:
        record = records.find(results, cell_state.finished_key) if cell_state.finished_key else None
        epochs = record["epochs"] if record else []
        steps = sum(row["steps"] for row in epochs)
        if not steps:
            return "?"
        seconds_per_step = sum(row["seconds"] for row in epochs) / steps
    left = cell_state.steps_left * seconds_per_step / max(1, cell_state.states["running"])
    if left < 90:
        return f"{left:.0f} s"
    return f"{left / 60:.0f} min" if left < 5400 else f"{left / 3600:.1f} h"
