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
from benchmarks.tables.paper import Published, printed

F8, F1_8 = "prd_f8", "prd_f1_8"  # recall, precision


@dataclass(frozen=True)
class Curves:
    """One cell of Table 6: recall and precision of the same samples.

    Attributes:
        f8: recall.
        f1_8: precision.
        paper: what the paper prints there, in this order.
    """

    f8: Cell
    f1_8: Cell
    paper: tuple[Published, ...] = ()

    @property
    def where(self) -> Mapping[str, str | None]:
        """Model, data set, source and metric protocol."""
        return self.f8.where

    def shown(self, decimals: int) -> Mapping[str, Shown]:
        """Both numbers as the paper prints them, and changed about."""
        both = self.f8.value(decimals), self.f1_8.value(decimals)
        shown = {"": Shown(_pair(*both), self.f8.marks()), "swapped": Shown(_pair(*reversed(both)))}
        if self.paper:
            shown["paper"] = Shown(_pair(*(f"{entry.mean:.3f}" for entry in self.paper)))
        return shown

    def data(self) -> dict[str, Any]:
        """Means and spreads of both."""
        numbers = {"f8": self.f8.data(), "f1_8": self.f1_8.data()}
        spread = ("mean", "std", "std_draws")
        theirs = {entry.metric: entry.mean for entry in self.paper}
        return {
            **{f"{name}_{part}": data[part] for name, data in numbers.items() for part in spread},
            **{name: numbers["f8"][name] for name in ("trainings", "draws", "wanted", "diverged", "failed")},
            "paper_f8": theirs.get(F8),
            "paper_f1_8": theirs.get(F1_8),
        }


def table6(runs: DataFrame, grid: Grid) -> Table:
    """Table 6: (F8, F1/8) of samples, with the reading that exchanges the two beside it.

    Arguments as `table1`; the records need the metric `prd`.
    """
    # On other features than the paper's, precision and recall are other numbers.
    paper = printed("table6") if grid.metric == "fid" else {}
    cells = {}
    for model in grid.models:
        for dataset, identity in ((dataset, grid.protocol_ids.get(dataset)) for dataset in grid.datasets):
            wanted = grid.keys.get((model, dataset), ())
            counted = evaluations(runs, wanted, grid.metric, "prior", identity, grid.draws)
            where = place(model, dataset, "prior", identity)
            f8, f1_8 = (
                replace(over_trainings(runs, wanted, trainings(counted, wanted, name, grid.draws)), where=where)
                for name in (F8, F1_8)
            )
            cells[model, dataset] = Curves(f8, f1_8, paper.get((model, dataset), ()))
    over = {pair: cell.f8 for pair, cell in cells.items()}
    notes = [
        "Swapped: the two numbers changed about, which is what the code of the metric's authors gives when real and "
        "generated images are passed in the order of its README; its own command line passes them in the other.",
        *legend(over),
        *grid.notes,
    ]
    if any(cell.paper for cell in cells.values()):
        notes.append("The paper does not say in which order it passed them.")
    notes += oddities(paper, cells, grid)
    return Table(
        name="table6",
        caption="Precision and recall for distributions of samples, (F8, F1/8): the first is recall, the second "
        f"precision, higher is better: {spreads(over.values(), grid.draws)}. {ending(measured(over.values()), grid)}",
        notes=tuple(notes),
        rows=grid.models,
        columns=grid.datasets,
        cells=MappingProxyType(cells),
        metric="prd",
        preset=grid.preset,
        decimals=3 if grid.decimals is None else grid.decimals,
    )


def _pair(first: str, second: str) -> str:
    return NOTHING if NOTHING in (first, second) else f"({first}, {second})"
