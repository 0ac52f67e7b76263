"""Table 1: sample quality, with the paper's numbers in columns of their own and beside the paper's metric only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from pandas import DataFrame

from benchmarks.tables.captions import caption, legend
from benchmarks.tables.cells import (
    Cell,
    Grid,
    Pair,
    Table,
    beside,
    digits,
    evaluations,
    over_trainings,
    place,
    trainings,
)
from benchmarks.tables.paper import Published, published


def table1(runs: DataFrame, grid: Grid, *, decimals: int | None = None) -> Table:
    """Table 1: sample quality of every model on every data set.

    Args:
        runs: first frame of `records.read`.
        grid: the rows, columns and training keys that the table should hold.
        decimals: digits printed behind the point, at least one and two of the largest number's by default; "best" is
            judged by what is printed.
    """
    # A Fréchet distance on other features than the paper's has another scale: no number to compare it with.
    paper = published("table1") if grid.metric == "fid" else {}
    rows = _with_cited(grid, paper)
    cells = {
        (model, dataset): _quality(runs, grid, (model, dataset), paper.get((model, dataset)))
        for model in rows
        for dataset in grid.datasets
    }
    decimals = digits(cells) if decimals is None else decimals
    cells = _mark_best(cells, grid.datasets, decimals)
    return Table(
        name="table1",
        caption=caption(cells, grid),
        notes=(*legend(cells), *grid.notes, *_paper_notes(cells, grid, paper)),
        rows=MappingProxyType(rows),
        columns=grid.datasets,
        cells=MappingProxyType(cells),
        metric=grid.metric,
        preset=grid.preset,
        decimals=decimals,
    )


def _with_cited(grid: Grid, paper: Mapping[Pair, Published]) -> dict[str, str]:
    """The grid's rows, and at the paper's place the rows it only cites."""
    names, labels = [*grid.models], dict(grid.models)
    order = [*dict.fromkeys(model for model, _ in paper)]
    for (model, dataset), entry in paper.items():
        if entry.cited and dataset in grid.datasets and model not in labels:
            after = [name for name in order[order.index(model) :] if name in names]
            names.insert(names.index(after[0]) if after else len(names), model)
            labels[model] = entry.label
    return {name: labels[name] for name in names}


def _quality(runs: DataFrame, grid: Grid, pair: Pair, paper: Published | None) -> Cell:
    """A cell of Table 1: the samples of one model on one data set."""
    wanted = grid.keys.get(pair, ())
    counted = evaluations(runs, wanted, grid.metric, "prior", grid.protocol_ids.get(pair[1]), grid.draws)
    cell = over_trainings(runs, wanted, trainings(counted, wanted, grid.metric, grid.draws))
    return replace(
        cell,
        paper=None if paper is None else (paper.mean, paper.std),
        cited=paper is not None and paper.cited,
        more=beside(counted, grid.metric),
        where=place(*pair, "prior", grid.protocol_ids.get(pair[1])),
    )


def _mark_best(cells: Mapping[Pair, Cell], datasets: Mapping[str, str], decimals: int) -> dict[Pair, Cell]:
    """Mark the lowest trained cells of each column, where there are two or more to compare."""
    marked = dict(cells)
    for dataset in datasets:
        printed = {
            pair: float(cell.value(decimals).split(" ± ")[0])
            for pair, cell in cells.items()
            if pair[1] == dataset and cell.mean is not None
        }
        if len(printed) > 1:
            for pair, value in printed.items():
                if value == min(printed.values()):
                    marked[pair] = replace(cells[pair], best=True)
    return marked


def _paper_notes(cells: Mapping[Pair, Cell], grid: Grid, paper: Mapping[Pair, Published]) -> tuple[str, ...]:
    """Whose the columns marked “paper” are, and the paper's own footnotes to the cells shown."""
    shown = [pair for pair, cell in cells.items() if cell.paper is not None]
    if not shown:
        return ()
    told = [
        "Columns marked “paper”: Table 1 of “Generative Latent Flow”, mean ± standard deviation over 10 trials, “each "
        "trial is computing the FID between 10k generated images and 10k real images”. By that sentence, and by its "
        "size, its ± is to be compared with ours over sample sets"
        + (", the second one" if grid.draws > 1 else ", of which there is one here, hence no such ±")
        + "; if a trial was a training, with ours over trainings"
        + (", the first one." if grid.draws > 1 else ".")
    ]
    if any(cells[pair].cited for pair in shown):
        told.append("(cited): the paper cites this number and trained no such model.")
    for model, dataset in shown:
        entry = paper[model, dataset]
        if entry.note and not entry.cited:
            told.append(f"The paper on {entry.label}, {grid.datasets[dataset]}: {entry.note}")
    return tuple(told)
