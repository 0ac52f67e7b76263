"""Sentences of a table's caption and notes on its numbers: what they are, over how many runs, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pandas import DataFrame

from benchmarks.execution.requirements import Grid
from benchmarks.paper import Pair
from benchmarks.reporting.tables.metric_cell import MetricCell
from benchmarks.reporting.tables.table import MISSING


def distance_caption(cells: Mapping[Pair, MetricCell], measured_runs: int, grid: Grid, lead: str = "") -> str:
    """The caption of a table of distances; the metric protocol comes with the grid's notes."""
    if grid.metric == "fid":
        quantity = "FID (column fid)"
    elif grid.metric.startswith("fd_"):
        quantity = f"Fréchet distance (column {grid.metric})"
    else:
        quantity = f"Column {grid.metric}"
    direction = "between generated and real images, lower is better"
    spread = describe_spread(cells.values(), grid.draws)
    return f"{lead}{quantity} {direction}: {spread}. {describe_budget(measured_runs, grid)}"


def describe_spread(cells: Iterable[MetricCell], sample_sets: int) -> str:
    """What the mean and each ± are over."""
    counts = {cell.runs_wanted for cell in cells if cell.runs_wanted}
    if not counts:
        return "no training wanted"
    if sample_sets > 1:
        return (
            f"mean ± standard deviation over {format_range(counts)} training{'s' * (counts != {1})} ± standard "
            f"deviation over the {sample_sets} sample sets of one"
        )
    if counts == {1}:
        return "the value of one training, hence without a spread"
    return f"mean ± standard deviation over {format_range(counts)} trainings"


def describe_budget(measured_runs: int, grid: Grid) -> str:
    """The budget, and how many of the grid's runs are missing."""
    runs_wanted = sum(map(len, grid.keys.values()))
    short = "" if grid.preset == "paper" else ", a shorter budget than the paper's"
    missing = (
        f" Incomplete: {measured_runs} of {runs_wanted} trainings are there." if measured_runs < runs_wanted else ""
    )
    return f"Preset {grid.preset}{short}.{missing}"


def count_measured_runs(cells: Iterable[MetricCell]) -> int:
    """Runs in cells that should have all of theirs; a diverged run counts as measured."""
    return sum(cell.runs + cell.runs_diverged for cell in cells)


def count_ended_runs(evaluations: DataFrame, grid: Grid) -> int:
    """Runs of the grid that diverged, or finished and have an evaluation of any kind.

    For tables in which not every run can have every number.
    """
    wanted_keys = {key for keys in grid.keys.values() for key in keys}
    is_finished = (evaluations["status"] == "done") & evaluations["metric"].notna()
    has_ended = (evaluations["status"] == "diverged") | is_finished
    return int(evaluations.loc[has_ended & evaluations["key"].isin(wanted_keys), "key"].nunique())


def environment_notes(evaluations: DataFrame, cells: Iterable[MetricCell]) -> Iterator[str]:
    """Notes on runs that differ in device or version of torch, and on runs of uncommitted code."""
    keys = {key for cell in cells for key in cell.run_means}
    runs = evaluations[evaluations["key"].isin(keys)].drop_duplicates("key")
    for column, lead in (("device", "Trained on several devices"), ("torch", "Trained with several versions of torch")):
        if column in runs:
            names = runs[column].dropna().astype(str)
            if column == "torch":
                names = names.str.split("+").str[0]  # 2.15.0+cu132 and 2.15.0 are builds of one version
            counts = names.value_counts()
            if len(counts) > 1:
                yield f"{lead}: {', '.join(f'{name} ({counts[name]})' for name in sorted(counts.index))}."
    if "dirty" in runs:
        commits = runs.loc[runs["dirty"].fillna(False).astype(bool), "commit"].astype(str).str[:10].value_counts()
        if len(commits):
            listed = ", ".join(f"{name} ({commits[name]})" for name in sorted(commits.index))
            yield f"Trained by code with changes that are in no commit, on top of: {listed}."


def format_range(counts: set[int]) -> str:
    """One count as "10", several as "3 to 10"."""
    return str(*counts) if len(counts) == 1 else f"{min(counts)} to {max(counts)}"


def legend_notes(cells: Mapping[Pair, MetricCell]) -> tuple[str, ...]:
    """Explanations of the signs that a table uses, and only of those."""
    trained = [cell for cell in cells.values() if cell.runs_wanted]
    has_best = any(cell.is_best for cell in trained)
    has_lost = any(cell.lost_runs for cell in trained)
    is_used = {
        "Bold: the lowest of its column.": has_best and not has_lost,
        "Bold: the lowest of its column, of those that lost no training.": has_best and has_lost,
        "(m/n): m of the n wanted trainings are done.": any(0 < c.runs < c.runs_wanted for c in trained),
        "[n diverged]: trainings that ended in a number that is not finite.": any(c.runs_diverged for c in trained),
        "[n failed]: trainings that ended in an error.": any(cell.runs_failed for cell in trained),
        f"{MISSING}: no number.": any(cell.mean is None for cell in cells.values()),
    }
    return tuple(note for note, used in is_used.items() if used)
