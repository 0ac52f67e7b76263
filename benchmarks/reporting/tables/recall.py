"""Table 6: precision and recall for distributions (Sajjadi et al.; Appendix F)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pandas import DataFrame

from benchmarks.execution.grid import Grid
from benchmarks.paper import Pair, Published, printed
from benchmarks.reporting.tables.against import oddities
from benchmarks.reporting.tables.averages import Evaluations, over_trainings, place, trainings
from benchmarks.reporting.tables.captions import ending, legend, measured, spreads
from benchmarks.reporting.tables.cells import NOTHING, Cell, Shown, Table

F8, F1_8 = "prd_f8", "prd_f1_8"  # recall, precision


@dataclass(frozen=True)
class Both:
    """One cell of Table 6: recall and precision of the same samples.

    Attributes:
        f8: recall.
        f1_8: precision.
        paper: what the paper prints there, in this order.
        where: model, data set, source and metric protocol.
    """

    f8: Cell
    f1_8: Cell
    paper: tuple[Published, ...]
    where: Mapping[str, str | None]

    def shown(self, decimals: int) -> Mapping[str, Shown]:
        """The pair as the paper prints it, its standard deviations over trainings, and the pair changed about."""
        cells = self.f8, self.f1_8
        shown = {"": Shown(_pair([cell.mean for cell in cells], decimals), self.f8.marks())}
        if self.f8.std is not None:
            shown["±"] = Shown(_pair([cell.std for cell in cells], decimals))
        shown["swapped"] = Shown(_pair([cell.mean for cell in reversed(cells)], decimals))
        if self.paper:
            shown["paper"] = Shown(_pair([entry.mean for entry in self.paper], 3))
        return shown

    def data(self) -> dict[str, Any]:
        """Means and spreads of both."""
        numbers = {"f8": self.f8.data(), "f1_8": self.f1_8.data()}
        theirs = {entry.metric: entry.mean for entry in self.paper}
        return {
            **{f"{name}_{part}": of[part] for name, of in numbers.items() for part in ("mean", "std", "std_draws")},
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
    evaluations = Evaluations(runs, grid.metric)
    cells = {}
    for pair in ((model, dataset) for model in grid.models for dataset in grid.datasets):
        f8, f1_8 = _both(evaluations, grid, pair)
        where = place(*pair, "prior", grid.protocol_ids.get(pair[1]))
        cells[pair] = Both(f8, f1_8, paper.get(pair, ()), where)
    ours = {pair: cell.f8 for pair, cell in cells.items()}
    notes = [
        "Swapped: the two numbers changed about, which is what the code of the metric's authors gives when real and "
        "generated images are passed in the order of its README; its own command line passes them in the other.",
        *(["The paper does not say in which order it passed them."] if any(c.paper for c in cells.values()) else []),
        *legend(ours),
        *grid.protocols,
        *grid.notes,
        *oddities(paper, cells, grid),
    ]
    spread = spreads(ours.values(), 1).replace("mean ± standard deviation", "mean, and standard deviation (±),")
    return Table(
        name="table6",
        caption="Precision and recall for distributions of samples, (F8, F1/8): the first is recall, the second "
        f"precision, higher is better: {spread}. {ending(measured(ours.values()), grid)}",
        notes=tuple(notes),
        rows=grid.models,
        columns=grid.datasets,
        cells=MappingProxyType(cells),
        metric="prd",
        preset=grid.preset,
        decimals=3 if grid.decimals is None else grid.decimals,
    )


def _both(evaluations: Evaluations, grid: Grid, pair: Pair) -> tuple[Cell, Cell]:
    """The two numbers of a model's samples on a data set, of the trainings that have both."""
    wanted = grid.keys.get(pair, ())
    counted = evaluations.of(wanted, "prior", grid.protocol_ids.get(pair[1]), grid.draws)
    f8, f1_8 = (trainings(counted, wanted, column, grid.draws) for column in (F8, F1_8))
    return (
        over_trainings(evaluations.ends, wanted, {key: values for key, values in f8.items() if key in f1_8}),
        over_trainings(evaluations.ends, wanted, {key: values for key, values in f1_8.items() if key in f8}),
    )


def _pair(numbers: Sequence[float | None], decimals: int) -> str:
    known = [f"{number:.{decimals}f}" for number in numbers if number is not None]
    return f"({', '.join(known)})" if len(known) == len(numbers) else NOTHING
