"""What the report shows of one preset, as plain values: the template only lays them out."""

from __future__ import annotations

import base64
import inspect
import math
import re
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

import zoo
from benchmarks import claims, figures, records, speed
from benchmarks.claims import Claim, Verdict
from benchmarks.datasets import DATASETS
from benchmarks.evaluation import VARIANTS
from benchmarks.evidence import Evidence, own_rows
from benchmarks.evidence import label as model_label
from benchmarks.figures.curves import DISTANCE, NLL, RECON, curve_protocol, points
from benchmarks.figures.grids import SAMPLES, find
from benchmarks.figures.palette import colour
from benchmarks.protocols import PRESETS, show
from benchmarks.report import charts
from benchmarks.report.charts import Line, Scale
from benchmarks.tables import TABLES, Cell, Grid, Table, build
from benchmarks.tables.cells import NOTHING

SHOWN = ("table2", "table4", "criteria", "latents", "table6", "table5", "sensitivity")  # tables beside Table 1
# Tables that are not of all models -> of which
OF_FEW: dict[str, Callable[[Evidence], Container[str]]] = {
    "table2": lambda evidence: TABLES["table2"].models or (),
    "table5": lambda evidence: TABLES["table5"].models or (),
    "sensitivity": lambda evidence: evidence.varied,
}
# What stands in the line of each training
TOLD = ("seed", "status", "error", "device", "torch", "precision", "revision", "train", "row", "commit", "dirty")


@dataclass(frozen=True)
class Row:
    """One cell of Table 1: a model on a data set.

    Attributes:
        model, label, tint: who.
        value: as the table prints it, with what is missing.
        best: whether it is the lowest of its column.
        dots: every training.
        paper: what the paper prints, or "".
        interval: 95 % interval of the mean, or "".
        delta: ours less the paper's, its interval and the margin, or "".
        verdict: whether that is reproduced, in a word, or "".
        why: behind that word.
        trainings: how many are finished, of how many that the preset wants, or "not trained".
        left_out: how many more there are, of another kind.
        runs: the trainings.
        settings: how they were trained, a line per stage.
        command: makes the cell.
    """

    model: str
    label: str
    tint: str
    value: str
    best: bool
    dots: Markup
    paper: str
    interval: str
    delta: str
    verdict: str
    why: str
    trainings: str
    left_out: int
    runs: list[dict[str, Any]]
    settings: list[str]
    command: str


@dataclass(frozen=True)
class Board:
    """One data set: its column of Table 1 with every training, its pictures and curves."""

    dataset: str
    label: str
    metric: str
    protocol: str
    about: list[tuple[str, str]]
    notes: tuple[str, ...]
    rows: list[Row]
    axis: Markup
    pictures: list[tuple[str, str]]
    curves: list[Markup]


@dataclass(frozen=True)
class Section:
    """All of one preset."""

    preset: str
    budget: str
    paper: bool
    trainings: int
    ended: str
    claims: list[tuple[Claim, Verdict]]
    counts: list[tuple[str, int]]
    boards: list[Board]
    tables: list[Table]
    figures: list[tuple[str, str, str]]

    @property
    def answers(self) -> dict[int, str]:
        """Number of a claim -> its answer."""
        return {claim.number: verdict.answer for claim, verdict in self.claims}


def section(evidence: Evidence, results: Path) -> Section:
    """What there is to say of one preset."""
    judged = claims.judge(evidence, results)
    answers = [verdict.answer for _, verdict in judged]
    statuses = evidence.trainings["status"].value_counts()
    budget = PRESETS.get(evidence.preset)
    ours = [label(d) for d in evidence.datasets if not evidence.full(d)]
    words = "all images, Appendix B’s schedules"
    if ours and evidence.preset == "paper":
        words += f"; on {', '.join(ours)}, which the paper has not, all images and schedules of our own"
    if budget and (budget.images or budget.steps):
        images = f"at most {budget.images:,} training images, " if budget.images else ""
        words = f"{images}at most {budget.steps:,} steps in each stage, schedules shortened in proportion"
    metrics = {metric: [d for d, (m, _) in evidence.protocols.items() if m == metric]
               for metric in sorted({m for m, _ in evidence.protocols.values()})}  # fmt: skip
    frames = {"runs": evidence.runs, "epochs": evidence.epochs, "speed": speed.read(results / "speed")}
    tables = {d: build("table1", frames, grid(evidence, [d], results)) for d in evidence.protocols}
    grids = {metric: grid(evidence, datasets, results) for metric, datasets in metrics.items()}
    more = [build(name, frames, only(one, OF_FEW[name](evidence)) if name in OF_FEW else one)
            for one in grids.values() for name in SHOWN if TABLES[name].tells(one)]  # fmt: skip
    return Section(
        preset=evidence.preset,
        budget=words if budget else "a preset that this version does not know",
        paper=any(map(evidence.full, evidence.datasets)),
        trainings=len(evidence.trainings),
        ended=", ".join(f"{n} {status}" for status, n in statuses.items()),
        claims=judged,
        counts=[(word, answers.count(word)) for word in (claims.SUPPORTED, claims.CONTRADICTED, claims.UNDECIDED)],
        boards=[board(evidence, dataset, tables, results) for dataset in evidence.datasets],
        tables=[table for table in more if any(cell.shown(1)[""].value != NOTHING for cell in table.cells.values())],
        figures=list(drawn(evidence, results)),
    )


def label(dataset: str) -> str:
    """Of a data set, as tables print it; a folder's name is its label."""
    return DATASETS[dataset].label if dataset in DATASETS else dataset


def only(grid: Grid, models: Container[str]) -> Grid:
    """The same grid with rows for some models alone."""
    return replace(
        grid,
        models={model: name for model, name in grid.models.items() if model in models},
        keys={pair: keys for pair, keys in grid.keys.items() if pair[0] in models},
    )


def grid(evidence: Evidence, datasets: list[str], results: Path) -> Grid:
    """What a planned table would be given, from the trainings that there are; the data sets have one metric."""
    models = models_of(evidence, datasets)
    cells = {pair: keys for pair, keys in evidence.cells.items() if pair[1] in datasets}
    variants = {(d, v): identity for d in datasets for v, identity in evidence.variants(d).items()}
    firsts = {pair: records.find(results, keys[0]) or {} for pair, keys in cells.items()}
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
        stages={pair: {name: stage["epochs"] for name, stage in stages_of(record).items() if stage.get("epochs")}
                for pair, record in firsts.items()},
    )


def models_of(evidence: Evidence, datasets: list[str]) -> list[str]:
    """Models with trainings on some data sets, in the registry's order."""
    there = {model for model, dataset in evidence.cells if dataset in datasets}
    return [model for model in zoo.MODELS if model in there] + sorted(there - zoo.MODELS.keys())


def board(evidence: Evidence, dataset: str, tables: dict[str, Table], results: Path) -> Board:
    """One data set."""
    metric, protocol = evidence.protocols.get(dataset, ("", ""))
    models = models_of(evidence, [dataset])
    table = tables.get(dataset)
    samples = {model: evidence.distance(model, dataset) for model in models}
    cells = [cell for cell in (cell_of(table, model, dataset) for model in models) if cell is not None]
    known = [v for sample in samples.values() for v in sample.values]
    scale = Scale.of([*known, *(cell.paper.mean for cell in cells if cell.paper)])
    # Of a training that was measured by what the board compares, so that it can say how
    first = next((key for sample in samples.values() for key in sample.keys), evidence.keys(models[0], dataset)[0])
    budget = PRESETS.get(evidence.preset)
    missing = [m for m in budget.models if m not in models] if budget and dataset in budget.datasets else []
    return Board(
        dataset=dataset,
        label=label(dataset),
        metric=metric,
        protocol=protocol,
        about=about(evidence, dataset, records.find(results, first) or {}),
        notes=table.notes if table else (),
        rows=[row(evidence, model, dataset, table, scale, results) for model in [*models, *missing]],
        axis=charts.axis(scale),
        pictures=[(model_label(model), uri(path)) for model in models
                  if (path := find(SAMPLES, evidence, model, dataset, results)[0])],
        curves=list(curves(evidence, models, dataset)),
    )  # fmt: skip


def cell_of(table: Table | None, model: str, dataset: str) -> Cell | None:
    """A cell of Table 1, where there is one."""
    cell = table.cells.get((model, dataset)) if table else None
    return cell if isinstance(cell, Cell) else None


def row(
    evidence: Evidence, model: str, dataset: str, table: Table | None, scale: Scale, results: Path
) -> Row:
    """One model on one data set."""
    keys, sample = evidence.keys(model, dataset), evidence.distance(model, dataset)
    cell = cell_of(table, model, dataset)
    values = dict(cell.values) if cell else dict(zip(sample.keys, map(float, sample.values), strict=True))
    shown = cell.shown(table.decimals) if cell and table else {}
    runs: list[dict[str, Any]] = []
    for training in evidence.trainings.loc[[*keys], [*TOLD]].reset_index().to_dict("records"):
        key, error = training["key"], training["error"]
        runs.append({
            **{str(name): value for name, value in training.items()},
            "value": values.get(key),
            "error": error if isinstance(error, str) else "",
            "commit": f"{str(training['commit'])[:10]}{' (changed)' if training['dirty'] is True else ''}",
        })  # fmt: skip
    record = (records.find(results, keys[0]) if keys else None) or {}
    wanted = max(len(keys), PRESETS[evidence.preset].seeds if evidence.preset in PRESETS else 0)
    named = {f"seed {run['seed']} ({run['key'][:8]})": run["value"] for run in runs if run["value"] is not None}
    verdict = cell.verdict if cell else None
    lacking = re.sub(r" [≈<>?]$", "", cell.marks()) if cell else ""  # the verdict has a column of its own here
    return Row(
        model=model,
        label=model_label(model),
        tint=colour(model),
        value=f"{shown[''].value}{lacking}" if shown else NOTHING,
        best=bool(cell and cell.best),
        dots=charts.strip(named, scale, colour(model), f"{model_label(model)}: {len(named)} trainings",
                          cell.paper.mean if cell and cell.paper else None),
        paper=shown["paper"].value if "paper" in shown else "",
        interval=f"{number(verdict.low)} to {number(verdict.high)}" if verdict and verdict.low is not None else "",
        delta=(f"{number(verdict.delta)} ({number(verdict.delta_low)} to {number(verdict.delta_high)}), margin "
               f"{number(verdict.margin)}").replace("-", "−") if verdict and verdict.delta is not None else "",
        verdict=verdict.word if verdict else "",
        why=verdict.why if verdict else "",
        trainings="not trained" if not keys else f"{len(values)} of {wanted}" if len(values) < wanted else str(wanted),
        left_out=evidence.left_out(model, dataset),
        runs=runs,
        settings=settings(record),
        command=claims.command(evidence, "table1", [model], dataset, wanted, str(results)),
    )  # fmt: skip


def settings(record: dict[str, Any]) -> list[str]:
    """How a training was done, as its record says."""
    found = record.get("settings") or {}
    lines = []
    for name, stage in stages_of(record).items():
        epochs, batch, lr = (stage.get(part, "?") for part in ("epochs", "batch", "lr"))
        parts = [f"{epochs} epochs", f"batch {batch}", f"lr {show(lr)}"]
        parts += [f"×{show(factor)} from epoch {epoch}" for epoch, factor in (stage.get("factors") or {}).items()]
        parts += [f"weight decay {show(stage['weight_decay'])}"] if stage.get("weight_decay") else []
        lines.append(f"{name}: {', '.join(parts)}")
    hyper = show(found.get("hyper") or {})
    return [*lines, *([f"{hyper}; source: {found.get('source', '')}"] if hyper else [])]


def stages_of(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The schedules that a record says it was trained by: stage -> settings; {} where it does not say."""
    found = (record.get("settings") or {}).get("stages") or {}
    return {str(name): stage for name, stage in found.items() if isinstance(stage, dict)}


def about(evidence: Evidence, dataset: str, record: dict[str, Any]) -> list[tuple[str, str]]:
    """The metric protocol and the data, in words."""
    data, (metric, identity) = record.get("data") or {}, evidence.protocols.get(dataset, ("", ""))
    known = {e.get("protocol_id"): e.get("protocol") for e in record.get("evaluations") or []}
    protocol: dict[str, Any] = known.get(identity) or {}
    used = (record.get("settings") or {}).get("images")
    rows = [
        ("metric", metric + (" (FID)" if metric == "fid" else " (a Fréchet distance, not FID)" if metric else "")),
        ("metric protocol", identity),
        *((name, str(protocol[name])) for name in ("extractor", "weights", "dims", "input", "split", "n_real", "n_fake",
                                                   "crop", "resize", "reals", "fakes", "quantisation", "estimator")
          if protocol.get(name) is not None),
        ("training images", f"{count(data.get('n_train'))} (fingerprint {str(data.get('train'))[:16]}), of which "
                            f"{count(used)} are used" if data else ""),
        ("test images", f"{count(data.get('n_test'))} (fingerprint {str(data.get('test'))[:16]})" if data else ""),
        ("settings of our own", own_rows(evidence, dataset, models_of(evidence, [dataset]))),
        *(("warning", warning) for warning in data.get("warnings") or []),
    ]  # fmt: skip
    return [(name, value) for name, value in rows if value]


def curves(evidence: Evidence, models: list[str], dataset: str) -> Iterator[Markup]:
    """Distance, reconstruction and NLL by epoch: those that the records have."""
    protocol = curve_protocol(evidence, models, dataset)
    panels = [(DISTANCE, protocol[0], "metric")] if protocol else []
    panels += [(RECON, "recon", "each model’s own loss"), (NLL, "nll", "nats")]
    frame = points(evidence, models, dataset, [panel for panel, *_ in panels])
    for panel, quantity, unit in panels:
        mine = frame[frame["quantity"] == quantity]
        lines = []
        for model in filter(has_flow, models) if panel is NLL else models:
            rows = mine[mine["model"] == model]
            alive, ended = rows[~rows["ended"].astype(bool)], rows[rows["ended"].astype(bool)]
            mean = alive.groupby("epoch")["value"].mean()
            if len(mean) > 1 or len(ended):
                lines.append(Line(model_label(model), colour(model), [int(e) for e in mean.index], [*mean],
                                  int(ended["epoch"].max()) if len(ended) else None))  # fmt: skip
        if lines:
            names = {"recon": "Reconstruction loss while training", "nll": "NLL of latents under the flow"}
            yield charts.curves(lines, names.get(quantity, f"{quantity} while training"), unit)


def has_flow(model: str) -> bool:
    """Whether a model has a flow on its latents; other stages may have an NLL of something else."""
    return model in zoo.MODELS and "k" in inspect.signature(zoo.MODELS[model].model).parameters


def drawn(evidence: Evidence, results: Path) -> Iterator[tuple[str, str, str]]:
    """The paper's figures for which there are trainings: name, picture, caption."""
    for name, kind in figures.FIGURES.items():
        datasets = [d for d in evidence.datasets if any(evidence.keys(m, d) for m in kind.known)]
        if kind.panels:  # GLF alone is no sweep
            datasets = [d for d in datasets if sum(bool(evidence.keys(m, d)) for m in kind.known) > 2]
        models = [m for m in kind.known if any(evidence.keys(m, d) for d in datasets)]
        if not models or (len(kind.models) > 1 and len(models) < 2):  # a comparison of one would be none
            continue
        labels = {m: model_label(m) for m in models}, {d: label(d) for d in datasets}
        paths = figures.write(name, evidence, *labels, results, stem=f"{name}-{evidence.preset}")
        yield f"Figure {name.removeprefix('figure')}", uri(paths[0]), paths[2].read_text(encoding="utf-8").strip()


def uri(path: Path) -> str:
    """A PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def count(value: Any) -> str:
    """A whole number with its thousands apart, or ? where a record does not say."""
    return f"{value:,}" if isinstance(value, int) else "?"


def number(value: float | None) -> str:
    """A number in four digits, or a dash."""
    return "—" if value is None or math.isnan(value) else f"{value:.4g}"
