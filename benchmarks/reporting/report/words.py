"""How the report writes numbers, times and names."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.data.datasets import DATASETS

FIGURES = 3  # of the largest of some numbers that stand together


def label(dataset: str) -> str:
    """Of a data set, as tables print it; a folder's name is its label."""
    return DATASETS[dataset].label if dataset in DATASETS else dataset


def count(value: Any) -> str:
    """A whole number with its thousands apart, or ? where a record does not say."""
    return f"{value:,}" if isinstance(value, int) else "?"


def number(value: float | None) -> str:
    """A number in four digits, or a dash."""
    return "—" if value is None or math.isnan(value) else minus(f"{value:.4g}")


def fixed(value: float | None, decimals: int) -> str:
    """A number with as many decimals as what it stands beside, or a dash."""
    return "—" if value is None or math.isnan(value) else minus(f"{value:.{decimals}f}")


def alike(*values: float) -> list[str]:
    """Numbers that stand together, such as an interval and what it is of: all with the same decimals."""
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    if largest and not 1e-3 <= largest < 1e5:
        return [minus(f"{v:.{FIGURES}g}") for v in values]
    decimals = max(0, FIGURES - 1 - math.floor(math.log10(largest))) if largest else 0
    # An end of an interval that is not zero must not be printed as if it were
    while decimals < 6 and any(v and math.isfinite(v) and float(f"{v:.{decimals}f}") == 0 for v in values):
        decimals += 1
    return [minus(f"{v:.{decimals}f}") for v in values]


def minus(text: str) -> str:
    """The same number with a minus that is no hyphen, but in an exponent."""
    return f"−{text[1:]}" if text.startswith("-") else text


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    size, unit = (3600, "h") if seconds >= 7200 else (60, "min") if seconds >= 120 else (1, "s")
    return f"{seconds / size:.2g} {unit}" if seconds < 10 * size else f"{seconds / size:.0f} {unit}"


def trainings(n: int) -> str:
    """How many trainings, in words."""
    return f"{n} training{'s' * (n != 1)}"
