"""What the report shows of one preset, as plain values: the template only lays them out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.analysis import claims
from benchmarks.analysis.claims import Claim, Verdict
from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.evidence import label as model_label
from benchmarks.evaluation.scoring import VARIANTS
from benchmarks.execution.grid import Grid
from benchmarks.experiments import records
from benchmarks.reporting import figures, speed_records
from benchmarks.reporting.report.again import commits, named
from benchmarks.reporting.report.boards import Board, board, models_of, stages_of, uri
from benchmarks.reporting.report.facts import Glance, budget, facts, glance, lead, title
from benchmarks.reporting.report.words import label
from benchmarks.reporting.tables import TABLES, Table, build
from benchmarks.reporting.tables.cells import NOTHING

SHOWN = ("table2", "table4", "criteria", "latents", "table6", "table5", "sensitivity")  # tables beside Table 1
# Tables that are not of all models -> of which
OF_FEW: dict[str, Callable[[Evidence], Container[str]]] = {
    "table2": lambda evidence: TABLES["table2"].needs.models or (),
    "table5": lambda evidence: TABLES["table5"].needs.models or (),
    "sensitivity": lambda evidence: evidence.varied,
}
# There are two NLLs on the page: number of a claim or name of a table -> which of them it prints
REMARKS: dict[int | str, str] = {
    11: "This NLL is of training images’ latents, in the last epoch of training, as in the curves; that of the table "
        "“Latents” is of test images’, after training.",
    "latents": "This NLL is of test images’ latents, after training; that of the curves and of claim 11 is of training "
               "images’, in each epoch.",
}  # fmt: skip


@dataclass(frozen=True)
class Section:
    """All of one preset.

    Attributes:
        title: which images, and whose budget.
        lead: trainings of each model, and what is not the paper's.
        facts: data, trainings, schedules, metric and budget, in words.
        figures: name, picture, caption.
        files: of the figures.
    """

    preset: str
    title: str
    lead: str
    facts: list[tuple[str, str]]
    budget: str
    paper: bool
    trainings: int
    commits: Counter[str]
    ended: str
    claims: list[tuple[Claim, Verdict]]
    counts: list[tuple[str, int]]
    boards: list[Board]
    tables: list[Table]
    figures: list[tuple[str, str, str]]
    files: list[Path]

    @property
    def short(self) -> str:
        """A name for lists of links."""
        return f"{', '.join(board.label for board in self.boards)}, {self.preset}"

    @property
    def glances(self) -> list[Glance]:
        """A line for each claim."""
        return [glance(claim, verdict) for claim, verdict in self.claims]


def section(evidence: Evidence, results: Path) -> Section:
    """What there is to say of one preset."""
    judged = claims.judge(evidence, named(results))
    answers = [verdict.answer for _, verdict in judged]
    statuses = evidence.trainings["status"].value_counts()
    metrics = {metric: [d for d, (m, _) in evidence.protocols.items() if m == metric]
               for metric in sorted({m for m, _ in evidence.protocols.values()})}  # fmt: skip
    frames = {"runs": evidence.runs, "epochs": evidence.epochs, "speed": speed_records.read(results / "speed")}
    firsts = {pair: records.find(results, keys[0]) or {} for pair, keys in evidence.cells.items()}
    tables = {d: build("table1", frames, grid(evidence, [d], firsts)) for d in evidence.protocols}
    grids = {metric: grid(evidence, datasets, firsts) for metric, datasets in metrics.items()}
    more = [build(name, frames, only(one, OF_FEW[name](evidence)) if name in OF_FEW else one)
            for one in grids.values() for name in SHOWN if TABLES[name].tells(one)]  # fmt: skip
    made = list(drawn(evidence, results))
    return Section(
        preset=evidence.preset,
        title=title(evidence, firsts),
        lead=lead(evidence, firsts),
        facts=facts(evidence, firsts),
        budget=budget(evidence),
        paper=any(map(evidence.full, evidence.datasets)),
        trainings=len(evidence.trainings),
        commits=commits(evidence),
        ended=", ".join(f"{n} {status}" for status, n in statuses.items()),
        claims=judged,
        counts=[(word, answers.count(word)) for word in (claims.SUPPORTED, claims.CONTRADICTED, claims.UNDECIDED)],
        boards=[board(evidence, dataset, tables, firsts, results, named(results)) for dataset in evidence.datasets],
        tables=[table for table in more if any(cell.shown(1)[""].value != NOTHING for cell in table.cells.values())],
        figures=[(name, uri(png), text.read_text(encoding="utf-8").strip()) for name, (png, _, text, *_) in made],
        files=[path for _, paths in made for path in paths],
    )


def only(grid: Grid, models: Container[str]) -> Grid:
    """The same grid with rows for some models alone."""
    return replace(
        grid,
        models={model: name for model, name in grid.models.items() if model in models},
        keys={pair: keys for pair, keys in grid.keys.items() if pair[0] in models},
    )


def grid(evidence: Evidence, datasets: list[str], firsts: Mapping[tuple[str, str], Mapping[str, Any]]) -> Grid:
    """What a planned table would be given, from the trainings that there are; the data sets have one metric."""
    models = models_of(evidence, datasets)
    variants = {(d, v): identity for d in datasets for v, identity in evidence.variants(d).items()}
    return Grid(
        models={model: model_label(model) for model in models},
        datasets={dataset: label(dataset) for dataset in datasets},
        keys={(model, dataset): evidence.keys(model, dataset) for model in models for dataset in datasets},
        metric=evidence.protocols[datasets[0]][0],
        protocol_ids={dataset: evidence.protocols[dataset][1] for dataset in datasets},
        preset=evidence.preset,
        variants=variants,
        labels={v: variant.label for v, variant in VARIANTS.items() if any(v == name for _, name in variants)},
        draws=min(evidence.draws(dataset) for dataset in datasets),
        stages={
            pair: {name: stage["epochs"] for name, stage in stages_of(record).items() if stage.get("epochs")}
            for pair, record in firsts.items()
            if pair[1] in datasets
        },
    )


def drawn(evidence: Evidence, results: Path) -> Iterator[tuple[str, list[Path]]]:
    """The paper's figures for which there are trainings: name, and the files written, the picture first."""
    for name, kind in figures.FIGURES.items():
        datasets = [d for d in evidence.datasets if any(evidence.keys(m, d) for m in kind.known)]
        if kind.panels:  # GLF alone is no sweep
            datasets = [d for d in datasets if sum(bool(evidence.keys(m, d)) for m in kind.known) > 2]
        models = [m for m in kind.known if any(evidence.keys(m, d) for d in datasets)]
        if not models or (len(kind.models) > 1 and len(models) < 2):  # a comparison of one would be none
            continue
        labels = {m: model_label(m) for m in models}, {d: label(d) for d in datasets}
        paths = figures.write(name, evidence, *labels, results, stem=f"{name}-{evidence.preset}")
        yield f"Figure {name.removeprefix('figure')}", paths
