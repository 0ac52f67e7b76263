"""What a section is of: which images, whose schedules, which metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.analysis.claims import Claim, Finding, Verdict
from benchmarks.analysis.evidence import PUBLISHED, Evidence, own_rows
from benchmarks.analysis.evidence import label as model_label
from benchmarks.protocols import OURS, PRESETS
from benchmarks.reporting.report.words import alike, count, label

Firsts = Mapping[tuple[str, str], Mapping[str, Any]]  # (model, data set) -> the record of its first training


def title(evidence: Evidence, firsts: Firsts) -> str:
    """Which images, and whose budget: a preset's name says neither."""
    kinds: dict[str, list[str]] = {}
    for dataset in evidence.datasets:
        if evidence.full(dataset):
            kind = "the paper’s budget"
        elif evidence.preset == "paper":
            kind = "a full budget of our own"
        else:
            kind = "a short budget of our own"
        n, size = _images(dataset, firsts)
        kinds.setdefault(kind, []).append(label(dataset) + (f" ({count(n)} images{size})" if n else ""))
    return "; ".join(f"{', '.join(names)}, {kind}" for kind, names in kinds.items()) or "no trainings"


def _images(dataset: str, firsts: Firsts) -> tuple[int | None, str]:
    """How many images models were trained on, and their size in words, as far as a record says."""
    for (_, on), record in firsts.items():
        settings = record.get("settings") or {}
        if on == dataset and settings:
            n, shape = settings.get("images"), settings.get("image_shape")
            size = f" of {shape[1]}x{shape[2]}" if isinstance(shape, list) and len(shape) == 3 else ""
            return (n if isinstance(n, int) else None), size
    return None, ""


def lead(evidence: Evidence, firsts: Firsts) -> str:
    """How many trainings each model has, and what of the paper's setting they do not have, in one sentence."""
    counts = sorted({len(keys) for keys in evidence.cells.values()})
    each = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1])))) if counts else "0"
    full, preset = all(map(evidence.full, evidence.datasets)), PRESETS.get(evidence.preset)
    differs = {
        "data": not {*evidence.datasets} <= {*PUBLISHED},
        "schedules": not preset
        or bool(preset.steps)
        or any(_own(evidence, *cell, record) for cell, record in firsts.items()),
        "metric": any(metric != "fid" for metric, _ in evidence.protocols.values()),
        "budget": not full,
    }
    names = [name for name, other in differs.items() if other]
    told = f"not the paper’s: {', '.join(names)}" if names else "data, schedules, metric and budget are the paper’s"
    return f"{each} training{'s' * (each != '1')} of each model; {told}"


def budget(evidence: Evidence) -> str:
    """How long models were trained, in words."""
    preset = PRESETS.get(evidence.preset)
    if preset is None:
        return "a preset that this version does not know"
    if preset.images or preset.steps:
        images = f"at most {preset.images:,} training images, " if preset.images else ""
        return f"{images}at most {preset.steps:,} steps in each stage, schedules shortened in proportion"
    beside: dict[str, list[str]] = {}
    for dataset in evidence.datasets:
        if said := evidence.beside(dataset):
            beside.setdefault(said, []).append(label(dataset))
    own = "; ".join(f"on {', '.join(names)}, {said}" for said, names in beside.items())
    words = "all images, Appendix B’s schedules"
    if not own:
        return words
    return own if sum(map(len, beside.values())) == len(evidence.datasets) else f"{words}; {own}"


def facts(evidence: Evidence, firsts: Firsts) -> list[tuple[str, str]]:
    """What a reader must know before the first number: name -> value."""
    statuses = evidence.trainings["status"].value_counts()
    ended = ", ".join(f"{n} {status}" for status, n in statuses.items())
    rows = [("data", _data(dataset, firsts)) for dataset in evidence.datasets]
    cells = f"{len(evidence.cells)} models" if len(evidence.datasets) == 1 else f"{len(evidence.cells)} cells"
    rows.append(("trainings", f"{len(evidence.trainings)}, of {cells}: {ended}"))
    rows += [("schedules", _schedules(evidence, dataset, firsts)) for dataset in evidence.datasets]
    metrics = {metric: [label(d) for d, (m, _) in evidence.protocols.items() if m == metric]
               for metric, _ in evidence.protocols.values()}  # fmt: skip
    for metric, names in metrics.items():
        told = "FID, as in the paper" if metric == "fid" else f"{metric}, a Fréchet distance, not the paper’s FID"
        rows.append(("metric", told + (f" (on {', '.join(names)})" if len(metrics) > 1 else "")))
    rows.append(("budget", budget(evidence) + ("" if evidence.preset == "paper" else "; shorter than the paper’s")))
    return rows


def _data(dataset: str, firsts: Firsts) -> str:
    """Images and their number, and whether they are the paper's."""
    data: Mapping[str, Any] = next((r["data"] for (_, on), r in firsts.items() if on == dataset and r.get("data")), {})
    (used, size), n = _images(dataset, firsts), data.get("n_train")
    part = f", of which {count(used)} are used" if used is not None and used != n else ""
    theirs = "one of the paper’s data sets" if dataset in PUBLISHED else "not a data set of the paper’s"
    images = f"{count(n)} training images{size}{part}, {count(data.get('n_test'))} test images"
    return f"{label(dataset)}, {theirs}: {images}"


def _own(evidence: Evidence, model: str, dataset: str, record: Mapping[str, Any]) -> str:
    """What is not the paper's in a cell's schedule beside its length; "" where nothing is."""
    source = str((record.get("settings") or {}).get("source") or "")
    told = own_rows(evidence, dataset, [model]) or (source if source.startswith(OURS) else "")
    return told.removeprefix(OURS).lstrip(": ")


def _schedules(evidence: Evidence, dataset: str, firsts: Firsts) -> str:
    """Whose epochs and rates a data set's models were trained by."""
    models = [model for model, on in firsts if on == dataset]
    ours: dict[str, list[str]] = {}
    for model in models:
        if own := _own(evidence, model, dataset, firsts[model, dataset]):
            ours.setdefault(own, []).append(model)
    n = sum(map(len, ours.values()))
    told = "; ".join(f"{source} ({_models(some)})" for source, some in ours.items())
    preset = PRESETS.get(evidence.preset)
    short = ", shortened in proportion" if preset and preset.steps else ""
    if n == len(models):
        return f"{label(dataset)}: ours{short}: {told}"
    rest = f", but ours for {n} of {len(models)} models: {told}" if n else ""
    return f"{label(dataset)}: the paper’s{short}{rest}"


def _models(models: Sequence[str]) -> str:
    return ", ".join(map(model_label, models)) if len(models) <= 3 else f"{len(models)} models"


@dataclass(frozen=True)
class Glance:
    """A claim in one line: the finding that its answer rests on; `trainings` is None where none is concerned."""

    claim: Claim
    answer: str
    effect: str
    interval: str
    trainings: int | None
    on: str


def glance(claim: Claim, verdict: Verdict) -> Glance:
    """The first finding that has the claim's answer, one with an effect before others."""
    alike_ = [f for f in verdict.findings if f.answer == verdict.answer] or [*verdict.findings]
    finding = next((f for f in alike_ if f.effect), alike_[0])
    value, interval = effect(finding)
    others = len(verdict.findings) - 1
    on = ", ".join(filter(None, [finding.metric, label(finding.dataset)]))
    return Glance(
        claim=claim,
        answer=verdict.answer,
        effect=f"{finding.unit} {value}" if value else "",
        interval=interval,
        trainings=len(finding.keys) if claim.models else None,
        on=on + (f", and {others} more" if others else ""),
    )


def effect(finding: Finding) -> tuple[str, str]:
    """What was tested, and its 95 % interval, in numbers of the same decimals; "" for what there is not."""
    found = finding.effect
    if found is None:
        return "", ""
    if found.low == found.high:
        return alike(found.value)[0], ""
    value, low, high = alike(found.value, found.low, found.high)
    return value, f"{low} to {high}"
