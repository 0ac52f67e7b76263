"""Settings in words: values as people read them, and what differs from the paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import zoo
from benchmarks.presets import PRESETS
from benchmarks.protocols import OURS, row, rows


def describe_own_settings(model: str, dataset: str, preset: str) -> str | None:
    """A caption's note on settings that are not the paper's, or None."""
    base, lender = rows(model)[row(model, dataset)], zoo.entry(model).like
    parts = [f"borrowed from {lender}"] if lender else []
    if base.source.startswith(OURS) or (zoo.is_external(model) and not lender):
        parts.append(base.source or "its own")
    own = PRESETS[preset].lr.get(lender or model, {})
    stages: dict[str, list[str]] = {}
    for stage, lr in own.items():
        if lr != base.stages[stage].lr:
            stages.setdefault(show(lr), []).append(stage)
    parts += [f"lr {lr} in stage{'s' * (len(s) > 1)} {' and '.join(s)}" for lr, s in stages.items()]
    return "; ".join(parts) or None


def show(value: Any) -> str:
    """Format a setting for people: 1e-3, or "ae 1e-3, adversary 5e-4"."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {show(part)}" for name, part in value.items())
    if isinstance(value, tuple):
        return ", ".join(map(show, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
