"""Tables 1 and 4: sample quality, with the paper's numbers in columns of their own, beside the paper's metric only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from pandas import DataFrame

from benchmarks.execution.grid import Grid
from benchmarks.paper import Pair, Published, published
from benchmarks.reporting.tables.against import order_notes, paper_notes, ranking, verdict, with_cited
from benchmarks.reporting.tables.averages import Evaluations, beside, digits, over_trainings, place, trainings
from benchmarks.reporting.tables.captions import caption, legend, made_on, measured
from benchmarks.reporting.tables.cells import Cell, Table

FOURTH = (
    "Table 4 is Table 1 with GANs as the paper cites them from Lucic et al., who trained them with other networks; "
    "each is the best of a large search over hyper-parameters."
)


def table1(runs: DataFrame, grid: Grid) -> Table:
    """Table 1: sample quality of every model on every data set.

    Args:
        runs: first frame of `records.read`.
        grid: the rows, columns and training keys that the table should hold.  Without its `decimals`, there is one
            digit behind the point, and two of the largest number's at least; "best" is judged by what is printed.
    """
    return _quality("table1", runs, grid)


def table4(runs: DataFrame, grid: Grid) -> Table:
    """Table 4: as Table 1, with the GANs that the paper cites.

    Arguments as `table1`.
    """
    table = _quality("table4", runs, grid)
    without = " Their distances are not of this metric, so they are not shown." if grid.metric != "fid" else ""
    return replace(table, notes=(FOURTH + without, *table.notes))


def _quality(name: str, runs: DataFrame, grid: Grid) -> Table:
    printed = published(name)
    # A Fréchet distance on other features than the paper's has another scale: no number to compare it with.
    paper = printed if grid.metric == "fid" else {}
    rows = with_cited(grid, paper)
    evaluations = Evaluations(runs, grid.metric)
    cells = {
        (model, dataset): _cell(evaluations, grid, (model, dataset), paper.get((model, dataset)))
        for model in rows
        for dataset in grid.datasets
    }
    decimals = digits(cells) if grid.decimals is None else grid.decimals
    cells = _mark_best(cells, grid.datasets, decimals)
    orders = {dataset: ranking(cells, dataset, printed) for dataset in grid.datasets}
    notes = (
        *legend(cells),
        *grid.protocols,
        *grid.notes,
        *made_on(runs, cells.values()),
        *paper_notes(name, cells, grid, paper),
        *order_notes(orders, cells, grid),
    )
    return Table(
        name=name,
        caption=caption(cells, measured(cells.values()), grid),
        notes=notes,
        rows=MappingProxyType(rows),
        columns=grid.datasets,
        cells=MappingProxyType(
            {
                (model, dataset): replace(cell, ranks=orders[dataset].chances.get(model, ()))
                for (model, dataset), cell in cells.items()
            }
        ),
        metric=grid.metric,
        preset=grid.preset,
        decimals=decimals,
    )


def _cell(evaluations: Evaluations, grid: Grid, pair: Pair, paper: Published | None) -> Cell:
    """The samples of one model on one data set."""
    wanted = grid.keys.get(pair, ())
    counted = evaluations.of(wanted, "prior", grid.protocol_ids.get(pair[1]), grid.draws)
    cell = over_trainings(evaluations.ends, wanted, trainings(counted, wanted, grid.metric, grid.draws))
    return replace(
        cell,
        paper=paper,
        aside=f" ({grid.asides[pair]})" if pair in grid.asides else "",
        more=beside(counted, cell, grid.metric, grid.draws),
        where=place(*pair, "prior", grid.protocol_ids.get(pair[1])),
        verdict=verdict(cell, counted, grid, paper),
    )


def _mark_best(cells: Mapping[Pair, Cell], datasets: Mapping[str, str], decimals: int) -> dict[Pair, Cell]:
    """Mark the lowest trained cells of each column, where there are two or more to compare.

    One that lost a training has none: the trainings that are left may be the luckier ones.
    """
    marked = dict(cells)
    for dataset in datasets:
        printed = {
            pair: float(cell.value(decimals).split(" ± ")[0])
            for pair, cell in cells.items()
            if pair[1] == dataset and cell.mean is not None and not cell.lost
        }
        if len(printed) > 1:
            for pair, value in printed.items():
                if value == min(printed.values()):
                    marked[pair] = replace(cells[pair], best=True)
    return marked
