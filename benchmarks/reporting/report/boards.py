"""One data set in the report: its column of Table 1 with every training, how they were made, and their curves."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

import zoo
from benchmarks.analysis.evidence import Evidence, own_rows
from benchmarks.analysis.evidence import label as model_label
from benchmarks.experiments import records
from benchmarks.protocols import PRESETS, show
from benchmarks.reporting.figures.grids import SAMPLES, find
from benchmarks.reporting.figures.palette import colour
from benchmarks.reporting.report import charts
from benchmarks.reporting.report.again import Again, again, told_commit
from benchmarks.reporting.report.charts import Scale
from benchmarks.reporting.report.progress import curves
from benchmarks.reporting.report.words import count, fixed, label
from benchmarks.reporting.tables import Cell, Table
from benchmarks.reporting.tables.cells import NOTHING

# What stands in the line of each training
TOLD = ("seed", "status", "error", "device", "torch", "precision", "revision", "train", "row", "commit", "dirty")


@dataclass(frozen=True)
class Row:
    """One cell of Table 1: a model on a data set.

    Attributes:
        model, label, tint: who.
        value: as the table prints it, with what is missing.
        usual: whether the preset's Table 1 has the model.
        best: whether it is the lowest of its column.
        dots: every training.
        paper: what the paper prints, or "".
        interval: 95 % interval of the mean, or "".
        delta: ours less the paper's, its interval and the margin, or "".
        verdict: whether that is reproduced, in a word, or "".
        why: behind that word.
        trainings: how many there are, and how many of them have a number where not all have; or "not trained".
        wanted: how many the preset has, where that is more; or "".
        ended: how many ended in another way than well, or "".
        left_out: how many more there are, of another kind.
        runs: the trainings.
        settings: how they were trained, a line per stage.
        again: how to make the cell again.
    """

    model: str
    label: str
    tint: str
    value: str
    usual: bool
    best: bool
    dots: Markup
    paper: str
    interval: str
    delta: str
    verdict: str
    why: str
    trainings: str
    wanted: str
    ended: str
    left_out: int
    runs: list[dict[str, Any]]
    settings: list[str]
    again: Again


@dataclass(frozen=True)
class Board:
    """One data set: its column of Table 1 with every training, its pictures, its curves and those of other models."""

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
    others: list[Markup]


def board(
    evidence: Evidence,
    dataset: str,
    tables: Mapping[str, Table],
    firsts: Mapping[tuple[str, str], Mapping[str, Any]],
    results: Path,
    named: str,
) -> Board:
    """One data set.

    Args:
        evidence: the records at one preset.
        dataset: its name.
        tables: data set -> its Table 1.
        firsts: (model, data set) -> the record of its first training.
        results: results folder.
        named: how commands name it.
    """
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
    charts_, others = curves(evidence, models, dataset)
    return Board(
        dataset=dataset,
        label=label(dataset),
        metric=metric,
        protocol=protocol,
        about=about(evidence, dataset, records.find(results, first) or {}),
        notes=table.notes if table else (),
        rows=[row(evidence, model, dataset, table, scale, firsts.get((model, dataset), {}), results, named)
              for model in [*models, *missing]],
        axis=charts.axis(scale),
        pictures=[(model_label(model), uri(path)) for model in models
                  if (path := find(SAMPLES, evidence, model, dataset, results)[0])],
        curves=charts_,
        others=others,
    )  # fmt: skip


def models_of(evidence: Evidence, datasets: list[str]) -> list[str]:
    """Models with trainings on some data sets, in the registry's order."""
    there = {model for model, dataset in evidence.cells if dataset in datasets}
    return [model for model in zoo.MODELS if model in there] + sorted(there - zoo.MODELS.keys())


def cell_of(table: Table | None, model: str, dataset: str) -> Cell | None:
    """A cell of Table 1, where there is one."""
    cell = table.cells.get((model, dataset)) if table else None
    return cell if isinstance(cell, Cell) else None


def row(
    evidence: Evidence,
    model: str,
    dataset: str,
    table: Table | None,
    scale: Scale,
    record: Mapping[str, Any],
    results: Path,
    named: str,
) -> Row:
    """One model on one data set; `record` is of its first training, and the others as `board`."""
    keys, sample = evidence.keys(model, dataset), evidence.distance(model, dataset)
    cell = cell_of(table, model, dataset)
    values = dict(cell.values) if cell else dict(zip(sample.keys, map(float, sample.values), strict=True))
    shown = cell.shown(table.decimals) if cell and table else {}
    decimals = (cell.decimals if cell and cell.decimals is not None else table.decimals) if table else 1
    runs: list[dict[str, Any]] = []
    for training in evidence.trainings.loc[[*keys], [*TOLD]].reset_index().to_dict("records"):
        key = str(training["key"])
        runs.append({
            **{str(name): value for name, value in training.items()},
            "value": values.get(key),
            "shown": fixed(values.get(key), decimals + 2),  # trainings differ in digits that a mean does not need
            "error": failure(evidence, key, results) if isinstance(training["error"], str) else "",
            "commit": told_commit(training["commit"], training["dirty"]),
        })  # fmt: skip
    dots = {f"seed {run['seed']} ({run['key'][:8]})": run["value"] for run in runs if run["value"] is not None}
    wanted = PRESETS[evidence.preset].seeds if evidence.preset in PRESETS else 0
    verdict = cell.verdict if cell else None
    lacking = re.sub(r" [≈<>?]$", "", cell.marks()) if cell else ""  # the verdict has a column of its own here
    deltas = (verdict.delta, verdict.delta_low, verdict.delta_high, verdict.margin) if verdict else ()
    delta, low, high, margin = (fixed(v, decimals) for v in deltas) if deltas else ("", "", "", "")
    return Row(
        model=model,
        label=model_label(model),
        tint=colour(model),
        value=f"{shown[''].value}{lacking}" if shown else NOTHING,
        usual=evidence.preset not in PRESETS or model in PRESETS[evidence.preset].models,
        best=bool(cell and cell.best),
        dots=charts.strip(dots, scale, colour(model), f"{model_label(model)}: {len(dots)} trainings",
                          cell.paper.mean if cell and cell.paper else None),
        paper=shown["paper"].value if "paper" in shown else "",
        interval=f"{fixed(verdict.low, decimals)} to {fixed(verdict.high, decimals)}"
        if verdict and verdict.low is not None else "",
        delta=f"{delta} ({low} to {high}), margin {margin}" if verdict and verdict.delta is not None else "",
        verdict=verdict.word if verdict else "",
        why=verdict.why if verdict else "",
        trainings=("not trained" if not keys else str(len(keys)) if len(values) == len(keys)
                   else f"{len(values)} of {len(keys)}"),
        wanted=f"the preset: {wanted}" if 0 < len(keys) < wanted else "",
        ended=", ".join(f"{n} {status}" for status, n in evidence.statuses(model, dataset).value_counts().items()
                        if status != "done"),
        left_out=evidence.left_out(model, dataset),
        runs=runs,
        settings=settings(record),
        again=again(evidence, model, dataset, named),
    )  # fmt: skip


def failure(evidence: Evidence, key: str, results: Path) -> str:
    """Why a training ended; records count epochs from 0 and stage by stage, this page as its curves do."""
    error = (records.find(results, key) or {}).get("error") or {}
    message, epoch = str(error.get("message") or ""), error.get("epoch")
    if not isinstance(epoch, int):
        return message
    before = int((evidence.of([key])["stage"] != error.get("stage")).sum())  # it ended in the last of its stages
    return re.sub(rf"\bepoch {epoch}\b", f"epoch {before + epoch + 1}", message)


def settings(record: Mapping[str, Any]) -> list[str]:
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


def stages_of(record: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
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


def uri(path: Path) -> str:
    """A PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
