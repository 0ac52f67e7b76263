"""What the cells of a table say for its notes: counts of runs, which signs they use, and where their runs ran."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pandas import DataFrame, Series

from benchmarks.execution.requirements import Grid
from benchmarks.reporting import wording
from benchmarks.reporting.tables.metric_cell import MetricCell
from benchmarks.reporting.tables.table import Note


def wanted_run_counts(cells: Iterable[MetricCell]) -> set[int]:
    """The numbers of runs that cells should have."""
    return {cell.runs_wanted for cell in cells if cell.runs_wanted}


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


def statistics_notes(cells: Iterable[MetricCell], sample_sets: int) -> Iterator[Note]:
    """Notes on what each ± is over, and on bold numbers."""
    trained = [cell for cell in cells if cell.runs_wanted]
    if counts := wanted_run_counts(trained):
        yield wording.spread_note(counts, sample_sets)
    if any(cell.is_best for cell in trained):
        yield wording.bold_note(any(cell.lost_runs for cell in trained))


def lost_run_notes(cells: Iterable[MetricCell], measured_runs: int, grid: Grid) -> Iterator[Note]:
    """Notes on missing, diverged and failed runs, and on missing weights."""
    cells = [*cells]
    trained = [cell for cell in cells if cell.runs_wanted]
    yield from wording.missing_notes(
        measured_runs,
        sum(map(len, grid.keys.values())),
        partial=any(0 < cell.runs < cell.runs_wanted for cell in trained),
        diverged=any(cell.runs_diverged for cell in trained),
        failed=any(cell.runs_failed for cell in trained),
        empty=any(cell.mean is None for cell in cells),
    )
    yield from wording.weights_notes(grid)


def run_environment_notes(evaluations: DataFrame, cells: Iterable[MetricCell]) -> Iterator[Note]:
    """Notes on the devices, versions of torch and uncommitted code of the runs behind some cells."""
    keys = {key for cell in cells for key in cell.run_means}
    runs = evaluations[evaluations["key"].isin(keys)].drop_duplicates("key")
    empty = Series(dtype=str)
    # 2.15.0+cu132 and 2.15.0 are builds of one version
    versions = runs["torch"].dropna().astype(str).str.split("+").str[0] if "torch" in runs else empty
    devices = runs["device"].dropna().astype(str) if "device" in runs else empty
    is_dirty = runs["dirty"].fillna(False).astype(bool) if "dirty" in runs else None
    commits = empty if is_dirty is None else runs.loc[is_dirty, "commit"].astype(str).str[:10]
    yield from wording.environment_notes(*(_count(names) for names in (devices, versions, commits)))


def _count(names: Series) -> dict[str, int]:
    return {str(name): int(count) for name, count in names.value_counts().items()}
