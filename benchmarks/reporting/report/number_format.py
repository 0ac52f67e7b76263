"""How the report writes numbers, durations and names."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.data.datasets import DATASETS

SIGNIFICANT_FIGURES = 3  # of the largest of some numbers that are printed together


def dataset_label(dataset: str) -> str:
    """A data set's name as tables print it; an image folder is printed by its own name."""
    return DATASETS[dataset].label if dataset in DATASETS else dataset


def format_count(value: Any) -> str:
    """A whole number with thousands separators; "?" if the record has none."""
    return f"{value:,}" if isinstance(value, int) else "?"


def format_number(value: float | None) -> str:
    """A number in four figures, or a dash."""
    return "—" if value is None or math.isnan(value) else use_minus_sign(f"{value:z.4g}")


def format_fixed(value: float | None, decimals: int) -> str:
    """A number with a fixed number of decimals, or a dash."""
    return "—" if value is None or math.isnan(value) else use_minus_sign(f"{value:z.{decimals}f}")


def format_together(*values: float) -> list[str]:
    """Numbers with the same number of decimals, such as an estimate and the ends of its interval."""
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    if largest and not 1e-3 <= largest < 1e5:
        return [use_minus_sign(f"{v:.{SIGNIFICANT_FIGURES}g}") for v in values]
    decimals = max(0, SIGNIFICANT_FIGURES - 1 - math.floor(math.log10(largest))) if largest else 0
    # An end of an interval that is not zero must not be printed as zero
    while decimals < 6 and any(v and math.isfinite(v) and float(f"{v:.{decimals}f}") == 0 for v in values):
        decimals += 1
    return [use_minus_sign(f"{v:z.{decimals}f}") for v in values]


def use_minus_sign(number: str) -> str:
    """The number with a minus sign in place of a leading hyphen; exponents keep theirs."""
    return f"−{number[1:]}" if number.startswith("-") else number


def format_duration(seconds: float) -> str:
    """A duration in seconds, minutes or hours."""
    size, unit = (3600, "h") if seconds >= 7200 else (60, "min") if seconds >= 120 else (1, "s")
    return f"{seconds / size:.2g} {unit}" if seconds < 10 * size else f"{seconds / size:.0f} {unit}"


def count_runs(n: int) -> str:
    """A number of runs: "1 run", "2 runs"."""
    return f"{n} run{'s' * (n != 1)}"
