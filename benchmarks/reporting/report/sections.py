"""What the report shows of one preset, as plain values.  The template only lays them out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pandas import DataFrame

from benchmarks.analysis import claims
from benchmarks.analysis.claims import Claim, ClaimVerdict
from benchmarks.analysis.evidence import Evidence, model_label
from benchmarks.analysis.paper_setting import matches_paper
from benchmarks.evaluation.protocol import VARIANTS
from benchmarks.execution.requirements import Grid
from benchmarks.experiments import records
from benchmarks.experiments.densities.records import read_densities
from benchmarks.reporting import speed_records
from benchmarks.reporting.figures.writer import read_caption, write_figure
from benchmarks.reporting.registry import FIGURES, TABLES
from benchmarks.reporting.report.claim_summary import ClaimSummary, summarize_claim
from benchmarks.reporting.report.dataset_section import (
    DatasetSection,
    data_uri,
    dataset_section,
    models_with_runs,
)
from benchmarks.reporting.report.density_section import DensitySection, density_section
from benchmarks.reporting.report.number_format import dataset_label
from benchmarks.reporting.report.provenance import (
    FirstRecords,
    budget_description,
    provenance_rows,
    recorded_stages,
    runs_per_model,
    section_title,
    setting_difference,
)
from benchmarks.reporting.report.rerun import count_commits, display_path
from benchmarks.reporting.tables import build_table
from benchmarks.reporting.tables.table import MISSING, Note, Table

OTHER_TABLES = ("table2", "table4", "criteria", "latents", "table6", "table5", "sensitivity")  # besides Table 1
# Tables that do not have all models -> their models
MODELS_OF_TABLE: dict[str, Callable[[Evidence], Container[str]]] = {
    "table2": lambda evidence: TABLES["table2"].requirements.models or (),
    "table5": lambda evidence: TABLES["table5"].requirements.models or (),
    "sensitivity": lambda evidence: evidence.distances.models_with_variants,
}
# The page prints two different NLLs. Number of a claim or name of a table -> which NLL it prints
NLL_NOTES: dict[int | str, str] = {
    11: "This NLL is of the latents of training images, in the last epoch, as in the curves. The table of latents has "
        "that of test images, after training.",
    "latents": "This NLL is of the latents of test images, after training. The curves and claim 11 have that of "
               "training images, in each epoch.",
}  # fmt: skip


@dataclass(frozen=True)
class PresetSection:
    """What the report shows of one preset.

    Attributes:
        title: data sets, and whether the budget is the paper's.
        runs_per_model: number of runs of each model, as text.
        difference: what differs from the paper, as text.
        provenance: data, runs, schedules, metric and budget, as names and values.
        budget: how long models were trained.
        has_paper_setting: whether any data set has the paper's budget and images.
        n_runs: number of runs.
        statuses: number of runs by status, as text.
        commits: number of runs by commit.
        claims: the claims and their verdicts.
        answer_counts: number of claims by answer.
        datasets: a section per data set.
        tables: tables besides Table 1.
        figures: name, image as a data URI, caption and notes.
        figure_files: the files of the figures.
        densities: the densities that were fitted to the latents of the runs.
    """

    preset: str
    title: str
    runs_per_model: str
    difference: str
    provenance: list[tuple[str, str]]
    budget: str
    has_paper_setting: bool
    n_runs: int
    statuses: str
    commits: Counter[str]
    claims: list[tuple[Claim, ClaimVerdict]]
    answer_counts: list[tuple[str, int]]
    datasets: list[DatasetSection]
    tables: list[Table]
    figures: list[tuple[str, str, str, list[Note]]]
    figure_files: list[Path]
    densities: DensitySection

    @property
    def link_title(self) -> str:
        """A short title for lists of links."""
        return f"{', '.join(section.label for section in self.datasets)}, {self.preset}"

    @property
    def claim_summaries(self) -> list[ClaimSummary]:
        """A line for each claim."""
        return [summarize_claim(claim, verdict) for claim, verdict in self.claims]


def preset_section(evidence: Evidence, results: Path, densities: DataFrame | None = None) -> PresetSection:
    """Judge the claims, build the tables and write the figures of one preset.

    Args:
        evidence: the runs at one preset.
        results: results folder.
        densities: the frame of `experiments.densities.records.read_densities`; None: read from the folder.
    """
    results_name = display_path(results)
    verdicts = claims.judge_claims(evidence, results_name)
    answers = [verdict.answer for _, verdict in verdicts]
    statuses = evidence.runs["status"].value_counts()
    frames = {
        "evaluations": evidence.evaluations,
        "epochs": evidence.epochs,
        "speed": speed_records.read_epoch_seconds(results / "speed"),
    }
    first_records = {pair: records.find(results, keys[0]) or {} for pair, keys in evidence.cells.items()}
    table1 = {
        dataset: build_table("table1", frames, table_grid(evidence, [dataset], first_records))
        for dataset in evidence.distances.protocols
    }
    figures = list(write_figures(evidence, results))
    budget = budget_description(evidence)
    density_frame = read_densities(results) if densities is None else densities
    fitted = density_section(density_frame, evidence, results, budget)
    return PresetSection(
        preset=evidence.preset,
        title=section_title(evidence, first_records),
        runs_per_model=runs_per_model(evidence),
        difference=setting_difference(evidence, first_records),
        provenance=provenance_rows(evidence, first_records),
        budget=budget,
        has_paper_setting=any(matches_paper(evidence, dataset) for dataset in evidence.datasets),
        n_runs=len(evidence.runs),
        statuses=", ".join(f"{n} {status}" for status, n in statuses.items()),
        commits=count_commits(evidence),
        claims=verdicts,
        answer_counts=[(answer, answers.count(answer)) for answer in claims.ANSWERS],
        datasets=[
            dataset_section(evidence, dataset, table1.get(dataset), first_records, results, results_name)
            for dataset in evidence.datasets
        ],
        tables=other_tables(evidence, frames, first_records),
        figures=[(name, data_uri(image), *read_caption(caption)) for name, (image, _, caption, *_) in figures],
        figure_files=[
            *(path for _, paths in figures for path in paths),
            *(path for part in fitted.datasets for path in part.files),
        ],
        densities=fitted,
    )


def other_tables(evidence: Evidence, frames: Mapping[str, DataFrame], first_records: FirstRecords) -> list[Table]:
    """The tables besides Table 1 that have any number, for each metric."""
    protocols = evidence.distances.protocols
    tables = []
    for metric in sorted({metric for metric, _ in protocols.values()}):
        datasets = [dataset for dataset, (name, _) in protocols.items() if name == metric]
        grid = table_grid(evidence, datasets, first_records)
        for name in OTHER_TABLES:
            if TABLES[name].is_informative(grid):
                models = MODELS_OF_TABLE[name](evidence) if name in MODELS_OF_TABLE else grid.models
                tables.append(build_table(name, frames, restrict_models(grid, models)))
    return [table for table in tables if any(cell.render(1)[""].value != MISSING for cell in table.cells.values())]


def restrict_models(grid: Grid, models: Container[str]) -> Grid:
    """The same grid with rows for some models only."""
    return replace(
        grid,
        models={model: label for model, label in grid.models.items() if model in models},
        keys={pair: keys for pair, keys in grid.keys.items() if pair[0] in models},
    )


def table_grid(evidence: Evidence, datasets: list[str], first_records: FirstRecords) -> Grid:
    """The grid of a table over the runs that there are; all data sets have the same metric."""
    models = models_with_runs(evidence, datasets)
    distances = evidence.distances
    variants = {(d, v): protocol_id for d in datasets for v, protocol_id in distances.variants(d).items()}
    return Grid(
        models={model: model_label(model) for model in models},
        datasets={dataset: dataset_label(dataset) for dataset in datasets},
        keys={(model, dataset): evidence.keys(model, dataset) for model in models for dataset in datasets},
        metric=distances.protocols[datasets[0]][0],
        protocol_ids={dataset: distances.protocols[dataset][1] for dataset in datasets},
        preset=evidence.preset,
        variants=variants,
        variant_labels={v: variant.label for v, variant in VARIANTS.items() if any(v == name for _, name in variants)},
        draws=min(distances.n_sample_sets(dataset) for dataset in datasets),
        stages={
            pair: {name: stage["epochs"] for name, stage in recorded_stages(record).items() if stage.get("epochs")}
            for pair, record in first_records.items()
            if pair[1] in datasets
        },
    )


def write_figures(evidence: Evidence, results: Path) -> Iterator[tuple[str, list[Path]]]:
    """Write the paper's figures that have runs; yields each one's title and files, the image first."""
    for name, spec in FIGURES.items():
        datasets = [d for d in evidence.datasets if any(evidence.keys(m, d) for m in spec.available_models)]
        if spec.panels:  # GLF alone is no sweep
            datasets = [d for d in datasets if sum(bool(evidence.keys(m, d)) for m in spec.available_models) > 2]
        models = [m for m in spec.available_models if any(evidence.keys(m, d) for d in datasets)]
        if not models or (len(spec.models) > 1 and len(models) < 2):  # nothing to compare
            continue
        labels = {m: model_label(m) for m in models}, {d: dataset_label(d) for d in datasets}
        paths = write_figure(name, evidence, *labels, results, stem=f"{name}-{evidence.preset}")
        yield f"Figure {name.removeprefix('figure')}", paths
