"""How much a distance depends on the metric protocol: the same images scored under several of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from statistics import fmean
from types import MappingProxyType

from pandas import DataFrame

from benchmarks.execution.requirements import Grid
from benchmarks.paper import Pair
from benchmarks.reporting import wording
from benchmarks.reporting.tables.aggregation import (
    EvaluationIndex,
    aggregate_runs,
    make_id_columns,
    values_by_run,
    with_decimals,
)
from benchmarks.reporting.tables.cell_notes import (
    count_ended_runs,
    lost_run_notes,
    statistics_notes,
    wanted_run_counts,
)
from benchmarks.reporting.tables.metric_cell import MetricCell
from benchmarks.reporting.tables.table import MISSING, Note, Table, merge_notes

SENSITIVITY_NOTE = Note(
    "Columns",
    "In parentheses: change against the first row. Training images are scored as if they were samples. Stretched: each "
    "image to [0, 1] by its own minimum and maximum, as Two-Stage VAE's code does. JPEG: by Pillow, in memory.",
    "In parentheses: change against the first row.",
)
UNAVAILABLE_NOTE = Note(
    "Missing",
    f"{MISSING}: the data set or the features do not have this protocol, or it would compare images with themselves.",
)


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
    run_counts = wanted_run_counts(cells.values())
    notes = (
        SENSITIVITY_NOTE,
        UNAVAILABLE_NOTE,
        *_protocol_notes(grid),
        *wording.budget_notes(grid),
        *statistics_notes(cells.values(), grid.draws),
        *lost_run_notes(
            (cell for cell in cells.values() if cell.mean is not None), count_ended_runs(evaluations, grid), grid
        ),
    )
    return Table(
        name="sensitivity",
        caption=wording.distance_caption(grid, run_counts, "the same images under several metric protocols"),
        notes=merge_notes(notes),
        rows=grid.variant_labels,
        columns=MappingProxyType(labels),
        cells=MappingProxyType(cells),
        metric=grid.metric,
        preset=grid.preset,
        row_header="Protocol",
    )


def _protocol_notes(grid: Grid) -> Iterator[Note]:
    """The metric protocol of each row, and the images and features of the first one."""
    yield from (note for note in wording.measurement_notes(grid) if note.label != "Metric protocol")
    for dataset, label in grid.datasets.items():
        ids = {
            name: grid.variants[dataset, v] for v, name in grid.variant_labels.items() if (dataset, v) in grid.variants
        }
        listed = " ".join(f"{protocol_id} ({name})." for name, protocol_id in ids.items())
        yield Note("Metric protocol", f"{label}: {listed}", "")


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
