"""The statistical tests behind the claims: SciPy's, with intervals, and defined also if all values are equal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from benchmarks.analysis import verdicts

# An outlier is this many times the median of the others.  In our records the diagnostics of seeds differ by less than 3
# times, except in one run that went wrong
OUTLIER_FACTOR = 1000
Key = TypeVar("Key")
SIGNIFICANCE_LEVEL = verdicts.SIGNIFICANCE_LEVEL  # after Holm’s correction where a claim makes several comparisons


@dataclass(frozen=True)
class Effect:
    """An estimate with its 95 % interval, and the p-value of the hypothesis that it is zero (NaN if not tested)."""

    value: float
    low: float
    high: float
    p: float

    def without_p(self) -> Effect:
        """The same without a p-value, for an interval that is compared with a margin."""
        return replace(self, p=math.nan)

    def exp(self) -> Effect:
        """The ratio, if the estimate is a difference of logarithms."""
        return Effect(math.exp(self.value), math.exp(self.low), math.exp(self.high), self.p)


def find_outliers(values: Mapping[Key, float]) -> dict[Key, float]:
    """The values above `OUTLIER_FACTOR` times the median of the others, in absolute value; {} with fewer than three."""
    sizes = {key: abs(value) for key, value in values.items()}
    if len(sizes) < verdicts.MIN_RUNS or max(sizes.values()) <= OUTLIER_FACTOR * min(sizes.values()):
        return {}
    return {key: values[key] for key, size in sizes.items()
            if size > OUTLIER_FACTOR * median(other for name, other in sizes.items() if name != key)}  # fmt: skip


def welch_t_test(a: ArrayLike, b: ArrayLike) -> Effect:
    """Difference of two means, a less b, by Welch's two-sided t-test; each side has at least two values."""
    x, y = np.asarray(a, float), np.asarray(b, float)
    difference = float(x.mean() - y.mean())
    if np.ptp(x) == 0 and np.ptp(y) == 0:  # nothing varies: t has no denominator
        return _exact_effect(difference)
    result = stats.ttest_ind(x, y, equal_var=False)
    interval = result.confidence_interval(1 - SIGNIFICANCE_LEVEL)
    return Effect(difference, float(interval.low), float(interval.high), float(result.pvalue))


def paired_t_test(differences: ArrayLike) -> Effect:
    """Mean of differences within runs, by Student's two-sided t-test; there are at least two."""
    x = np.asarray(differences, float)
    if np.ptp(x) == 0:
        return _exact_effect(float(x.mean()))
    result = stats.ttest_1samp(x, 0)
    interval = result.confidence_interval(1 - SIGNIFICANCE_LEVEL)
    return Effect(float(x.mean()), float(interval.low), float(interval.high), float(result.pvalue))


def _exact_effect(value: float) -> Effect:
    return Effect(value, value, value, 1.0 if value == 0 else 0.0)


def kendall_tau(x: Sequence[float], y: Sequence[float]) -> Effect:
    """Kendall's tau-b of two variables and its p-value; the interval is Fieller, Hartley and Pearson's.

    Args:
        x: a variable with few levels and several observations at each.
        y: the observations.

    Returns:
        tau; with fewer than five values the interval is -1 to 1 and p is 1.
    """
    result = stats.kendalltau(x, y)
    tau = float(result.statistic)
    if math.isnan(tau) or len(x) < 5:  # one level, or all values equal
        return Effect(0.0 if math.isnan(tau) else tau, -1.0, 1.0, 1.0)
    z, quantile = math.atanh(max(-1 + 1e-12, min(1 - 1e-12, tau))), stats.norm.ppf(1 - SIGNIFICANCE_LEVEL / 2)
    error = math.sqrt(0.437 / (len(x) - 4))
    low, high = (math.tanh(z + sign * quantile * error) for sign in (-1, 1))
    return Effect(tau, low, high, float(result.pvalue))


def proportion_interval(count: int, n: int) -> tuple[float, float]:
    """Clopper and Pearson's 95 % interval of a proportion."""
    interval = stats.binomtest(count, n).proportion_ci(1 - SIGNIFICANCE_LEVEL)
    return float(interval.low), float(interval.high)


def holm_correction(p: Sequence[float]) -> list[float]:
    """P-values corrected for multiple comparisons by Holm's method, in the same order."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    corrected, highest = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, p[i] * (len(p) - rank)))
        corrected[i] = highest
    return corrected


def correct_together(tests: Mapping[Key, Effect]) -> dict[Key, Effect]:
    """The same tests with p-values corrected for all of them by Holm's method."""
    corrected = holm_correction([test.p for test in tests.values()])
    return {name: replace(test, p=p) for (name, test), p in zip(tests.items(), corrected, strict=True)}
