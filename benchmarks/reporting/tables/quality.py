"""Tables 1 and 4: sample quality of every model on every data set, beside the paper's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from pandas import DataFrame

from benchmarks.execution.requirements import Grid
from benchmarks.paper import Pair, PublishedValue, published_values
from benchmarks.reporting import wording
from benchmarks.reporting.tables.aggregation import (
    EvaluationIndex,
    aggregate_runs,
    decimals_for,
    make_id_columns,
    other_means,
    values_by_run,
)
from benchmarks.reporting.tables.cell_notes import (
    count_measured_runs,
    lost_run_notes,
    run_environment_notes,
    statistics_notes,
    wanted_run_counts,
)
from benchmarks.reporting.tables.metric_cell import MetricCell
from benchmarks.reporting.tables.paper_comparison import (
    compare_cell,
    paper_notes,
    rank_column,
    ranking_notes,
    rows_with_cited_models,
)
from benchmarks.reporting.tables.table import Note, Table, merge_notes

TABLE4_NOTE = (
    "Table 4 is Table 1 with the GANs that the paper cites from Lucic et al. They used other networks, and each GAN is "
    "the best of a large hyperparameter search."
)


def table1(evaluations: DataFrame, grid: Grid) -> Table:
    """Table 1: sample quality of every model on every data set.

    The best value of a column is the lowest one as printed.

    Args:
        evaluations: first frame of `records.read`.
        grid: the rows, columns and run keys that the table should hold.  If its `decimals` is None, numbers have one
            decimal, or more so that the largest number has two digits.
    """
    return _quality_table("table1", evaluations, grid)


def table4(evaluations: DataFrame, grid: Grid) -> Table:
    """Table 4: Table 1 with the GANs that the paper cites.

    Arguments as for `table1`.
    """
    table = _quality_table("table4", evaluations, grid)
    without = " Their numbers are of another metric, so they are not shown." if grid.metric != "fid" else ""
    return replace(table, notes=merge_notes([Note("Paper", TABLE4_NOTE + without), *table.notes]))


def _quality_table(name: str, evaluations: DataFrame, grid: Grid) -> Table:
    published = published_values(name)
    # A Fréchet distance on other features has another scale: the paper's numbers are not comparable.
    paper = published if grid.metric == "fid" else {}
    rows = rows_with_cited_models(grid, paper)
    index = EvaluationIndex(evaluations, grid.metric)
    cells = {
        (model, dataset): _make_cell(index, grid, (model, dataset), paper.get((model, dataset)))
        for model in rows
        for dataset in grid.datasets
    }
    decimals = decimals_for(cells.values()) if grid.decimals is None else grid.decimals
    cells = _mark_best(cells, grid.datasets, decimals)
    rankings = {dataset: rank_column(cells, dataset, published) for dataset in grid.datasets}
    notes = (
        *wording.measurement_notes(grid),
        *wording.budget_notes(grid),
        *statistics_notes(cells.values(), grid.draws),
        *lost_run_notes(cells.values(), count_measured_runs(cells.values()), grid),
        *run_environment_notes(evaluations, cells.values()),
        *paper_notes(name, cells, grid, paper),
        *ranking_notes(rankings, cells, grid),
    )
    return Table(
        name=name,
        caption=wording.distance_caption(grid, wanted_run_counts(cells.values())),
        notes=merge_notes(notes),
        rows=MappingProxyType(rows),
        columns=grid.datasets,
        cells=MappingProxyType(
            {
                (model, dataset): replace(cell, rank_probabilities=rankings[dataset].rank_probabilities.get(model, ()))
                for (model, dataset), cell in cells.items()
            }
        ),
        metric=grid.metric,
        preset=grid.preset,
        decimals=decimals,
    )


def _make_cell(index: EvaluationIndex, grid: Grid, pair: Pair, paper: PublishedValue | None) -> MetricCell:
    """The samples of one model on one data set."""
    keys, protocol_id = grid.keys.get(pair, ()), grid.protocol_ids.get(pair[1])
    rows = index.select(keys, "prior", protocol_id, grid.draws)
    cell = aggregate_runs(index.statuses, keys, values_by_run(rows, keys, grid.metric, grid.draws))
    return replace(
        cell,
        paper=paper,
        note=f" ({grid.cell_notes[pair]})" if pair in grid.cell_notes else "",
        other_means=other_means(rows, cell, grid.metric, grid.draws),
        id_columns=make_id_columns(*pair, "prior", protocol_id),
        verdict=compare_cell(cell, rows, grid, paper),
    )


def _mark_best(cells: Mapping[Pair, MetricCell], datasets: Mapping[str, str], decimals: int) -> dict[Pair, MetricCell]:
    """Mark the lowest cells of each column that has two or more numbers of ours.

    A model that lost a run cannot be the best: its remaining runs may be the luckier ones.
    """
    marked = dict(cells)
    for dataset in datasets:
        printed = {
            pair: float(cell.format_value(decimals).split(" ± ")[0])
            for pair, cell in cells.items()
            if pair[1] == dataset and cell.mean is not None and not cell.lost_runs
        }
        if len(printed) > 1:
            for pair, value in printed.items():
                if value == min(printed.values()):
                    marked[pair] = replace(cells[pair], is_best=True)
    return marked
