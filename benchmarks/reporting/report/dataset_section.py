"""One data set in the report: its column of Table 1, sample grids, learning curves, and how it was measured."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

import zoo
from benchmarks.analysis.evidence import Evidence, model_label
from benchmarks.experiments import records
from benchmarks.presets import PRESETS
from benchmarks.reporting.figures.image_panels import SAMPLES, find_image
from benchmarks.reporting.report.curve_charts import training_charts
from benchmarks.reporting.report.dot_strip import Scale, scale_axis
from benchmarks.reporting.report.model_row import ModelRow, model_row, table_cell
from benchmarks.reporting.report.number_format import dataset_label
from benchmarks.reporting.report.provenance import FirstRecords, measurement_details
from benchmarks.reporting.tables.table import Note, Table


@dataclass(frozen=True)
class DatasetSection:
    """What the report shows of one data set at one preset.

    Attributes:
        protocol_id: the metric protocol under which its models are compared; "" without distances.
        extractor: of features; "" if no record names it.
        sample_sets: of each run.
        details: how the distances were measured, as names and values.
        notes: of its Table 1.
        axis: ticks above the dots of all rows.
        samples: label of a model, and its grid of samples as a data URI.
        charts: learning curves of the models of the preset's Table 1.
        other_charts: learning curves of the other models.
    """

    dataset: str
    label: str
    metric: str
    protocol_id: str
    extractor: str
    sample_sets: int
    details: list[tuple[str, str]]
    notes: tuple[Note, ...]
    rows: list[ModelRow]
    axis: Markup
    samples: list[tuple[str, str]]
    charts: list[Markup]
    other_charts: list[Markup]


def dataset_section(
    evidence: Evidence,
    dataset: str,
    table: Table | None,
    first_records: FirstRecords,
    results: Path,
    results_name: str,
) -> DatasetSection:
    """The section of one data set.

    Args:
        evidence: the records at one preset.
        dataset: its name.
        table: its Table 1; None without distances.
        first_records: the record of the first run of each cell.
        results: results folder.
        results_name: how commands name it.
    """
    metric, protocol_id = evidence.distances.protocols.get(dataset, ("", ""))
    models = models_with_runs(evidence, [dataset])
    samples = [evidence.distance(model, dataset) for model in models]
    cells = [cell for model in models if (cell := table_cell(table, model, dataset)) is not None]
    distances = [value for sample in samples for value in sample.values]
    scale = Scale.fit([*distances, *(cell.paper.mean for cell in cells if cell.paper)])
    # A run that was measured under the data set's protocol, if there is one
    measured_key = next((key for sample in samples for key in sample.keys), evidence.keys(models[0], dataset)[0])
    details = measurement_details(evidence, dataset, models, records.find(results, measured_key) or {})
    main_charts, other_charts = training_charts(evidence, models, dataset)
    return DatasetSection(
        dataset=dataset,
        label=dataset_label(dataset),
        metric=metric,
        protocol_id=protocol_id,
        extractor=dict(details).get("extractor", ""),
        sample_sets=evidence.distances.n_sample_sets(dataset) if metric else 0,
        details=details,
        notes=table.notes if table else (),
        rows=sorted(
            (model_row(evidence, model, dataset, table, scale, first_records.get((model, dataset), {}), results,
                       results_name) for model in [*models, *_untrained_models(evidence, dataset, models)]),
            key=lambda row: not row.is_in_preset),  # the preset's models first
        axis=scale_axis(scale),
        samples=[(model_label(model), data_uri(path)) for model in models
                 if (path := find_image(SAMPLES, evidence, model, dataset, results)[0])],
        charts=main_charts,
        other_charts=other_charts,
    )  # fmt: skip


def _untrained_models(evidence: Evidence, dataset: str, models: Sequence[str]) -> list[str]:
    """The preset's models that have no run, if the preset has the data set."""
    preset = PRESETS.get(evidence.preset)
    if preset is None or dataset not in preset.datasets:
        return []
    return [model for model in preset.models if model not in models]


def models_with_runs(evidence: Evidence, datasets: Sequence[str]) -> list[str]:
    """Models with runs on any of some data sets, in the registry's order."""
    models = {model for model, dataset in evidence.cells if dataset in datasets}
    return [model for model in zoo.MODELS if model in models] + sorted(models - zoo.MODELS.keys())


def data_uri(path: Path) -> str:
    """A PNG file as a data URI."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
