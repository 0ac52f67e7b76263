"""Does a published number reproduce?  An equivalence test of our runs against one published mean.

A test of difference is not enough: with few runs it would find no difference, and every number would count as
reproduced. Two one-sided tests (Schuirmann 1987) are used instead. The published mean is reproduced if our mean is
shown to lie within a margin of it. Ours is better or worse if it is shown to lie beyond the margin. Otherwise there are
too few runs to decide. All values are distances: lower is better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy import stats

from benchmarks.execution.requirements import MARGIN

PUBLISHED_TRIALS = 10  # behind each published mean and standard deviation (Table 1)
MARGIN_STDS = 2  # the margin is at least this many published standard deviations
MIN_RUNS = 3  # fewer runs do not estimate a standard deviation
SIGNIFICANCE_LEVEL = 0.05  # of each test
VERDICT_SIGNS = {"reproduced": "≈", "better": "<", "worse": ">", "undecided": "?"}


@dataclass(frozen=True)
class Verdict:
    """How our mean of some runs compares with a published mean.

    Attributes:
        low: lower end of the 95 % interval of our mean, by Student's t over runs; None with fewer than two runs.
        high: its upper end.
        delta: our mean minus the published mean.
        delta_low: lower end of its 95 % interval, by Welch's t against the published standard deviation.
        delta_high: its upper end.
        margin: smaller differences count as none.
        p: p-value of the test behind the outcome; of the equivalence test if the outcome is "undecided".
        outcome: a key of `VERDICT_SIGNS`; "" if the two numbers cannot be compared.
        reason: why the outcome is undecided, or why the numbers cannot be compared.
    """

    low: float | None = None
    high: float | None = None
    delta: float | None = None
    delta_low: float | None = None
    delta_high: float | None = None
    margin: float | None = None
    p: float | None = None
    outcome: str = ""
    reason: str = ""


def mean_interval(values: Sequence[float]) -> tuple[float | None, float | None]:
    """95 % interval of a mean, by Student's t; (None, None) with fewer than two values."""
    if len(values) < 2:
        return None, None
    half_width = float(stats.t.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return _round(fmean(values) - half_width), _round(fmean(values) + half_width)


def compare_with_published(
    values: Sequence[float],
    mean: float,
    std: float,
    *,
    relative_margin: float = MARGIN,
    trials: int = PUBLISHED_TRIALS,
) -> Verdict:
    """Compare our runs with a published mean and standard deviation.

    Args:
        values: ours, one per run; lower is better.
        mean: published.
        std: published, over `trials` trials.
        relative_margin: share of the published mean within which ours counts as equal.  The margin is never less than
            `MARGIN_STDS` published standard deviations.
        trials: behind the published numbers.

    Returns:
        the verdict; undecided with fewer than `MIN_RUNS` runs.
    """
    low, high = mean_interval(values)
    margin = _round(max(relative_margin * abs(mean), MARGIN_STDS * std))
    if not values:
        return Verdict(margin=margin, reason="no run is done")
    delta = round(fmean(values) - mean, 10)  # 0 instead of a rounding error such as 1.8e-15
    if len(values) < 2:
        return Verdict(delta=_round(delta), margin=margin, outcome="undecided", reason="one run has no spread")
    error, degrees = welch_error(stdev(values), len(values), std, trials)
    half_width = float(stats.t.ppf(0.975, degrees)) * error
    p_values = {
        "reproduced": max(_p_less(-margin, delta, error, degrees), _p_less(delta, margin, error, degrees)),
        "better": _p_less(delta, -margin, error, degrees),
        "worse": _p_less(margin, delta, error, degrees),
    }
    outcome = next((name for name, p in p_values.items() if p < SIGNIFICANCE_LEVEL), "undecided")
    reason = ""
    if len(values) < MIN_RUNS:
        outcome, reason = "undecided", f"{len(values)} runs are fewer than {MIN_RUNS}"
    elif outcome == "undecided":
        reason = "the interval crosses the margin"
    p = p_values.get(outcome, p_values["reproduced"])
    delta_low, delta_high = _round(delta - half_width), _round(delta + half_width)
    return Verdict(low, high, _round(delta), delta_low, delta_high, margin, _round(p), outcome, reason)


def _round(value: float) -> float:
    """Round to eight digits. The last digits of SciPy's quantiles of t differ between versions."""
    return float(f"{value:.8g}")


def welch_error(std: float, n: int, other_std: float, other_n: int) -> tuple[float, float]:
    """Standard error of the difference of two means, and its degrees of freedom (Welch, Satterthwaite)."""
    a, b = std**2 / n, other_std**2 / other_n
    if not a + b:
        return 0.0, n + other_n - 2.0
    return math.sqrt(a + b), (a + b) ** 2 / (a**2 / (n - 1) + b**2 / (other_n - 1))


def _p_less(low: float, high: float, error: float, degrees: float) -> float:
    """p-value of the test whose alternative is low < high; `error` is the standard error of their difference."""
    t = (high - low) / error if error else math.copysign(math.inf, high - low) if high != low else 0.0
    return float(stats.t.sf(t, degrees))
