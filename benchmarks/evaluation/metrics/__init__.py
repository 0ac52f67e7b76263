"""Metrics on feature matrices (n, d), in float64, and their registry `METRICS`.

Each module holds one metric.  Nothing here knows models, images or records.
Importing this package loads neither torch, SciPy nor scikit-learn: the command line lists metrics without them.
"""

from benchmarks.evaluation.metrics.features import FeatureSet, Moments, moments
from benchmarks.evaluation.metrics.frechet import frechet_distance, frechet_from_moments, frechet_with_fallbacks
from benchmarks.evaluation.metrics.kernel_distance import kid
from benchmarks.evaluation.metrics.nearest_neighbors import knn_metrics, squared_distances
from benchmarks.evaluation.metrics.precision_recall import prd, prd_curve, prd_of_histograms, prd_pca64
from benchmarks.evaluation.metrics.registry import FD, METRICS, Metric

__all__ = [
    "FD",
    "METRICS",
    "FeatureSet",
    "Metric",
    "Moments",
    "frechet_distance",
    "frechet_from_moments",
    "frechet_with_fallbacks",
    "kid",
    "knn_metrics",
    "moments",
    "prd",
    "prd_curve",
    "prd_of_histograms",
    "prd_pca64",
    "squared_distances",
]
