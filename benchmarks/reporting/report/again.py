"""How to make the numbers of the report again: commands, the commits they were made at, and how long that takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.analysis import claims
from benchmarks.analysis.evidence import Evidence
from benchmarks.protocols import PRESETS
from benchmarks.reporting.report.words import duration, trainings

ELSEWHERE = "results/again"  # a folder without records: there, commands train


@dataclass(frozen=True)
class Again:
    """How to make a cell again.

    Attributes:
        command: makes as many trainings as are there, in a folder of its own.
        trainings: how many those are.
        seeds: what must be said of the seeds, where the command makes others; or "".
        took: how long a training took, or "".
        seconds: of all trainings that the command makes, as far as known.
        wanted: how many more the preset wants, in words; or "".
        more: the command that adds them, or "".
    """

    command: str
    trainings: int
    seeds: str
    took: str
    seconds: float | None
    wanted: str
    more: str


def again(evidence: Evidence, model: str, dataset: str, results: str) -> Again:
    """How to make a cell again, and how to bring it to the size that its preset wants."""
    keys = evidence.keys(model, dataset)
    seeds = sorted(int(seed) for seed in evidence.trainings.loc[[*keys], "seed"])
    preset = PRESETS[evidence.preset].seeds if evidence.preset in PRESETS else 0
    n = len(keys) or preset or 1
    times = seconds(evidence, keys)
    missing = len({*range(preset)} - {*seeds})
    more = bool(keys and missing)
    told = ", ".join(map(str, seeds[:10])) + (", …" if len(seeds) > 10 else "")
    return Again(
        command=claims.command(evidence, "table1", [model], dataset, n, ELSEWHERE),
        trainings=n,
        seeds=f"The seeds of the trainings here are {told}; the command makes seeds 0 to {n - 1}."
        if seeds != [*range(n)] and keys else "",
        took=took(evidence, times),
        seconds=float(times.mean()) * n if len(times) else None,
        wanted=f"The preset wants {trainings(preset)} of it; this command, in the folder of these records, adds the "
        f"other {missing}:" if more else "",
        more=claims.command(evidence, "table1", [model], dataset, preset, results) if more else "",
    )  # fmt: skip


def seconds(evidence: Evidence, keys: Sequence[str]) -> pd.Series[float]:
    """Key -> seconds in the epochs of a finished training, measurements not counted; only those that records tell."""
    rows = evidence.of([key for key in keys if evidence.trainings.at[key, "status"] == "done"])
    if "seconds" not in rows:
        return pd.Series(dtype=float)
    return rows.groupby("key")["seconds"].sum(min_count=1).dropna()


def took(evidence: Evidence, times: pd.Series[float]) -> str:
    """How long trainings took, and on what; "" where no record says."""
    if times.empty:
        return ""
    devices = " or ".join(sorted({str(d) for d in evidence.trainings.loc[[*times.index], "device"] if pd.notna(d)}))
    low, high = duration(times.min()), duration(times.max())
    span = low if low == high else f"{low} to {high}"
    return f"{span} in the epochs of each training{f', on {devices}' if devices else ''}; measuring comes on top"


def commits(evidence: Evidence) -> Counter[str]:
    """The commits that trainings were made at, as records say them, and how many at each."""
    both = evidence.trainings[["commit", "dirty"]].itertuples(index=False)
    return Counter(told_commit(commit, dirty) for commit, dirty in both)


def told_commit(commit: object, dirty: object) -> str:
    """A commit as the report prints it."""
    return f"{str(commit)[:10]}{' (changed)' if dirty is True else ''}" if isinstance(commit, str) else "unknown"


def named(results: Path) -> str:
    """A results folder as commands on the page name it: no path of this machine."""
    if not results.is_absolute():
        return str(results)
    here = Path.cwd()
    return str(results.relative_to(here)) if results.is_relative_to(here) else results.name
