"""How much a distance depends on the metric protocol: the same images scored under several of them."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean
from types import MappingProxyType

from pandas import DataFrame

from benchmarks.execution.requirements import Grid
from benchmarks.paper import Pair
from benchmarks.reporting.tables.aggregation import (
    EvaluationIndex,
    aggregate_runs,
    make_id_columns,
    values_by_run,
    with_decimals,
)
from benchmarks.reporting.tables.captions import count_ended_runs, distance_caption
from benchmarks.reporting.tables.metric_cell import MetricCell
from benchmarks.reporting.tables.table import MISSING, Table


def sensitivity_table(evaluations: DataFrame, grid: Grid) -> Table:
    """The same samples scored under each metric protocol that people use (the table behind Appendix B.4).

    Arguments as for `quality.table1`; the grid's `variants` name the protocols.
    """
    columns: dict[str, tuple[str | None, str]] = {}  # column -> (model, data set); no model: training images
    labels: dict[str, str] = {}
    for dataset, name in grid.datasets.items():
        suffix = f", {name}" if len(grid.datasets) > 1 else ""
        for model, label in grid.models.items():
            columns[f"{model} on {dataset}"], labels[f"{model} on {dataset}"] = (model, dataset), label + suffix
        columns[f"floor of {dataset}"] = (None, dataset)
        labels[f"floor of {dataset}"] = "training images" + suffix
    index = EvaluationIndex(evaluations, grid.metric)
    cells: dict[Pair, MetricCell] = {}
    for column, (column_model, dataset) in columns.items():
        for variant, cell in _column_cells(index, grid, column_model, dataset).items():
            cells[variant, column] = cell
    cells = with_decimals(cells, grid.decimals)
    notes = (
        "In brackets: against the first row.",
        f"{MISSING}: the data set or the extractor cannot have it, or the images would be compared with themselves.",
        "Training images are scored as if they were samples; stretched: each image to [0, 1] by its own minimum and "
        "maximum, as in the code of Two-Stage VAE; JPEG: by Pillow, in memory.",
        *(f"Metric protocols on {grid.datasets[d]}: " + ", ".join(
            f"{label}: {grid.variants[d, v]}" for v, label in grid.variant_labels.items() if (d, v) in grid.variants
        ) + "." for d in grid.datasets),
    )  # fmt: skip
    ended_runs = count_ended_runs(evaluations, grid)
    lead = "The same images scored under several metric protocols. "
    return Table(
        name="sensitivity",
        caption=distance_caption(cells, ended_runs, grid, lead=lead),
        notes=(*notes, *grid.protocols, *grid.notes),
        rows=grid.variant_labels,
        columns=MappingProxyType(labels),
        cells=MappingProxyType(cells),
        metric=grid.metric,
        preset=grid.preset,
        row_header="Protocol",
    )


def _column_cells(index: EvaluationIndex, grid: Grid, model: str | None, dataset: str) -> dict[str, MetricCell]:
    """Variant -> cell, for the samples of one model on a data set, or for its training images if `model` is None."""
    source = "prior" if model else "floor"
    # Every run on a data set has the floor in its record: any one will do.
    keys = tuple(key for (m, d), some in grid.keys.items() if d == dataset and model in (m, None) for key in some)
    sample_sets = grid.draws if source == "prior" else 1
    base: dict[str, list[float]] = {}
    cells = {}
    for variant in grid.variant_labels:
        protocol_id = grid.variants.get((dataset, variant))
        rows = index.select(keys, source, protocol_id, sample_sets)
        values = values_by_run(rows, keys, grid.metric, sample_sets)
        if model is None:
            values = dict(zip(("any",), values.values(), strict=False))
        base = values if variant == "base" else base
        shifts = [fmean(values[k]) / fmean(base[k]) - 1 for k in values if fmean(base.get(k, [0.0])) > 0]
        cells[variant] = replace(
            aggregate_runs(index.statuses, keys if model else (), values),
            id_columns={**make_id_columns(model, dataset, source, protocol_id), "variant": variant},
            note=f" ({_format_percent(fmean(shifts))})" if shifts and values is not base else "",
            decimals=None if model else 2,
        )
    return cells


def _format_percent(share: float) -> str:
    """+5 %, −3 %, or 0 % for less than half a percent."""
    percent = round(100 * share)
    return f"{percent:+d} %".replace("-", "−") if percent else "0 %"
