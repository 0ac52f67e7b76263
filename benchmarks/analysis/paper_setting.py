"""Sentences on how the runs differ from the paper in budget, images, schedules and settings."""

from __future__ import annotations

from collections.abc import Iterable

import zoo
from benchmarks import protocols
from benchmarks.analysis.evidence import Evidence, model_label
from benchmarks.data.datasets import DATASETS
from benchmarks.presets import PRESETS
from benchmarks.settings_text import describe_own_settings

# Data sets of the paper: those of Table 1, and CelebA-HQ, which is in Figures 2 and 6 and in the settings of B.1
PAPER_DATASETS = ("mnist", "fashion", "cifar10", "celeba", "celeba-hq")


def matches_paper(evidence: Evidence, dataset: str) -> bool:
    """Whether the runs on a data set had the paper's budget and images."""
    return not differences_from_paper(evidence, dataset)


def differences_from_paper(evidence: Evidence, dataset: str) -> tuple[str, ...]:
    """What differs from the paper for the runs on a data set: "budget", "images", both or neither."""
    differs = {
        "budget": evidence.preset != "paper" or dataset in evidence.datasets_with_own_settings,
        "images": dataset not in PAPER_DATASETS,
    }
    return tuple(name for name, is_different in differs.items() if is_different)


def full_budget_note(evidence: Evidence, dataset: str) -> str:
    """Images and schedules of the runs on a data set at the preset "paper", or "" if they are the paper's."""
    if evidence.preset != "paper" or matches_paper(evidence, dataset):
        return ""
    unused = "" if dataset in PAPER_DATASETS else " (the paper does not use this data set)"
    return f"all images, {schedule_source(evidence, dataset)}{unused}"


def schedule_source(evidence: Evidence, dataset: str) -> str:
    """The source of the schedules of the runs on a data set, before a preset shortened them."""
    if dataset in evidence.datasets_with_own_settings:
        return "schedules of ours"
    rows = dict.fromkeys(map(str, evidence.runs.loc[evidence.runs["dataset"] == dataset, "protocol_row"]))
    names = " and ".join(DATASETS[row].label if row in DATASETS else row for row in rows)
    return f"Appendix B’s schedules for {names}"


def own_settings_note(evidence: Evidence, dataset: str, models: Iterable[str]) -> str:
    """Settings of some models' runs on a data set that are not the paper's; "" if all are."""
    models_by_note: dict[str, list[str]] = {}
    for model in models:
        if model in zoo.MODELS and evidence.preset in PRESETS and evidence.keys(model, dataset):
            row = str(evidence.runs.at[evidence.keys(model, dataset)[0], "protocol_row"])
            if row in protocols.rows(model) and (note := describe_own_settings(model, row, evidence.preset)):
                models_by_note.setdefault(note, []).append(model_label(model))
    if len(models_by_note) == 1:
        return next(iter(models_by_note))
    return ". ".join(f"{', '.join(names)}: {note}" for note, names in models_by_note.items())
