"""The few tests that claims are judged by: SciPy's, with their intervals, and what to do where nothing varies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from benchmarks.analysis import verdicts

# So many times the median of the others is far off: the diagnostics of seeds differ by less than 3 times in all our
# records but one, where something else went on
FAR = 1000
Key = TypeVar("Key")
LEVEL = verdicts.LEVEL  # after Holm’s correction where a claim makes several comparisons


@dataclass(frozen=True)
class Effect:
    """A number with its 95 % interval, and the p-value of its being zero; NaN where that is not what is tested."""

    value: float
    low: float
    high: float
    p: float

    @property
    def interval(self) -> Effect:
        """Of a test of the interval against a margin: the p-value, which is that of zero, is not the test's."""
        return Effect(self.value, self.low, self.high, math.nan)

    def exp(self) -> Effect:
        """Of logarithms' difference, the ratio."""
        return Effect(math.exp(self.value), math.exp(self.low), math.exp(self.high), self.p)


def far_off(values: Mapping[Key, float]) -> dict[Key, float]:
    """Those of some values that are more than `FAR` times the median of the others in size; {} of fewer than three."""
    sizes = {key: abs(value) for key, value in values.items()}
    if len(sizes) < verdicts.ENOUGH or max(sizes.values()) <= FAR * min(sizes.values()):
        return {}
    return {key: values[key] for key, size in sizes.items()
            if size > FAR * median(other for name, other in sizes.items() if name != key)}  # fmt: skip


def welch(a: ArrayLike, b: ArrayLike) -> Effect:
    """Difference of two means, a less b, by Welch's t-test, two-sided; two values at least on each side."""
    x, y = np.asarray(a, float), np.asarray(b, float)
    difference = float(x.mean() - y.mean())
    if np.ptp(x) == 0 and np.ptp(y) == 0:  # nothing varies: t has no denominator
        return _certain(difference)
    found = stats.ttest_ind(x, y, equal_var=False)
    interval = found.confidence_interval(1 - LEVEL)
    return Effect(difference, float(interval.low), float(interval.high), float(found.pvalue))


def paired(differences: ArrayLike) -> Effect:
    """Mean of differences within trainings, by Student's t-test, two-sided; two at least."""
    x = np.asarray(differences, float)
    if np.ptp(x) == 0:
        return _certain(float(x.mean()))
    found = stats.ttest_1samp(x, 0)
    interval = found.confidence_interval(1 - LEVEL)
    return Effect(float(x.mean()), float(interval.low), float(interval.high), float(found.pvalue))


def _certain(value: float) -> Effect:
    return Effect(value, value, value, 1.0 if value == 0 else 0.0)


def trend(x: Sequence[float], y: Sequence[float]) -> Effect:
    """Kendall's tau-b of two variables and its p-value; the interval is Fieller, Hartley and Pearson's, from five on.

    Args:
        x: few levels, several values at each.
        y: what may rise or fall with x.
    """
    found = stats.kendalltau(x, y)
    tau = float(found.statistic)
    if math.isnan(tau) or len(x) < 5:  # one level, or all values equal
        return Effect(0.0 if math.isnan(tau) else tau, -1.0, 1.0, 1.0)
    z, half = math.atanh(max(-1 + 1e-12, min(1 - 1e-12, tau))), stats.norm.ppf(1 - LEVEL / 2)
    error = math.sqrt(0.437 / (len(x) - 4))
    low, high = (math.tanh(z + sign * half * error) for sign in (-1, 1))
    return Effect(tau, low, high, float(found.pvalue))


def share(count: int, n: int) -> tuple[float, float]:
    """95 % interval of a share, Clopper and Pearson's."""
    interval = stats.binomtest(count, n).proportion_ci(1 - LEVEL)
    return float(interval.low), float(interval.high)


def holm(p: Sequence[float]) -> list[float]:
    """P-values corrected for their number, Holm's way: any below the level is significant among all."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    adjusted, highest = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, p[i] * (len(p) - rank)))
        adjusted[i] = highest
    return adjusted
