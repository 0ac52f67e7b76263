"""Does a published number reproduce?  An equivalence test for one number, and the order of several.

Two numbers that differ without significance are not thereby equal: a small experiment would reproduce everything.  So
the question is turned round (two one-sided tests; Schuirmann 1987): ours counts as reproduced where it is shown to lie
within a margin of the published value, as better or worse where it is shown to lie beyond the margin, and otherwise the
number of trainings cannot tell.  Every value here is one for which lower is better, as a Fréchet distance is.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
from scipy import stats

from benchmarks.execution.grid import MARGIN

TRIALS = 10  # behind each published mean and standard deviation (Table 1)
SPREADS = 2  # published standard deviations: the margin where they are more than that share
ENOUGH = 3  # trainings; with fewer, a spread is hardly known
LEVEL = 0.05  # of each test
SIGNS = {"reproduced": "≈", "better": "<", "worse": ">", "undecided": "?"}

DRAWS = 2_000
RANKED = 3  # models at least, for an order to be like another one


@dataclass(frozen=True)
class Verdict:
    """What a cell says of the published number.

    Attributes:
        low: lower end of the 95 % interval of our mean, by Student's t over trainings; None with fewer than two.
        high: its upper end.
        delta: ours less the published mean.
        delta_low: lower end of its 95 % interval, by Welch's t against the published spread.
        delta_high: its upper end.
        margin: differences up to here count as none.
        p: of the test behind the verdict, or, undecided, of the equivalence.
        word: a key of `SIGNS`; "" where the two numbers cannot be compared.
        why: what keeps it from being decided, or the numbers from being compared.
    """

    low: float | None = None
    high: float | None = None
    delta: float | None = None
    delta_low: float | None = None
    delta_high: float | None = None
    margin: float | None = None
    p: float | None = None
    word: str = ""
    why: str = ""


def interval(values: Sequence[float]) -> tuple[float | None, float | None]:
    """95 % interval of a mean, by Student's t; (None, None) with fewer than two values."""
    if len(values) < 2:
        return None, None
    half = float(stats.t.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return _figures(fmean(values) - half), _figures(fmean(values) + half)


def judge(values: Sequence[float], mean: float, std: float, *, share: float = MARGIN, trials: int = TRIALS) -> Verdict:
    """Compare our trainings with a published mean and spread.

    Args:
        values: ours, one per training; lower is better.
        mean: published.
        std: published, over `trials` trials.
        share: of the published mean, within which ours counts as equal; never less than `SPREADS` of its spreads.
        trials: behind the published numbers.

    Returns:
        the verdict; undecided with fewer than `ENOUGH` trainings.
    """
    low, high = interval(values)
    margin = _figures(max(share * abs(mean), SPREADS * std))
    if not values:
        return Verdict(margin=margin, why="no training is done")
    delta = round(fmean(values) - mean, 10)  # not 1.8e-15
    if len(values) < 2:
        return Verdict(delta=_figures(delta), margin=margin, word="undecided", why="1 training has no spread")
    error, freedom = welch(stdev(values), len(values), std, trials)
    half = float(stats.t.ppf(0.975, freedom)) * error
    chances = {
        "reproduced": max(_exceeds(-margin, delta, error, freedom), _exceeds(delta, margin, error, freedom)),
        "better": _exceeds(delta, -margin, error, freedom),
        "worse": _exceeds(margin, delta, error, freedom),
    }
    word, why = next((word for word, p in chances.items() if p < LEVEL), "undecided"), ""
    if len(values) < ENOUGH:
        word, why = "undecided", f"{len(values)} trainings are fewer than {ENOUGH}"
    elif word == "undecided":
        why = "the interval reaches across the margin"
    p = chances.get(word, chances["reproduced"])
    delta_low, delta_high = _figures(delta - half), _figures(delta + half)
    return Verdict(low, high, _figures(delta), delta_low, delta_high, margin, _figures(p), word, why)


def _figures(value: float) -> float:
    """Eight figures: the last ones of a t distribution's quantile are another in every version of SciPy."""
    return float(f"{value:.8g}")


def welch(std: float, n: int, other: float, trials: int) -> tuple[float, float]:
    """Standard error of the difference of two means, and its degrees of freedom (Welch, Satterthwaite)."""
    a, b = std**2 / n, other**2 / trials
    if not a + b:
        return 0.0, n + trials - 2.0
    return math.sqrt(a + b), (a + b) ** 2 / (a**2 / (n - 1) + b**2 / (trials - 1))


def _exceeds(low: float, high: float, error: float, freedom: float) -> float:
    """p of the test whose alternative is low < high, where the standard error is that of either."""
    t = (high - low) / error if error else math.copysign(math.inf, high - low) if high != low else 0.0
    return float(stats.t.sf(t, freedom))


# --- the order of several models


@dataclass(frozen=True)
class Order:
    """How models rank, the lowest first.

    Attributes:
        models: those that both have, in the published order.
        rho: Spearman's rank correlation of their values with the published ones; None with fewer than `RANKED`.
        low: lower end of its 95 % interval, were the trainings drawn again, as `ranks` draws; None
            where one of them has fewer than `ENOUGH`.
        high: its upper end.
        chances: model -> probability of each rank, among those with `ENOUGH` trainings.
    """

    models: tuple[str, ...]
    rho: float | None
    chances: Mapping[str, tuple[float, ...]]
    low: float | None = None
    high: float | None = None


def order(values: Mapping[str, Sequence[float]], published: Mapping[str, float]) -> Order:
    """The order of models by their means, against a published order.

    Args:
        values: model -> ours, one per training.
        published: model -> published mean, of whatever scale: only its order counts.
    """
    both = sorted(
        (model for model, ours in values.items() if ours and model in published), key=lambda m: (published[m], m)
    )
    rho = None
    if len(both) >= RANKED and len({fmean(values[model]) for model in both}) > 1:
        found = stats.spearmanr([fmean(values[model]) for model in both], [published[model] for model in both])
        rho = float(found.statistic)
    chances = ranks({m: ours for m, ours in values.items() if len(ours) >= ENOUGH})
    ends = _spread_of_rho({m: values[m] for m in both}, published) if rho is not None else (None, None)
    return Order(tuple(both), rho, chances, *ends)


def _spread_of_rho(
    values: Mapping[str, Sequence[float]], published: Mapping[str, float]
) -> tuple[float | None, float | None]:
    """95 % of Spearman's rank correlations with the published order when trainings are drawn again."""
    if any(len(ours) < ENOUGH for ours in values.values()):
        return None, None
    means = np.stack([_drawn_again(model, ours)[0] for model, ours in values.items()])
    ours = stats.rankdata(means, axis=0)  # (models, draws)
    theirs = stats.rankdata([published[model] for model in values])
    ours, theirs = ours - ours.mean(axis=0), theirs - theirs.mean()
    norms = np.sqrt((ours**2).sum(axis=0) * (theirs**2).sum())
    found = (theirs @ ours)[norms > 0] / norms[norms > 0]  # none where all means of a draw are equal
    return (float(np.percentile(found, 2.5)), float(np.percentile(found, 97.5))) if len(found) else (None, None)


def ranks(values: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, ...]]:
    """Probability that a model has each rank, were the trainings drawn again: a parametric bootstrap.

    A mean of n trainings is drawn as mean + t s / √n, t from Student's distribution with n - 1 degrees of freedom.
    Drawing from the trainings themselves would be too sure of few: three have 27 resamples, none beyond the lowest and
    the highest, by which one of two equal models is the better one with probability 1.00 in one case of ten.

    Args:
        values: model -> one value per training, two or more each.

    Returns:
        model -> one probability per rank, the lowest mean first, whatever the order of the models; {} with fewer than
        two.
    """
    if len(values) < 2:
        return {}
    drawn = [_drawn_again(model, ours) for model, ours in values.items()]
    means, ties = np.stack([means for means, _ in drawn]), np.stack([ties for _, ties in drawn])
    # (models, draws); equal means take turns
    sorted_models = np.lexsort((ties, means), axis=0)
    found = {}
    for i, model in enumerate(values):
        counts = (sorted_models == i).sum(axis=1)
        found[model] = tuple(float(count) / DRAWS for count in counts)
    return found


def _drawn_again(model: str, ours: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """A mean per draw, and a number per draw that breaks ties.

    The stream is the model's own, so that neither the other models nor their order change a probability.
    """
    # RandomState, as its stream is frozen: a table comes back to the byte under any version of numpy.
    seed = np.frombuffer(hashlib.sha256(model.encode()).digest(), dtype="<u4")
    random = np.random.RandomState(seed)
    error = stdev(ours) / math.sqrt(len(ours))
    means = fmean(ours) + error * random.standard_t(len(ours) - 1, DRAWS)
    return means, random.random_sample(DRAWS)
