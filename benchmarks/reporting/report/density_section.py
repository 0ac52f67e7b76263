"""The densities that were fitted to the latents of a preset's runs: a table and a picture per data set, and claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pandas import DataFrame

from benchmarks.analysis.claims import ClaimVerdict
from benchmarks.analysis.claims.our_claims import NOT_FITTED, OurClaim
from benchmarks.analysis.density_fits import (
    BestDensity,
    DatasetFits,
    best_densities,
    judge_our_claims,
    select_fits,
)
from benchmarks.analysis.evidence import Evidence, model_label
from benchmarks.analysis.statistics import SIGNIFICANCE_LEVEL
from benchmarks.analysis.verdicts import MIN_RUNS
from benchmarks.execution.requirements import Grid
from benchmarks.reporting.figures.densities import NAME, write_density_figure
from benchmarks.reporting.formats.markdown import unescape_markdown
from benchmarks.reporting.report.dataset_section import data_uri
from benchmarks.reporting.report.number_format import dataset_label, format_fixed
from benchmarks.reporting.tables.densities import CLAIM_LABEL, COLUMNS, DISTANCE, DensityGrid, densities_table
from benchmarks.reporting.tables.table import Table

DECIMALS = COLUMNS[DISTANCE][1]  # as in the table


@dataclass(frozen=True)
class DatasetDensities:
    """What the report shows of the densities on one data set at one preset.

    Attributes:
        label: of the data set.
        best: one sentence per auto-encoder: which density is best, and whether its own one is behind it.
        table: as the command `densities` writes it, without the note on the claims, which the section shows.
        picture: distance against the NLL of held-out latents, as a data URI.
        caption: of the picture.
        files: of the picture; the PNG comes first.
        n_fits: number of fits that count.
        n_left_out: number of fits that do not.
    """

    label: str
    best: list[str]
    table: Table
    picture: str
    caption: str
    files: list[Path]
    n_fits: int
    n_left_out: int


@dataclass(frozen=True)
class DensitySection:
    """What the report shows of the densities at one preset.

    Attributes:
        datasets: the data sets that have fits.
        claims: the claims of ours and their verdicts, by the names that `our_claim_name` gives.
    """

    datasets: list[DatasetDensities]
    claims: dict[str, tuple[OurClaim, ClaimVerdict]]


def our_claim_name(number: int) -> str:
    """The name of a claim of ours, which has no number among the paper's claims."""
    return f"ours-{number}"


def density_section(densities: DataFrame, evidence: Evidence, results: Path, budget: str) -> DensitySection:
    """Judge the claims of ours, build the tables and write the pictures; without fits all are empty.

    Args:
        densities: the frame of `experiments.densities.records.read_densities`.
        evidence: the runs at one preset.
        results: results folder.
        budget: how long models were trained.
    """
    selected = select_fits(densities, evidence)
    labels = {model: model_label(model) for fits in selected for model in fits.models}
    verdicts = judge_our_claims(selected, labels, f"preset {evidence.preset}: {budget}")
    return DensitySection(
        datasets=[_dataset_densities(fits, evidence, results) for fits in selected],
        claims={our_claim_name(number): pair for number, pair in enumerate(verdicts, 1)},
    )


def _dataset_densities(fits: DatasetFits, evidence: Evidence, results: Path) -> DatasetDensities:
    wanted = density_grid(fits, evidence)
    table = densities_table(fits.rows, evidence.evaluations, wanted)
    files = write_density_figure(fits.rows, wanted, results, f"{NAME}-{evidence.preset}-{fits.dataset}")
    return DatasetDensities(
        label=dataset_label(fits.dataset),
        best=[describe_best(best, fits.labels) for best in best_densities(fits)],
        table=replace(table, notes=tuple(note for note in table.notes if note.label != CLAIM_LABEL)),
        picture=data_uri(files[0]),
        caption=unescape_markdown(files[2].read_text(encoding="utf-8").strip()),
        files=files,
        n_fits=fits.rows["key"].nunique(),
        n_left_out=fits.n_left_out,
    )


def density_grid(fits: DatasetFits, evidence: Evidence) -> DensityGrid:
    """The table's rows and fits. Each density that a model has should have a fit to each run with any fit."""
    models, autoencoders = fits.models, {model: fits.autoencoders(model) for model in fits.models}
    found = fits.rows.drop_duplicates("key")
    keys = {
        (str(model), str(density), str(autoencoder)): str(key)
        for model, density, autoencoder, key in found[["model", "density", "autoencoder", "key"]].itertuples(
            index=False
        )
    }
    sample_sets = fits.rows.dropna(subset=["distance"]).groupby("key")["draw"].nunique()
    return DensityGrid(
        grid=Grid(
            models={model: model_label(model) for model in models},
            datasets={fits.dataset: dataset_label(fits.dataset)},
            keys={(model, fits.dataset): tuple(autoencoders[model]) for model in models},
            metric=fits.metric,
            protocol_ids={fits.dataset: fits.protocol_id},
            preset=evidence.preset,
            seeds=tuple(sorted({seed for seeds in autoencoders.values() for seed in seeds.values()})),
            draws=int(sample_sets.min()),
        ),
        labels=fits.labels,
        keys={
            (model, fits.dataset, density): tuple(
                keys.get((model, density, key), f"missing: {density} on {key}") for key in autoencoders[model]
            )
            for model in models
            for density in fits.labels
        },
    )


def describe_best(best: BestDensity, labels: Mapping[str, str]) -> str:
    """Which density is best on the latents of an auto-encoder, and whether the model's own one is behind it."""
    name = model_label(best.model)
    mean, own_mean = (format_fixed(value, DECIMALS) for value in (best.mean, best.own_mean))
    if best.own_mean is None:
        return f"{name}: “{labels[best.density]}” has the lowest distance ({mean}); its own density was not measured."
    if best.density == NOT_FITTED:
        return f"{name}: its own density has the lowest distance ({own_mean})."
    lead = f"{name}: “{labels[best.density]}” has the lowest distance ({mean}), and its own density ({own_mean})"
    if best.effect is None:
        return f"{lead} is not tested against it: {best.n_seeds} of {MIN_RUNS} seeds that are needed have both."
    effect = best.effect
    value, low, high = (format_fixed(number, DECIMALS) for number in (effect.value, effect.low, effect.high))
    is_behind = effect.p < SIGNIFICANCE_LEVEL and effect.value > 0
    return (
        f"{lead} is {'' if is_behind else 'not shown to be '}behind it: the difference is {value} "
        f"(95 %: {low} to {high}), corrected p = {effect.p:.2g}, {best.n_seeds} seeds."
    )
