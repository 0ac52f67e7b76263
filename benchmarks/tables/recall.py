"""Table 6: precision and recall for distributions (Sajjadi et al.; Appendix F)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from pandas import DataFrame

from benchmarks.tables.against import oddities
from benchmarks.tables.averages import evaluations, over_trainings, place, trainings
from benchmarks.tables.captions import ending, legend, measured, spreads
from benchmarks.tables.cells import NOTHING, Cell, Grid, Shown, Table
from benchmarks.tables.paper import Pair, Published, printed

F8, F1_8 = "prd_f8", "prd_f1_8"  # recall, precision


@dataclass(frozen=True)
class Both:
    """One cell of Table 6: recall and precision of the same samples, or of the paper's.

    Attributes:
        f8: recall.
        f1_8: precision.
        where: model, data set, source, metric protocol, and the reading: ours, swapped or paper.
    """

    f8: Cell | Published | None
    f1_8: Cell | Published | None
    where: Mapping[str, str | None]

    def shown(self, decimals: int) -> Mapping[str, Shown]:
        """The pair as the paper prints it; ± is over trainings."""
        numbers = [
            f"{cell.mean:.{decimals}f}" if isinstance(cell, Published) else replace(cell, draws=1).value(decimals)
            for cell in (self.f8, self.f1_8)
            if cell is not None
        ]
        text = NOTHING if NOTHING in numbers or not numbers else f"({', '.join(numbers)})"
        return {"": Shown(text, self.f8.marks() if isinstance(self.f8, Cell) else "")}

    def data(self) -> dict[str, Any]:
        """Means and spreads of both."""
        found: dict[str, Any] = {}
        for name, cell in (("f8", self.f8), ("f1_8", self.f1_8)):
            numbers = cell.data() if isinstance(cell, Cell) else {"mean": cell and cell.mean}
            found |= {f"{name}_{part}": numbers.get(part) for part in ("mean", "std", "std_draws")}
        counts = self.f8.data() if isinstance(self.f8, Cell) else {}
        return found | {name: counts.get(name) for name in ("trainings", "draws", "wanted", "diverged", "failed")}


def table6(runs: DataFrame, grid: Grid) -> Table:
    """Table 6: (F8, F1/8) of samples, with the reading that exchanges the two below it.

    Arguments as `table1`; the records need the metric `prd`.
    """
    # On other features than the paper's, precision and recall are other numbers.
    paper = printed("table6") if grid.metric == "fid" else {}
    cells: dict[Pair, Both] = {}
    rows: dict[str, str] = {}
    for model, label in grid.models.items():
        there = any((model, dataset) in paper for dataset in grid.datasets)
        names = {"": label, "swapped": f"{label}, swapped", **({"paper": f"{label} (paper)"} if there else {})}
        rows |= {f"{model} {reading}".strip(): name for reading, name in names.items()}
        for dataset in grid.datasets:
            where = place(model, dataset, "prior", grid.protocol_ids.get(dataset))
            f8, f1_8 = (_cell(runs, grid, (model, dataset), column) for column in (F8, F1_8))
            cells[model, dataset] = Both(f8, f1_8, {**where, "reading": "ours"})
            cells[f"{model} swapped", dataset] = Both(f1_8, f8, {**where, "reading": "swapped"})
            if there:
                theirs = {entry.metric: entry for entry in paper.get((model, dataset), ())}
                about = {**place(model, dataset, "prior", None), "reading": "paper"}
                cells[f"{model} paper", dataset] = Both(theirs.get(F8), theirs.get(F1_8), about)
    ours = {pair: cell.f8 for pair, cell in cells.items() if pair[0] in grid.models and isinstance(cell.f8, Cell)}
    notes = [
        "Swapped: the two numbers changed about, which is what the code of the metric's authors gives when real and "
        "generated images are passed in the order of its README; its own command line passes them in the other.",
        *(["The paper does not say in which order it passed them."] if paper else []),
        *legend(ours),
        *grid.notes,
        *oddities(paper, [*grid.keys] if paper else [], grid),
    ]
    several = ", of the means over sample sets" if grid.draws > 1 else ""
    return Table(
        name="table6",
        caption="Precision and recall for distributions of samples, (F8, F1/8): the first is recall, the second "
        f"precision, higher is better: {spreads(ours.values(), 1)}{several}. {ending(measured(ours.values()), grid)}",
        notes=tuple(notes),
        rows=MappingProxyType(rows),
        columns=grid.datasets,
        cells=MappingProxyType(cells),
        metric="prd",
        preset=grid.preset,
        decimals=3 if grid.decimals is None else grid.decimals,
    )


def _cell(runs: DataFrame, grid: Grid, pair: Pair, column: str) -> Cell:
    """One of the two numbers of a model's samples on a data set."""
    wanted = grid.keys.get(pair, ())
    counted = evaluations(runs, wanted, grid.metric, "prior", grid.protocol_ids.get(pair[1]), grid.draws)
    return over_trainings(runs, wanted, trainings(counted, wanted, column, grid.draws))
