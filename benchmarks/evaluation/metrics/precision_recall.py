"""Precision and recall for distributions (Sajjadi et al.; Appendix F and Table 6 of the paper)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.evaluation.metrics.features import Array, as_matrices

EPSILON = 1e-10  # keeps angles off 0 and a right angle, and F's denominator off 0, as the published code does
PCA_COMPONENTS = 64  # of `prd_pca64`


def prd(
    *, real: ArrayLike, fake: ArrayLike, clusters: int = 20, runs: int = 10, angles: int = 1001, seed: int = 0
) -> dict[str, float]:
    """Precision and recall for distributions: {"f8": recall, "f1/8": precision}, each in [0, 1], higher is better.

    Arguments are keywords, because the order matters: the published README swaps the sets, which swaps the numbers.

    Args:
        real: features of reference images, (n, d).
        fake: features of generated images, (n, d), as many.
        clusters: number of clusters of the union of both sets, by mini-batch k-means with batches of 100
            (scikit-learn's default when PRD was published; it is 1024 now).
        runs: independent clusterings, whose curves are averaged.
        angles: slopes of the curve.
        seed: of the clusterings.
    """
    return _f_scores(*prd_curve(real=real, fake=fake, clusters=clusters, runs=runs, angles=angles, seed=seed))


def prd_curve(
    *, real: ArrayLike, fake: ArrayLike, clusters: int = 20, runs: int = 10, angles: int = 1001, seed: int = 0
) -> tuple[Array, Array]:
    """The whole curve: precision and recall, each (angles,), from slope 0 to slope infinity.  Arguments as `prd`.

    Raises:
        ValueError: sets of different sizes, which would bias the curve, or fewer images than clusters.
    """
    from sklearn.cluster import MiniBatchKMeans  # imported here: it takes a second

    a, b = as_matrices(real, fake)
    if len(a) != len(b):
        raise ValueError(f"PRD needs as many real as generated images, got {len(a)} real and {len(b)} fake images")
    if len(a) < clusters:
        raise ValueError(f"PRD with {clusters} clusters needs at least {clusters} images of each kind, got {len(a)}")
    curves = []
    for run in range(runs):
        k_means = MiniBatchKMeans(clusters, n_init=10, batch_size=100, random_state=seed + run)
        labels = k_means.fit(np.concatenate([a, b])).labels_
        p, q = (np.bincount(side, minlength=clusters) / len(side) for side in (labels[: len(a)], labels[len(a) :]))
        curves.append(prd_of_histograms(real=p, fake=q, angles=angles))
    precision, recall = np.mean(curves, axis=0)
    return precision, recall


def prd_pca64(*, real: ArrayLike, fake: ArrayLike, seed: int = 0) -> dict[str, float]:
    """As `prd`, by a faster algorithm with other values: for progress curves, never for a table.

    The union is clustered by its first 64 principal components, found by two power iterations in float32.  Its values
    differ from those of `prd`; `python -m benchmarks.perf.metric_cost` measures by how much.
    """
    from sklearn.decomposition import PCA  # imported here: it takes a second

    a, b = as_matrices(real, fake)
    union = np.concatenate([a, b]).astype(np.float32)
    n_components = min(PCA_COMPONENTS, *union.shape)
    pca = PCA(n_components, svd_solver="randomized", iterated_power=2, random_state=seed)
    reduced = pca.fit_transform(union)
    return _f_scores(*prd_curve(real=reduced[: len(a)], fake=reduced[len(a) :], seed=seed))


def prd_of_histograms(*, real: ArrayLike, fake: ArrayLike, angles: int = 1001) -> tuple[Array, Array]:
    """Precision and recall of two distributions over the same bins, eqs. (5) and (6) of Sajjadi et al."""
    p, q = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    slopes = np.tan(np.linspace(EPSILON, np.pi / 2 - EPSILON, angles))
    precision = np.minimum(p * slopes[:, None], q).sum(axis=1)
    return precision.clip(0, 1), (precision / slopes).clip(0, 1)


def _f_scores(precision: Array, recall: Array) -> dict[str, float]:
    return {"f8": _f_beta(precision, recall, 8.0), "f1/8": _f_beta(precision, recall, 1 / 8)}


def _f_beta(precision: Array, recall: Array, beta: float) -> float:
    f = (1 + beta**2) * precision * recall / (beta**2 * precision + recall + EPSILON)
    return float(f.max())
