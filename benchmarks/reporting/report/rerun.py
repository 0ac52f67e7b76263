"""How to rerun the cells of the report: commands, commits and durations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.analysis.claims.training_commands import training_command
from benchmarks.analysis.evidence import Evidence
from benchmarks.presets import PRESETS
from benchmarks.reporting.report.number_format import count_runs, format_duration

RERUN_FOLDER = "results/again"  # has no records, so a command with it trains all runs


@dataclass(frozen=True)
class RerunCommand:
    """How to rerun a cell.

    Attributes:
        command: makes the runs that the cell has, by their seeds, in `RERUN_FOLDER`.
        n_runs: how many runs that makes.
        duration: how long a run took, or "".
        total_seconds: of all runs that the command makes; None if the records do not say.
        missing_note: how many runs of the preset the cell lacks, or "".
        missing_command: adds them, or "".
    """

    command: str
    n_runs: int
    duration: str
    total_seconds: float | None
    missing_note: str
    missing_command: str


def rerun_command(evidence: Evidence, model: str, dataset: str, results: str) -> RerunCommand:
    """How to rerun a cell, and how to add the runs that its preset has and the cell lacks.

    Args:
        evidence: the records at one preset.
        model: of the cell.
        dataset: of the cell.
        results: the folder of these records, as commands name it.
    """
    keys = evidence.keys(model, dataset)
    seeds = sorted(int(seed) for seed in evidence.runs.loc[[*keys], "seed"])
    preset_seeds = PRESETS[evidence.preset].seeds if evidence.preset in PRESETS else 0
    n_runs = len(keys) or preset_seeds or 1
    seconds = training_seconds(evidence, keys)
    n_missing = len({*range(preset_seeds)} - {*seeds}) if keys else 0
    missing_note = missing_command = ""
    if n_missing:
        missing_note = (
            f"The preset has {count_runs(preset_seeds)} of it. This command adds the other {n_missing} to "
            f"these records:"
        )
        missing_command = training_command(evidence, "table1", [model], dataset, range(preset_seeds), results)
    return RerunCommand(
        command=training_command(evidence, "table1", [model], dataset, seeds or range(n_runs), RERUN_FOLDER),
        n_runs=n_runs,
        duration=run_duration(evidence, seconds),
        total_seconds=float(seconds.mean()) * n_runs if len(seconds) else None,
        missing_note=missing_note,
        missing_command=missing_command,
    )


def training_seconds(evidence: Evidence, keys: Sequence[str]) -> pd.Series[float]:
    """Key -> seconds in the epochs of a finished run, without evaluation, for the records that have them."""
    if "seconds" not in evidence.epochs:
        return pd.Series(dtype=float)
    done = [key for key in keys if evidence.runs.at[key, "status"] == "done"]
    return evidence.epochs_of(done, ["key", "seconds"]).groupby("key")["seconds"].sum(min_count=1).dropna()


def run_duration(evidence: Evidence, seconds: pd.Series[float]) -> str:
    """How long runs took, and on which devices; "" if no record says.

    Args:
        evidence: the records at one preset.
        seconds: of `training_seconds`.
    """
    if seconds.empty:
        return ""
    devices = " or ".join(sorted({str(d) for d in evidence.runs.loc[[*seconds.index], "device"] if pd.notna(d)}))
    shortest, longest = format_duration(seconds.min()), format_duration(seconds.max())
    span = shortest if shortest == longest else f"{shortest} to {longest}"
    return f"{span} of training per run{f', on {devices}' if devices else ''}; evaluation is not included"


def count_commits(evidence: Evidence) -> Counter[str]:
    """The commits that runs were made at, and the number of runs of each."""
    commits = evidence.runs[["commit", "dirty"]].itertuples(index=False)
    return Counter(format_commit(commit, dirty) for commit, dirty in commits)


def format_commit(commit: object, dirty: object) -> str:
    """A commit as the report prints it."""
    return f"{str(commit)[:10]}{' (changed)' if dirty is True else ''}" if isinstance(commit, str) else "unknown"


def display_path(results: Path) -> str:
    """A results folder as commands on the page name it, without absolute paths."""
    if not results.is_absolute():
        return str(results)
    here = Path.cwd()
    return str(results.relative_to(here)) if results.is_relative_to(here) else results.name
