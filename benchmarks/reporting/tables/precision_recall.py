"""Table 6: precision and recall for distributions (Sajjadi et al.; Appendix F)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pandas import DataFrame

from benchmarks.execution.requirements import Grid
from benchmarks.paper import Pair, PublishedValue, published_cells
from benchmarks.reporting import wording
from benchmarks.reporting.tables.aggregation import EvaluationIndex, aggregate_runs, make_id_columns, values_by_run
from benchmarks.reporting.tables.cell_notes import count_measured_runs, lost_run_notes, wanted_run_counts
from benchmarks.reporting.tables.metric_cell import MetricCell
from benchmarks.reporting.tables.paper_comparison import paper_footnotes
from benchmarks.reporting.tables.table import MISSING, CellText, Note, Table, merge_notes

RECALL, PRECISION = "prd_f8", "prd_f1_8"  # columns of the evaluations: F8, F1/8
SWAPPED_NOTE = Note(
    "Columns",
    "“swapped” has the two numbers in the opposite order. The code of the metric's authors gives that when it gets "
    "real and generated images in the order of its README; its command line passes them in the other order.",
    "“swapped” has the two numbers in the opposite order.",
)
ORDER_NOTE = Note("Paper", "The paper does not say in which order it passed real and generated images.")


@dataclass(frozen=True)
class PrecisionRecallCell:
    """One cell of Table 6: recall and precision of the same samples.

    Attributes:
        recall: F8.
        precision: F1/8.
        paper: the paper's two numbers, in this order.
        id_columns: model, data set, source and metric protocol.
    """

    recall: MetricCell
    precision: MetricCell
    paper: tuple[PublishedValue, ...]
    id_columns: Mapping[str, str | None]

    def render(self, decimals: int) -> Mapping[str, CellText]:
        """The pair in the paper's order, its standard deviations over runs, and the pair in the opposite order."""
        cells = self.recall, self.precision
        texts = {"": CellText(_format_pair([cell.mean for cell in cells], decimals), self.recall.suffix())}
        if self.recall.std is not None:
            texts["±"] = CellText(_format_pair([cell.std for cell in cells], decimals))
        texts["swapped"] = CellText(_format_pair([cell.mean for cell in reversed(cells)], decimals))
        if self.paper:
            texts["paper"] = CellText(_format_pair([value.mean for value in self.paper], 3))
        return texts

    def value_columns(self) -> dict[str, Any]:
        """Means and spreads of both."""
        published = {value.metric: value.mean for value in self.paper}
        cells = {"f8": self.recall, "f1_8": self.precision}
        return {
            **{
                f"{name}_{statistic}": getattr(cell, statistic)
                for name, cell in cells.items()
                for statistic in ("mean", "std", "std_sample_sets")
            },
            **self.recall.run_counts(),
            "paper_f8": published.get(RECALL),
            "paper_f1_8": published.get(PRECISION),
        }


def table6(evaluations: DataFrame, grid: Grid) -> Table:
    """Table 6: (F8, F1/8) of samples, and the same pair in the opposite order.

    Arguments as for `quality.table1`; the records need the metric `prd`.
    """
    # Precision and recall on other features are not comparable with the paper's.
    paper = published_cells("table6") if grid.metric == "fid" else {}
    index = EvaluationIndex(evaluations, grid.metric)
    cells = {}
    for pair in ((model, dataset) for model in grid.models for dataset in grid.datasets):
        recall, precision = _aggregate_both(index, grid, pair)
        id_columns = make_id_columns(*pair, "prior", grid.protocol_ids.get(pair[1]))
        cells[pair] = PrecisionRecallCell(recall, precision, paper.get(pair, ()), id_columns)
    recalls = {pair: cell.recall for pair, cell in cells.items()}
    run_counts = wanted_run_counts(recalls.values())
    notes = [
        SWAPPED_NOTE,
        *([ORDER_NOTE] if any(cell.paper for cell in cells.values()) else []),
        *wording.measurement_notes(grid),
        *wording.budget_notes(grid),
        *([Note("Statistics", "± is the standard deviation over runs.")] if max(run_counts, default=0) > 1 else []),
        *lost_run_notes(recalls.values(), count_measured_runs(recalls.values()), grid),
        *paper_footnotes(paper, cells, grid),
    ]
    statistic = wording.describe_statistic(run_counts, 1).replace(" ± standard deviation", "")
    return Table(
        name="table6",
        caption="Precision and recall of samples (PRD), as (F8, F1/8) = (recall, precision), higher is better: "
        f"{statistic}. {wording.budget(grid.preset)}",
        notes=merge_notes(notes),
        rows=grid.models,
        columns=grid.datasets,
        cells=MappingProxyType(cells),
        metric="prd",
        preset=grid.preset,
        decimals=3 if grid.decimals is None else grid.decimals,
    )


def _aggregate_both(index: EvaluationIndex, grid: Grid, pair: Pair) -> tuple[MetricCell, MetricCell]:
    """Recall and precision of a model's samples on a data set, over the runs that have both."""
    keys = grid.keys.get(pair, ())
    rows = index.select(keys, "prior", grid.protocol_ids.get(pair[1]), grid.draws)
    recall, precision = (values_by_run(rows, keys, column, grid.draws) for column in (RECALL, PRECISION))
    return (
        aggregate_runs(index.statuses, keys, {key: values for key, values in recall.items() if key in precision}),
        aggregate_runs(index.statuses, keys, {key: values for key, values in precision.items() if key in recall}),
    )


def _format_pair(numbers: Sequence[float | None], decimals: int) -> str:
    known = [f"{number:.{decimals}f}" for number in numbers if number is not None]
    return f"({', '.join(known)})" if len(known) == len(numbers) else MISSING
