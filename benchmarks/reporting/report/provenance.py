"""Where the numbers of one preset come from: data, runs, schedules, metrics, metric protocols and budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.analysis.evidence import Evidence, model_label
from benchmarks.analysis.paper_setting import PAPER_DATASETS, full_budget_note, matches_paper, own_settings_note
from benchmarks.presets import PRESETS
from benchmarks.protocols import OURS
from benchmarks.reporting.report.number_format import dataset_label, format_count
from benchmarks.settings_text import show

FirstRecords = Mapping[tuple[str, str], Mapping[str, Any]]  # (model, data set) -> the record of its first run
# Fields of a metric protocol that a section lists
PROTOCOL_FIELDS = ("extractor", "weights", "dims", "input", "split", "n_real", "n_fake", "crop", "resize",
                   "real_transform", "fake_transform", "quantization", "estimator")  # fmt: skip


def section_title(evidence: Evidence, first_records: FirstRecords) -> str:
    """The data sets with their images, and whether the budget is the paper's."""
    labels: dict[str, list[str]] = {}
    for dataset in evidence.datasets:
        if matches_paper(evidence, dataset):
            budget = "the paper’s budget"
        elif evidence.preset == "paper":
            budget = "full-length schedules of ours"
        else:
            budget = "shortened schedules"
        n, size = _training_images(dataset, first_records)
        images = f" ({format_count(n)} images{size})" if n else ""
        labels.setdefault(budget, []).append(dataset_label(dataset) + images)
    return "; ".join(f"{', '.join(names)}, {budget}" for budget, names in labels.items()) or "no runs"


def _training_images(dataset: str, first_records: FirstRecords) -> tuple[int | None, str]:
    """How many images models were trained on, and their size (" of 28x28"), as far as a record says."""
    for (_, name), record in first_records.items():
        settings = record.get("settings") or {}
        if name == dataset and settings:
            n, shape = settings.get("images"), settings.get("image_shape")
            size = f" of {shape[1]}x{shape[2]}" if isinstance(shape, list) and len(shape) == 3 else ""
            return (n if isinstance(n, int) else None), size
    return None, ""


def runs_per_model(evidence: Evidence) -> str:
    """How many runs each model has: "3 runs", or "1 to 3 runs"."""
    counts = sorted({len(keys) for keys in evidence.cells.values()})
    each = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1])))) if counts else "0"
    return f"{each} run{'s' * (each != '1')}"


def setting_difference(evidence: Evidence, first_records: FirstRecords) -> str:
    """What differs from the paper's setting, as half a sentence."""
    preset = PRESETS.get(evidence.preset)
    has_own_schedules = any(_own_settings(evidence, *cell, record) for cell, record in first_records.items())
    differs = {
        "data": not {*evidence.datasets} <= {*PAPER_DATASETS},
        "schedules": not preset or bool(preset.steps) or has_own_schedules,
        "metric": any(metric != "fid" for metric, _ in evidence.distances.protocols.values()),
        "budget": not all(matches_paper(evidence, dataset) for dataset in evidence.datasets),
    }
    names = [name for name, is_different in differs.items() if is_different]
    return f"not the paper’s: {', '.join(names)}" if names else "data, schedules, metric and budget are the paper’s"


def budget_description(evidence: Evidence) -> str:
    """How long models were trained."""
    preset = PRESETS.get(evidence.preset)
    if preset is None:
        return "a preset that this version does not know"
    if preset.images or preset.steps:
        images = f"at most {preset.images:,} training images, " if preset.images else ""
        return f"{images}at most {preset.steps:,} steps in each stage, schedules shortened in proportion"
    labels_by_note: dict[str, list[str]] = {}
    for dataset in evidence.datasets:
        if note := full_budget_note(evidence, dataset):
            labels_by_note.setdefault(note, []).append(dataset_label(dataset))
    own = "; ".join(f"{', '.join(labels)}: {note}" for note, labels in labels_by_note.items())
    paper = "all images, Appendix B’s schedules"
    if not own:
        return paper
    return own if sum(map(len, labels_by_note.values())) == len(evidence.datasets) else f"{paper}; {own}"


def provenance_rows(evidence: Evidence, first_records: FirstRecords) -> list[tuple[str, str]]:
    """The lines above the first number, as names and values: data, runs, schedules, metric and budget."""
    ended = ", ".join(f"{n} {status}" for status, n in evidence.runs["status"].value_counts().items())
    rows = [("data", _describe_data(dataset, first_records)) for dataset in evidence.datasets]
    cells = f"{len(evidence.cells)} models" if len(evidence.datasets) == 1 else f"{len(evidence.cells)} cells"
    rows.append(("runs", f"{len(evidence.runs)}, of {cells}: {ended}"))
    rows += [("schedules", _describe_schedules(evidence, dataset, first_records)) for dataset in evidence.datasets]
    labels: dict[str, list[str]] = {}
    for dataset, (metric, _) in evidence.distances.protocols.items():
        labels.setdefault(metric, []).append(dataset_label(dataset))
    for metric, names in labels.items():
        text = "FID, as in the paper" if metric == "fid" else f"{metric}, a Fréchet distance, not the paper’s FID"
        rows.append(("metric", text + (f" (on {', '.join(names)})" if len(labels) > 1 else "")))
    shorter = "" if evidence.preset == "paper" else "; shorter than the paper’s"
    rows.append(("budget", budget_description(evidence) + shorter))
    return rows


def _describe_data(dataset: str, first_records: FirstRecords) -> str:
    """A data set's images and their number, and whether it is the paper's."""
    data: Mapping[str, Any] = next(
        (record["data"] for (_, name), record in first_records.items() if name == dataset and record.get("data")), {}
    )
    (used, size), n = _training_images(dataset, first_records), data.get("n_train")
    used_note = f", of which {format_count(used)} are used" if used is not None and used != n else ""
    owner = "one of the paper’s data sets" if dataset in PAPER_DATASETS else "not a data set of the paper’s"
    images = f"{format_count(n)} training images{size}{used_note}, {format_count(data.get('n_test'))} test images"
    return f"{dataset_label(dataset)}, {owner}: {images}"


def _own_settings(evidence: Evidence, model: str, dataset: str, record: Mapping[str, Any]) -> str:
    """What differs from the paper in a cell's schedule, except its length; "" if nothing does."""
    source = str((record.get("settings") or {}).get("source") or "")
    note = own_settings_note(evidence, dataset, [model]) or (source if source.startswith(OURS) else "")
    return note.removeprefix(OURS).lstrip(": ")


def _describe_schedules(evidence: Evidence, dataset: str, first_records: FirstRecords) -> str:
    """The source of the epochs and learning rates of a data set's models."""
    models = [model for model, name in first_records if name == dataset]
    models_by_source: dict[str, list[str]] = {}
    for model in models:
        if own := _own_settings(evidence, model, dataset, first_records[model, dataset]):
            models_by_source.setdefault(own, []).append(model)
    n_own = sum(map(len, models_by_source.values()))
    sources = "; ".join(f"{source} ({_name_models(some)})" for source, some in models_by_source.items())
    preset = PRESETS.get(evidence.preset)
    shortened = ", shortened in proportion" if preset and preset.steps else ""
    if n_own == len(models):
        return f"{dataset_label(dataset)}: ours{shortened}: {sources}"
    exceptions = f", but ours for {n_own} of {len(models)} models: {sources}" if n_own else ""
    return f"{dataset_label(dataset)}: the paper’s{shortened}{exceptions}"


def _name_models(models: Sequence[str]) -> str:
    return ", ".join(map(model_label, models)) if len(models) <= 3 else f"{len(models)} models"


def measurement_details(
    evidence: Evidence, dataset: str, models: Iterable[str], record: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """The metric protocol and the data behind a data set's distances: name and value of each line.

    Args:
        evidence: the records at one preset.
        dataset: its name.
        models: models with runs on it.
        record: of a run that was measured under the data set's protocol.
    """
    data, (metric, protocol_id) = record.get("data") or {}, evidence.distances.protocols.get(dataset, ("", ""))
    protocols = {e.get("protocol_id"): e.get("protocol") for e in record.get("evaluations") or []}
    protocol: Mapping[str, Any] = protocols.get(protocol_id) or {}
    used = (record.get("settings") or {}).get("images")

    def images(split: str) -> str:
        fingerprint = str(data.get(f"{split}_fingerprint"))[:16]
        return f"{format_count(data.get(f'n_{split}'))} (fingerprint {fingerprint})"

    rows = [
        ("metric", metric + (" (FID)" if metric == "fid" else " (a Fréchet distance, not FID)" if metric else "")),
        ("metric protocol", protocol_id),
        *((name, str(protocol[name])) for name in PROTOCOL_FIELDS if protocol.get(name) is not None),
        ("training images", f"{images('train')}, of which {format_count(used)} are used" if data else ""),
        ("test images", images("test") if data else ""),
        ("settings of ours", own_settings_note(evidence, dataset, models)),
        *(("warning", warning) for warning in data.get("warnings") or []),
    ]  # fmt: skip
    return [(name, value) for name, value in rows if value]


def settings_lines(record: Mapping[str, Any]) -> list[str]:
    """The settings that a run was trained with: a line per stage, and one for the hyperparameters."""
    lines = []
    for name, stage in recorded_stages(record).items():
        epochs, batch, lr = (stage.get(field, "?") for field in ("epochs", "batch", "lr"))
        values = [f"{epochs} epochs", f"batch {batch}", f"lr {show(lr)}"]
        values += [f"×{show(factor)} from epoch {epoch}" for epoch, factor in (stage.get("factors") or {}).items()]
        values += [f"weight decay {show(stage['weight_decay'])}"] if stage.get("weight_decay") else []
        lines.append(f"{name}: {', '.join(values)}")
    settings = record.get("settings") or {}
    hyperparameters = show(settings.get("hyper") or {})
    return [*lines, *([f"{hyperparameters}; source: {settings.get('source', '')}"] if hyperparameters else [])]


def recorded_stages(record: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The schedules in a record: stage -> settings; {} if it has none."""
    stages = (record.get("settings") or {}).get("stages") or {}
    return {str(name): stage for name, stage in stages.items() if isinstance(stage, dict)}
