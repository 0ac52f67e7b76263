"""Several densities on the latents of the same auto-encoders: distance of samples, likelihood, cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from pandas import DataFrame

from benchmarks.analysis.claims.our_claims import NOT_FITTED, OUR_CLAIMS
from benchmarks.execution.requirements import Grid
from benchmarks.reporting import wording
from benchmarks.reporting.tables.aggregation import (
    EvaluationIndex,
    aggregate_runs,
    make_id_columns,
    values_by_run,
    with_decimals,
)
from benchmarks.reporting.tables.cell_notes import statistics_notes, wanted_run_counts
from benchmarks.reporting.tables.metric_cell import MetricCell
from benchmarks.reporting.tables.table import Note, Table, merge_notes

DISTANCE, FLOOR = "distance", "latents"  # a column; the density of the floor's row
CLAIM_LABEL = "Order"  # of the notes on the claims of ours
COLUMNS = {  # column of `read_densities` -> (label, decimals, factor)
    DISTANCE: ("samples", 2, 1.0),
    "held_out_nll": ("held-out NLL", 2, 1.0),
    "train_nll": ("training NLL", 2, 1.0),
    "far_share": ("far, %", 1, 100.0),
    "fit_seconds": ("fit, s", 1, 1.0),
    "n_parameters": ("parameters", 0, 1.0),
}
COLUMNS_NOTE = Note(
    "Columns",
    "“samples” is the distance of decoded draws of the density to the test split. Each density is fitted to the "
    "latents of the training images, and “held-out” are the latents of the test images; if q(z|x) is a distribution, "
    "each latent is one draw from it. NLL is in nats per latent, and comparable on one auto-encoder only. “far” is the "
    "share of draws whose distance to the nearest training latent is above the 99th percentile of that of held-out "
    "latents, so it is about 1 for a match. “decoded training latents” need no density: no density is expected to be "
    "below them. They are as many as there are training images.",
    "NLL in nats per latent; “far”: share of draws farther from the training latents than 99 % of held-out ones.",
)
SCHEDULE_NOTE = Note(
    "Settings of ours",
    "“its own density” was trained with the auto-encoder; nothing is fitted. Flows and the second-stage VAE have the "
    "schedule of two-stage GLF's flow on the data set, at the same preset. “early stopping”, the spline flow and the "
    "autoregressive flow hold out a tenth of the training latents and keep the epoch with the lowest NLL on it, within "
    "20 epochs. Mixtures and kernels select on training latents, too.",
    "",
)


@dataclass(frozen=True)
class DensityGrid:
    """The rows that the table should have.

    Attributes:
        grid: of the auto-encoders' runs.
        labels: density -> label, in the order of the rows.
        keys: (model, data set, density) -> keys of its fits, one per seed.
    """

    grid: Grid
    labels: Mapping[str, str]
    keys: Mapping[tuple[str, str, str], tuple[str, ...]]


def densities_table(densities: DataFrame, evaluations: DataFrame, wanted: DensityGrid) -> Table:
    """The densities of each auto-encoder on each data set, after the row of its decoded training latents.

    Args:
        densities: the frame of `experiments.densities.records.read_densities`.
        evaluations: the first frame of `experiments.records.read`.
        wanted: the rows and fits.
    """
    grid, index = wanted.grid, EvaluationIndex(evaluations, wanted.grid.metric)
    fits = densities[densities["protocol_id"].isin(grid.protocol_ids.values()) | densities["protocol_id"].isna()]
    statuses = dict(zip(fits["key"].tolist(), fits["status"].tolist(), strict=True))
    rows: dict[str, str] = {}
    cells: dict[tuple[str, str], MetricCell] = {}
    for model, model_label in grid.models.items():
        for dataset, dataset_label in grid.datasets.items():
            prefix = model_label if len(grid.datasets) == 1 else f"{dataset_label}, {model_label}"
            row = f"{model}|{dataset}|{FLOOR}"
            rows[row] = f"{prefix}: decoded training latents"
            for column in COLUMNS:
                cells[row, column] = _floor_cell(index, grid, model, dataset, column)
            for density, label in wanted.labels.items():
                row = f"{model}|{dataset}|{density}"
                rows[row] = f"{prefix}: {label}"
                keys = wanted.keys.get((model, dataset, density), ())
                for column in COLUMNS:
                    cells[row, column] = _fit_cell(fits, statuses, grid, (model, dataset, density), keys, column)
            _mark_best(cells, wanted.labels, model, dataset)
    cells = {
        pair: _round_counts_and_seconds(cell, pair[1]) for pair, cell in with_decimals(cells, grid.decimals).items()
    }
    own = [cell for (row, _), cell in cells.items() if not row.endswith(f"|{FLOOR}")]
    measured = sum(status == "done" for key, status in statuses.items() if key in _wanted_keys(wanted))
    notes = (
        COLUMNS_NOTE,
        SCHEDULE_NOTE,
        *wording.measurement_notes(grid),
        *wording.budget_notes(grid),
        *(note for note in statistics_notes(own, grid.draws) if "Bold" not in note.text),
        Note("Statistics", "Bold: the lowest of the densities of its auto-encoder."),
        *_claim_notes(fits, wanted),
        *wording.missing_notes(
            measured,
            len(_wanted_keys(wanted)),
            unit="fits",
            partial=any(0 < cell.runs < cell.runs_wanted for cell in own),
            failed=any(cell.runs_failed for cell in own),
            empty=any(cell.mean is None for cell in cells.values()),
        ),
    )
    return Table(
        name="densities",
        caption=wording.distance_caption(
            grid, wanted_run_counts(own), "decoded draws of several densities on the latents of one auto-encoder"
        ),
        notes=merge_notes(notes),
        rows=MappingProxyType(rows),
        columns=MappingProxyType({name: label for name, (label, _, _) in COLUMNS.items()}),
        cells=MappingProxyType(cells),
        metric=grid.metric,
        preset=grid.preset,
        row_header="Auto-encoder: density",
    )


def _claim_notes(fits: DataFrame, wanted: DensityGrid) -> Iterator[Note]:
    """The claims of ours, and their verdicts on each data set."""
    for claim in OUR_CLAIMS:
        for dataset, label in wanted.grid.datasets.items():
            counted = fits["key"].isin(_wanted_keys(wanted)) & (fits["dataset"] == dataset)
            verdict = claim.verdict(fits[counted], wanted.grid.models, dataset)
            where = f" on {label}" if len(wanted.grid.datasets) > 1 else ""
            lead = f"Claim ({claim.source}): {claim.statement[0].lower()}{claim.statement[1:]}."
            numbers = "; ".join(finding.text or finding.reason for finding in verdict.findings)
            text = f"{lead} {verdict.answer.capitalize()}{where}. {numbers}."
            yield Note(CLAIM_LABEL, f"{text} Supported where: {claim.rule}.", text)


def _wanted_keys(wanted: DensityGrid) -> set[str]:
    return {key for keys in wanted.keys.values() for key in keys}


def _fit_cell(
    fits: DataFrame,
    statuses: Mapping[str, str],
    grid: Grid,
    names: tuple[str, str, str],
    keys: tuple[str, ...],
    column: str,
) -> MetricCell:
    """A cell of a density: mean and spread over the fits of several seeds."""
    model, dataset, density = names
    _, decimals, factor = COLUMNS[column]
    own = fits[fits["key"].isin(keys) & (fits["status"] == "done")]
    if column == "fit_seconds":
        own = own[own["density"] != NOT_FITTED]  # nothing was fitted
    sample_sets = grid.draws if column == DISTANCE else 1
    if column == DISTANCE:
        own = own[(own["protocol_id"] == grid.protocol_ids.get(dataset)) & own["draw"].between(0, sample_sets - 1)]
    else:
        own = own.drop_duplicates("key").dropna(subset=[column])
    values = values_by_run(own, keys, column, sample_sets)
    scaled = {key: [factor * value for value in some] for key, some in values.items()}
    id_columns = {
        **make_id_columns(model, dataset, column, grid.protocol_ids.get(dataset)),
        "density": density,
    }
    return replace(aggregate_runs(statuses, keys, scaled), id_columns=id_columns, decimals=decimals)


def _floor_cell(index: EvaluationIndex, grid: Grid, model: str, dataset: str, column: str) -> MetricCell:
    """A cell of the decoded training latents, from the runs' records: only the distance is known."""
    protocol_id, keys = grid.protocol_ids.get(dataset), grid.keys.get((model, dataset), ())
    values: dict[str, list[float]] = {}
    if column == DISTANCE:
        values = values_by_run(index.select(keys, "posterior", protocol_id, 1), keys, grid.metric, 1)
    id_columns = {**make_id_columns(model, dataset, column, protocol_id), "density": FLOOR}
    cell = aggregate_runs(index.statuses, keys if column == DISTANCE else (), values)
    return replace(cell, id_columns=id_columns, decimals=COLUMNS[column][1])


def _round_counts_and_seconds(cell: MetricCell, column: str) -> MetricCell:
    """The cell of a count: whole numbers, and no spread if all seeds have the same count. Seconds have one decimal."""
    if column == "n_parameters":
        return replace(cell, decimals=0, std=cell.std or None)
    return replace(cell, decimals=COLUMNS[column][1]) if column == "fit_seconds" else cell


def _mark_best(cells: dict[tuple[str, str], MetricCell], labels: Mapping[str, str], model: str, dataset: str) -> None:
    """Mark the lowest distance and held-out NLL of the densities of one auto-encoder."""
    for column in (DISTANCE, "held_out_nll"):
        pairs = [(f"{model}|{dataset}|{density}", column) for density in labels]
        means = {pair: mean for pair in pairs if (mean := cells[pair].mean) is not None}
        if len(means) > 1:
            best = min(means, key=means.__getitem__)
            cells[best] = replace(cells[best], is_best=True)
