"""Where quality is lost: the costs of Section 2's two criteria, and how latents fit the density that is sampled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from statistics import fmean, median
from types import MappingProxyType

from pandas import DataFrame

from benchmarks.analysis.statistics import find_outliers
from benchmarks.execution.requirements import Grid
from benchmarks.paper import Pair
from benchmarks.reporting import wording
from benchmarks.reporting.tables.aggregation import (
    EvaluationIndex,
    aggregate_runs,
    make_id_columns,
    run_statuses,
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
from benchmarks.reporting.tables.table import Note, Table, merge_notes

CRITERIA_COLUMNS = {  # source, or criterion -> (label, decimals)
    "floor": ("training images", 2),
    "reconstruction": ("reconstructions", 1),
    "posterior": ("decoded posterior", 1),
    "prior": ("samples", 1),
    "a": ("(a) decoder", 1),
    "b": ("(b) density", 1),
}
LATENT_COLUMNS = {  # diagnostic of a record -> (label, decimals)
    "recon_sse": ("squared error", 1),
    "latent_std": ("std of latents", 2),
    "prior_mean": ("mean", 2),
    "prior_cov": ("covariance", 2),
    "latent_nll": ("NLL", 1),
}

CRITERIA_NOTE = Note(
    "Columns",
    "Distances of four kinds of images to the test split. No model is expected to be below the training images. "
    "Reconstructions are of the test images. “decoded posterior” is training images, encoded (drawn from q(z|x) if it "
    "is a distribution) and decoded. Section 2 has two criteria. (a) The decoder is good for encoded images: decoded "
    "posterior − training images. (b) The density matches the encoded images: samples − decoded posterior.",
    "(a) = decoded posterior − training images; (b) = samples − decoded posterior (Section 2).",
)
LATENTS_NOTE = Note(
    "Columns",
    "“squared error” is that of reconstructed test images, summed over pixels. “std of latents” is over images, "
    "averaged over dimensions. “mean” and “covariance” compare the latents with the density, after whitening by its "
    "moments: the norm of the mean, and the relative Frobenius distance of the covariance from the identity (0 is a "
    "match). “NLL” is that of the latents under the density, in nats; its zero depends on their scale.",
    "Mean and covariance are whitened by the density's moments (0 is a match); NLL in nats.",
)


def criteria_table(evaluations: DataFrame, grid: Grid) -> Table:
    """What Section 2's two criteria cost for each model on each data set: a poor decoder, or a poor density?

    Arguments as for `quality.table1`.
    """
    pairs, rows = _model_dataset_rows(grid)
    index = EvaluationIndex(evaluations, grid.metric)
    cells = {}
    for row, (model, dataset) in pairs.items():
        keys, protocol_id = grid.keys.get((model, dataset), ()), grid.protocol_ids.get(dataset)
        values: dict[str, dict[str, list[float]]] = {}
        for source in ("floor", "reconstruction", "posterior", "prior"):
            sample_sets = grid.draws if source == "prior" else 1
            selected = index.select(keys, source, protocol_id, sample_sets)
            values[source] = values_by_run(selected, keys, grid.metric, sample_sets)
        values["a"] = _subtract_by_run(values["posterior"], values["floor"])
        values["b"] = _subtract_by_run(values["prior"], values["posterior"])
        for column, (_, decimals) in CRITERIA_COLUMNS.items():
            id_columns = make_id_columns(model, dataset, column, protocol_id)
            cell = aggregate_runs(index.statuses, keys, values[column])
            cells[row, column] = replace(cell, id_columns=id_columns, decimals=decimals)
    cells = with_decimals(cells, grid.decimals)
    few_images = _datasets_with_few_images(evaluations, grid)
    notes = (
        CRITERIA_NOTE,
        *wording.measurement_notes(grid),
        *(Note("Data", f"{grid.datasets[d]} has only {n:,} images to decode. So (b) is biased downwards, and (a) in "
               "either direction.") for d, n in few_images.items()),
        *wording.budget_notes(grid),
        *statistics_notes(cells.values(), grid.draws),
        *lost_run_notes(cells.values(), count_ended_runs(evaluations, grid), grid),
    )  # fmt: skip
    return Table(
        name="criteria",
        caption=wording.distance_caption(
            grid, wanted_run_counts(cells.values()), "samples, split into decoder (a) and density (b)"
        ),
        notes=merge_notes(notes),
        rows=MappingProxyType(rows),
        columns=MappingProxyType({name: label for name, (label, _) in CRITERIA_COLUMNS.items()}),
        cells=MappingProxyType(cells),
        metric=grid.metric,
        preset=grid.preset,
    )


def latents_table(evaluations: DataFrame, grid: Grid) -> Table:
    """How the latents of test images fit the density that models sample from, and how well they are decoded.

    Arguments as for `quality.table1`.
    """
    pairs, rows = _model_dataset_rows(grid)
    statuses = run_statuses(evaluations)
    finished = evaluations[evaluations["status"] == "done"].drop_duplicates("key")
    cells = {}
    for row, (model, dataset) in pairs.items():
        keys = grid.keys.get((model, dataset), ())
        own = finished[finished["key"].isin(keys)]
        for name, (_, decimals) in LATENT_COLUMNS.items():
            known = own.dropna(subset=[name]) if name in own else own.iloc[:0]
            values = {key: [float(v)] for key, v in zip(known["key"], known.get(name, ()), strict=True)}
            cells[row, name] = replace(
                aggregate_runs(statuses, keys, values),
                id_columns=make_id_columns(model, dataset, name, None),
                decimals=decimals,
            )
    cells = with_decimals(cells, grid.decimals)
    ended_runs, run_counts = count_ended_runs(evaluations, grid), wanted_run_counts(cells.values())
    notes = (
        LATENTS_NOTE,
        *wording.budget_notes(grid),
        *statistics_notes(cells.values(), 1),
        *_outlier_notes(cells, rows),
        *lost_run_notes(cells.values(), ended_runs, grid),
    )
    return Table(
        name="latents",
        caption="Latents of test images, and how they match the density that samples are drawn from: "
        f"{wording.describe_statistic(run_counts, 1)}. {wording.budget(grid.preset)}",
        notes=merge_notes(notes),
        rows=MappingProxyType(rows),
        columns=MappingProxyType({name: label for name, (label, _) in LATENT_COLUMNS.items()}),
        cells=MappingProxyType(cells),
        metric="diagnostics",
        preset=grid.preset,
    )


def _outlier_notes(cells: Mapping[tuple[str, str], MetricCell], rows: Mapping[str, str]) -> Iterator[Note]:
    """Notes on cells whose mean is dominated by one or two runs far off the others."""
    for (row, name), cell in cells.items():
        if outliers := find_outliers(cell.run_means):
            label, decimals = LATENT_COLUMNS[name]
            middle = f"{median(cell.run_means.values()):.{decimals}f}"
            yield wording.outlier_note(rows[row], label, [*outliers.values()], len(cell.run_means), middle)


def _model_dataset_rows(grid: Grid) -> tuple[dict[str, Pair], dict[str, str]]:
    """One row for each model on each data set: row -> (model, data set), row -> label."""
    pairs = {f"{model} on {dataset}": (model, dataset) for dataset in grid.datasets for model in grid.models}
    has_several = len(grid.datasets) > 1
    return pairs, {r: grid.models[m] + (f", {grid.datasets[d]}" if has_several else "") for r, (m, d) in pairs.items()}


def _subtract_by_run(a: Mapping[str, list[float]], b: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """Run key -> mean of a over sample sets, minus that of b; for runs that have both."""
    return {key: [fmean(a[key]) - fmean(b[key])] for key in a if key in b}


def _datasets_with_few_images(evaluations: DataFrame, grid: Grid) -> dict[str, int]:
    """Data sets with fewer images to decode than there are samples -> how many they have."""
    counts = {}
    for dataset, protocol_id in grid.protocol_ids.items():
        is_own = (evaluations["protocol_id"] == protocol_id) & (evaluations["source"] == "posterior")
        own = evaluations[is_own].dropna(subset=["n"])
        if len(own) and (own["n"] < own["n_fake"]).any():
            counts[dataset] = int(own["n"].min())
    return counts
