"""METRICS: the metrics by name, their columns in records, and which direction is better.

This module and all that it imports load neither torch, SciPy nor scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.evaluation.metrics.features import FeatureSet
from benchmarks.evaluation.metrics.frechet import frechet_with_fallbacks
from benchmarks.evaluation.metrics.kernel_distance import kid
from benchmarks.evaluation.metrics.nearest_neighbors import knn_metrics
from benchmarks.evaluation.metrics.precision_recall import prd

FD = "fd"  # stands for the column that the extractor names: fid, fd_classifier, ...


@dataclass(frozen=True)
class Metric:
    """One row of `METRICS`.

    Attributes:
        columns: column of each value in records -> "lower" or "higher", whichever is better, or "spread".
        parameters: its parameters in words. Records store them beside the values. Change them whenever the
            computation changes: stored values with other parameters are computed again.
        compute: (reference images, generated images) -> values by column, and the number of numerical fallbacks.
    """

    columns: Mapping[str, str]
    parameters: str
    compute: Callable[[FeatureSet, FeatureSet], tuple[dict[str, float], int]]


def _fd(real: FeatureSet, fake: FeatureSet) -> tuple[dict[str, float], int]:
    a, b = real.moments, fake.moments
    value, fallbacks = frechet_with_fallbacks(a.mean, a.cov, b.mean, b.cov)
    return {FD: value}, fallbacks


def _prd(real: FeatureSet, fake: FeatureSet) -> tuple[dict[str, float], int]:
    n = min(len(real.features), len(fake.features))  # sets of different sizes would bias the curve
    scores = prd(real=real.features[:n], fake=fake.features[:n])
    return {"prd_f8": scores["f8"], "prd_f1_8": scores["f1/8"]}, 0


def _knn(real: FeatureSet, fake: FeatureSet) -> tuple[dict[str, float], int]:
    n = min(len(real.features), len(fake.features))  # balls shrink as images become more
    values = knn_metrics(real.features[:n], fake.features[:n])
    return {f"knn_{name}": value for name, value in values.items()}, 0  # records have another "precision"


# The strings in `parameters` are stored in records: a changed word makes all stored values stale.
METRICS: dict[str, Metric] = {
    "fd": Metric({FD: "lower"}, "as the metric protocol says", _fd),
    "prd": Metric(
        {"prd_f8": "higher", "prd_f1_8": "higher"},
        "equal numbers, 20 clusters of the union, batches of 100, 10 starts, 10 clusterings, 1001 angles, seed 0",
        _prd,
    ),
    "kid": Metric(
        {"kid_mean": "lower", "kid_std": "spread"},
        "kernel (x.y / d + 1)^3, unbiased, 100 subsets of at most 1,000, seed 0",
        lambda real, fake: (kid(real.features, fake.features), 0),
    ),
    "neighbours": Metric(
        dict.fromkeys(("knn_precision", "knn_recall", "knn_density", "knn_coverage"), "higher"),
        "equal numbers, balls to the 5th neighbour",
        _knn,
    ),
}
