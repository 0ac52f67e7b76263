"""What the report shows of one preset, as plain values: the template only lays them out."""

from __future__ import annotations

import base64
import inspect
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

import zoo
from benchmarks import claims, figures, records
from benchmarks.claims import Claim, Verdict
from benchmarks.datasets import DATASETS
from benchmarks.evidence import Evidence, own_rows
from benchmarks.evidence import label as model_label
from benchmarks.figures.curves import DISTANCE, NLL, RECON, curve_protocol, points
from benchmarks.figures.grids import SAMPLES, find
from benchmarks.figures.palette import colour
from benchmarks.protocols import PRESETS, show
from benchmarks.report import charts
from benchmarks.report.charts import Line, Scale
from benchmarks.tables import Cell, Grid, Table, build
from benchmarks.tables.cells import NOTHING

SHOWN = ("criteria", "latents", "table6")  # tables beside Table 1


@dataclass(frozen=True)
class Row:
    """One cell of Table 1: a model on a data set.

    Attributes:
        model, label, tint: who.
        value: as the table prints it, with what is missing.
        best: whether it is the lowest of its column.
        dots: every training.
        paper: what the paper prints, or "".
        verdict: whether that is reproduced, in a word, or "".
        why: behind that word.
        trainings: how many are finished, of how many.
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
    verdict: str
    why: str
    trainings: str
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
    words = "all images, Appendix B’s schedules"
    if budget and (budget.images or budget.steps):
        images = f"at most {budget.images:,} training images, " if budget.images else ""
        words = f"{images}at most {budget.steps:,} steps in each stage, schedules shortened in proportion"
    grids = {metric: grid(evidence, metric) for metric in sorted({m for m, _ in evidence.protocols.values()})}
    frames = {"runs": evidence.runs, "epochs": evidence.epochs}
    tables = {metric: build("table1", frames, one) for metric, one in grids.items()}
    more = [build(name, frames, one) for one in grids.values() for name in SHOWN]
    return Section(
        preset=evidence.preset,
        budget=words if budget else "a preset that this version does not know",
        paper=evidence.preset == "paper",
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


def grid(evidence: Evidence, metric: str) -> Grid:
    """What a planned table would be given, from the trainings that there are."""
    datasets = [d for d in evidence.datasets if evidence.protocols.get(d, ("", ""))[0] == metric]
    models = models_of(evidence, datasets)
    draws = evidence.measured["draws"]
    return Grid(
        models={model: model_label(model) for model in models},
        datasets={dataset: label(dataset) for dataset in datasets},
        keys={(model, dataset): evidence.keys(model, dataset) for model in models for dataset in datasets},
        metric=metric,
        protocol_ids={dataset: evidence.protocols[dataset][1] for dataset in datasets},
        preset=evidence.preset,
        draws=int(draws.min()) if len(draws) else 1,
    )


def models_of(evidence: Evidence, datasets: list[str]) -> list[str]:
    """Models with trainings on some data sets, in the registry's order."""
    there = {model for model, dataset in evidence.cells if dataset in datasets}
    return [model for model in zoo.MODELS if model in there] + sorted(there - zoo.MODELS.keys())


def board(evidence: Evidence, dataset: str, tables: dict[str, Table], results: Path) -> Board:
    """One data set."""
    metric, protocol = evidence.protocols.get(dataset, ("", ""))
    models = models_of(evidence, [dataset])
    table = tables.get(metric)
    samples = {model: evidence.distance(model, dataset) for model in models}
    cells = [cell for cell in (cell_of(table, model, dataset) for model in models) if cell is not None]
    known = [v for sample in samples.values() for v in sample.values]
    scale = Scale.of([*known, *(cell.paper.mean for cell in cells if cell.paper)])
    first = evidence.keys(models[0], dataset)[0]
    return Board(
        dataset=dataset,
        label=label(dataset),
        metric=metric,
        protocol=protocol,
        about=about(evidence, dataset, records.find(results, first) or {}),
        rows=[row(evidence, model, dataset, table, scale, results) for model in models],
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
    values = dict(zip(sample.keys, map(float, sample.values), strict=True))
    cell = cell_of(table, model, dataset)
    shown = cell.shown(table.decimals) if cell and table else {}
    runs: list[dict[str, Any]] = []
    for training in evidence.trainings.loc[[*keys]].reset_index().to_dict("records"):
        key = training["key"]
        runs.append({
            "key": key, "seed": training["seed"], "status": training["status"], "value": values.get(key),
            "error": training["error"] if isinstance(training["error"], str) else "",
            **{name: training[name] for name in ("device", "torch", "precision", "revision", "train")},
            "commit": f"{str(training['commit'])[:10]}{' (changed)' if training['dirty'] is True else ''}",
        })  # fmt: skip
    record = records.find(results, keys[0]) or {}
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
        verdict=verdict.word if verdict else "",
        why=verdict.why if verdict else "",
        trainings=f"{len(values)} of {len(keys)}" if len(values) < len(keys) else str(len(keys)),
        runs=runs,
        settings=settings(record),
        command=claims.command(evidence, "table1", [model], dataset, len(keys), str(results)),
    )  # fmt: skip


def settings(record: dict[str, Any]) -> list[str]:
    """How a training was done, as its record says."""
    found = record.get("settings", {})
    lines = []
    for name, stage in found.get("stages", {}).items():
        parts = [f"{stage['epochs']} epochs", f"batch {stage['batch']}", f"lr {show(stage['lr'])}"]
        parts += [f"×{factor:.3g} from epoch {epoch}" for epoch, factor in stage["factors"].items()]
        parts += [f"weight decay {show(stage['weight_decay'])}"] if stage["weight_decay"] else []
        lines.append(f"{name}: {', '.join(parts)}")
    hyper = show(found.get("hyper", {}))
    return [*lines, *([f"{hyper}; source: {found.get('source', '')}"] if hyper else [])]


def about(evidence: Evidence, dataset: str, record: dict[str, Any]) -> list[tuple[str, str]]:
    """The metric protocol and the data, in words."""
    data, (metric, identity) = record.get("data", {}), evidence.protocols.get(dataset, ("", ""))
    known = {e["protocol_id"]: e["protocol"] for e in record.get("evaluations", [])}
    protocol: dict[str, Any] = known.get(identity, {})
    rows = [
        ("metric", metric + (" (FID)" if metric == "fid" else " (a Fréchet distance, not FID)" if metric else "")),
        ("metric protocol", identity),
        *((name, str(protocol[name])) for name in ("extractor", "weights", "dims", "input", "split", "n_real", "n_fake",
                                                   "crop", "resize", "reals", "fakes", "quantisation", "estimator")
          if protocol.get(name) is not None),
        ("training images", f"{data.get('n_train', '?'):,} (fingerprint {str(data.get('train'))[:16]}), of which "
                            f"{record.get('settings', {}).get('images', '?'):,} are used") if data else ("", ""),
        ("test images", f"{data['n_test']:,} (fingerprint {str(data['test'])[:16]})") if data else ("", ""),
        ("settings of our own", own_rows(evidence, dataset, models_of(evidence, [dataset]))),
        *(("warning", warning) for warning in data.get("warnings", [])),
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


def number(value: float | None) -> str:
    """A number in four digits, or a dash."""
    return "—" if value is None or math.isnan(value) else f"{value:.4g}"
