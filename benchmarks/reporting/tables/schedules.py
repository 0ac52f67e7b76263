"""Table 2: how many epochs a model trains, and after how many its distance is near its final value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from pandas import DataFrame

from benchmarks.execution.requirements import Grid
from benchmarks.paper import PublishedValue, published_cells
from benchmarks.reporting import wording
from benchmarks.reporting.tables.aggregation import aggregate_runs, make_id_columns, run_statuses
from benchmarks.reporting.tables.cell_notes import (
    count_measured_runs,
    lost_run_notes,
    statistics_notes,
)
from benchmarks.reporting.tables.metric_cell import CITED_SUFFIX, MetricCell
from benchmarks.reporting.tables.paper_comparison import paper_footnotes, rows_with_cited_models
from benchmarks.reporting.tables.table import MISSING, CellText, Note, Table, merge_notes

CONVERGENCE_TOLERANCE = 0.05  # a distance is near its final value if it exceeds it by at most this share
EPOCHS_TEXT = "Epochs of each stage. "
PAPER_EPOCHS = Note("Paper", "Its epochs are those “to obtain the FID scores in Table 1”: its full schedules.")
REACHED_TEXT = (
    "“reached”: epochs of all stages until the distance ({metric}) is at most "
    f"{100 * CONVERGENCE_TOLERANCE:g} % above that after the last epoch."
)


@dataclass(frozen=True)
class ScheduleCell:
    """One cell of Table 2.

    Attributes:
        stages: stage -> epochs of the training protocol; empty where the model has none for the data set.
        convergence: epochs, all stages together, until the distance is near its final value, over runs.
        paper: the paper's epochs, one number per stage.
    """

    stages: Mapping[str, int]
    convergence: MetricCell
    paper: tuple[PublishedValue, ...] = ()

    @property
    def id_columns(self) -> Mapping[str, str | None]:
        """Model, data set, and the metric protocol of the learning curves."""
        return self.convergence.id_columns

    def render(self, decimals: int) -> Mapping[str, CellText]:
        """Epochs by stage, 400/800; the paper's; the epochs until convergence."""
        texts = {"": CellText("/".join(map(str, self.stages.values())) or MISSING)}
        if self.paper:
            published = "/".join(f"{value.mean:.0f}" for value in self.paper)
            texts["paper"] = CellText(published + (CITED_SUFFIX if self.paper[0].is_cited else ""))
        texts["reached"] = CellText(self.convergence.format_value(decimals), self.convergence.suffix())
        return texts

    def value_columns(self) -> dict[str, Any]:
        """Epochs of all stages together, and until convergence."""
        counts = self.convergence.run_counts()
        return {
            "epochs": sum(self.stages.values()) if self.stages else None,
            "epochs_by_stage": "/".join(map(str, self.stages.values())),
            "convergence_epoch_mean": self.convergence.mean,
            "convergence_epoch_std": self.convergence.std,
            **{name: count for name, count in counts.items() if name != "sample_sets"},
            "paper_epochs": sum(value.mean for value in self.paper) if self.paper else None,
            "paper_epochs_by_stage": "/".join(f"{value.mean:.0f}" for value in self.paper),
            "paper_cited": any(value.is_cited for value in self.paper),
        }


def table2(evaluations: DataFrame, epochs: DataFrame, grid: Grid) -> Table:
    """Table 2: epochs of the protocols, the paper's, and the epochs until the distance is near its final value.

    Args:
        evaluations: first frame of `records.read`.
        epochs: its second one; the column of the grid's metric is the distance of samples after an epoch, where it was
            measured.
        grid: as for `quality.table1`, with `stages`.
    """
    paper = published_cells("table2")
    rows = rows_with_cited_models(grid, {pair: values[0] for pair, values in paper.items()})
    curves, statuses = _learning_curves(evaluations, epochs, grid), run_statuses(evaluations)
    cells = {}
    converged_at_first_point = False
    for model in rows:
        for dataset in grid.datasets:
            pair = model, dataset
            keys = grid.keys.get(pair, ())
            epoch_by_run = {
                key: convergence_epoch(curves[key].epochs, curves[key].distances) for key in keys if key in curves
            }
            converged_at_first_point |= any(epoch == curves[key].epochs[0] for key, epoch in epoch_by_run.items())
            cell = aggregate_runs(statuses, keys, {key: [float(epoch)] for key, epoch in epoch_by_run.items()})
            protocol_id = next((curves[key].protocol_id for key in epoch_by_run), None)
            cell = replace(cell, id_columns=make_id_columns(model, dataset, "curve", protocol_id))
            cells[pair] = ScheduleCell(grid.stages.get(pair, {}), cell, paper.get(pair, ()))
    convergences = [cell.convergence for cell in cells.values()]
    return Table(
        name="table2",
        caption=f"Training epochs, and epochs until the distance of samples is near its final value. "
        f"{wording.budget(grid.preset)}",
        notes=merge_notes(
            (
                Note(
                    "Columns",
                    EPOCHS_TEXT + REACHED_TEXT.format(metric=grid.metric),
                    REACHED_TEXT.format(metric=grid.metric),
                ),
                *wording.budget_notes(grid),
                *statistics_notes(convergences, 1),
                *([PAPER_EPOCHS] if any(cell.paper for cell in cells.values()) else []),
                *_curve_notes(convergences, converged_at_first_point, bool(curves), grid),
                *lost_run_notes(convergences, count_measured_runs(convergences), grid),
                *paper_footnotes(paper, cells, grid),
            )
        ),
        rows=MappingProxyType(rows),
        columns=grid.datasets,
        cells=MappingProxyType(cells),
        metric="epochs",
        preset=grid.preset,
        decimals=0 if grid.decimals is None else grid.decimals,
    )


def _curve_notes(
    convergences: list[MetricCell], converged_at_first_point: bool, has_curves: bool, grid: Grid
) -> Iterator[Note]:
    """Notes on the learning curves that the epochs until convergence come from."""
    ids = [cell.id_columns for cell in convergences]
    if protocols := {str(own["dataset"]): own["protocol_id"] for own in ids if own["protocol_id"]}:
        listed = "; ".join(f"{grid.datasets[dataset]}: {protocol_id}" for dataset, protocol_id in protocols.items())
        yield Note("Metric protocol", f"{listed} (of learning curves, with fewer images than Table 1's).", "")
    if converged_at_first_point:
        yield Note(
            "Statistics",
            "A curve begins at its first measured epoch; a model may have been near its final value before.",
        )
    if not has_curves:
        yield Note("Missing", "No run has a learning curve: --eval-every E measures one.")


def convergence_epoch(epochs: list[int], distances: list[float]) -> int:
    """The first epoch whose distance is at most `CONVERGENCE_TOLERANCE` above the last one's.

    Args:
        epochs: epochs trained at each point, counted over all stages.
        distances: at each point; lower is better.
    """
    threshold = distances[-1] + CONVERGENCE_TOLERANCE * abs(distances[-1])
    return next(epoch for epoch, distance in zip(epochs, distances, strict=True) if distance <= threshold)


@dataclass(frozen=True)
class _LearningCurve:
    """Distances during training: after how many epochs of all stages, and by which metric protocol."""

    epochs: list[int]
    distances: list[float]
    protocol_id: str | None


def _learning_curves(evaluations: DataFrame, epochs: DataFrame, grid: Grid) -> dict[str, _LearningCurve]:
    """Run key -> its learning curve, for finished runs with a distance after their last epoch."""
    finished = {*evaluations.loc[evaluations["status"] == "done", "key"]}
    if grid.metric not in epochs:
        return {}
    keys = {key for some in grid.keys.values() for key in some} & finished
    columns = [name for name in ("key", "protocol_id", grid.metric) if name in epochs]
    rows = epochs.loc[epochs["key"].isin(keys), columns]
    rows = rows.assign(number=rows.groupby("key", sort=False, observed=True).cumcount() + 1)
    last = rows[~rows["key"].duplicated(keep="last")]
    measured = rows[rows[grid.metric].notna() & rows["key"].isin(last.loc[last[grid.metric].notna(), "key"])]
    first = rows[~rows["key"].duplicated()].set_index("key")
    protocol_ids = first["protocol_id"].to_dict() if "protocol_id" in rows else {}
    curves: dict[str, _LearningCurve] = {}
    for key, number, distance in zip(measured["key"], measured["number"], measured[grid.metric], strict=True):
        curve = curves.setdefault(str(key), _LearningCurve([], [], protocol_ids.get(key)))
        curve.epochs.append(int(number))
        curve.distances.append(float(distance))
    return _of_commonest_protocol(curves, grid)


def _of_commonest_protocol(curves: Mapping[str, _LearningCurve], grid: Grid) -> dict[str, _LearningCurve]:
    """For each data set, the curves of its commonest metric protocol: those of others have another scale."""
    chosen: dict[str, _LearningCurve] = {}
    for dataset in grid.datasets:
        keys = [key for (_, other), some in grid.keys.items() if other == dataset for key in some]
        own = {key: curves[key] for key in keys if key in curves}
        counts = Counter(curve.protocol_id for curve in own.values())
        commonest = min(counts, key=lambda protocol_id: (-counts[protocol_id], str(protocol_id)), default=None)
        chosen |= {key: curve for key, curve in own.items() if curve.protocol_id == commonest}
    return chosen
