"""The order of several models by their distances, its agreement with a published order, and how certain it is."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
from scipy import stats

from benchmarks.analysis.verdicts import MIN_RUNS

BOOTSTRAP_DRAWS = 2_000
MIN_RANKED_MODELS = 3  # fewer models have no rank correlation


@dataclass(frozen=True)
class Ranking:
    """How models rank by their mean distance, the lowest first.

    Attributes:
        models: those that both our records and the paper have, in the published order.
        rho: Spearman's rank correlation of our means with the published ones; None with fewer than
            `MIN_RANKED_MODELS` models.
        rank_probabilities: model -> probability of each rank, among the models with `MIN_RUNS` runs.
        low: lower end of the 95 % bootstrap interval of rho; None if a model has fewer than `MIN_RUNS` runs.
        high: its upper end.
    """

    models: tuple[str, ...]
    rho: float | None
    rank_probabilities: Mapping[str, tuple[float, ...]]
    low: float | None = None
    high: float | None = None


def rank_models(values: Mapping[str, Sequence[float]], published: Mapping[str, float]) -> Ranking:
    """Rank models by their means and compare the order with the published one.

    Args:
        values: model -> ours, one per run.
        published: model -> published mean, on any scale: only its order counts.
    """
    common = sorted(
        (model for model, ours in values.items() if ours and model in published), key=lambda m: (published[m], m)
    )
    rho = None
    if len(common) >= MIN_RANKED_MODELS and len({fmean(values[model]) for model in common}) > 1:
        result = stats.spearmanr([fmean(values[model]) for model in common], [published[model] for model in common])
        rho = float(result.statistic)
    probabilities = rank_probabilities({m: ours for m, ours in values.items() if len(ours) >= MIN_RUNS})
    interval = _rho_interval({m: values[m] for m in common}, published) if rho is not None else (None, None)
    return Ranking(tuple(common), rho, probabilities, *interval)


def _rho_interval(
    values: Mapping[str, Sequence[float]], published: Mapping[str, float]
) -> tuple[float | None, float | None]:
    """95 % bootstrap interval of Spearman's rank correlation with the published order."""
    if any(len(ours) < MIN_RUNS for ours in values.values()):
        return None, None
    means = np.stack([_bootstrap_means(model, ours)[0] for model, ours in values.items()])
    ours = stats.rankdata(means, axis=0)  # (models, draws)
    theirs = stats.rankdata([published[model] for model in values])
    ours, theirs = ours - ours.mean(axis=0), theirs - theirs.mean()
    norms = np.sqrt((ours**2).sum(axis=0) * (theirs**2).sum())
    rhos = (theirs @ ours)[norms > 0] / norms[norms > 0]  # a draw whose means are all equal has none
    return (float(np.percentile(rhos, 2.5)), float(np.percentile(rhos, 97.5))) if len(rhos) else (None, None)


def rank_probabilities(values: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, ...]]:
    """Probability of each rank of a model if the runs were repeated, by a parametric bootstrap.

    A mean of n runs is drawn as mean + t s / √n; t has Student's distribution with n - 1 degrees of freedom.
    Resampling the runs themselves would be overconfident: three runs have only 27 resamples, all within their range. In
    one of ten cases, one of two equal models would come out as better with probability 1.00.

    Args:
        values: model -> one value per run, two or more each.

    Returns:
        model -> one probability per rank, the lowest mean first; {} with fewer than two models.  The order of `values`
        does not matter.
    """
    if len(values) < 2:
        return {}
    draws = [_bootstrap_means(model, ours) for model, ours in values.items()]
    means, tie_breakers = np.stack([means for means, _ in draws]), np.stack([ties for _, ties in draws])
    # (models, draws); models with equal means take turns
    sorted_models = np.lexsort((tie_breakers, means), axis=0)
    probabilities = {}
    for i, model in enumerate(values):
        counts = (sorted_models == i).sum(axis=1)
        probabilities[model] = tuple(float(count) / BOOTSTRAP_DRAWS for count in counts)
    return probabilities


def _bootstrap_means(model: str, values: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """A mean and a tie breaker for each bootstrap draw.

    The random stream depends on the model's name only: adding or reordering models does not change a probability.
    """
    # RandomState's stream is frozen: every version of NumPy gives the same table
    seed = np.frombuffer(hashlib.sha256(model.encode()).digest(), dtype="<u4")
    random = np.random.RandomState(seed)
    error = stdev(values) / math.sqrt(len(values))
    means = fmean(values) + error * random.standard_t(len(values) - 1, BOOTSTRAP_DRAWS)
    return means, random.random_sample(BOOTSTRAP_DRAWS)
