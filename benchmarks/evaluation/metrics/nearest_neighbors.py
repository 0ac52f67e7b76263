"""Precision, recall, density and coverage by k nearest neighbors."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.evaluation.metrics.features import Array, as_matrices

ROUNDING_ERROR = 1e-12  # squared distances below this fraction of the rows' own squares are 0: 2,048 sums of 1e-16
RADIUS_SLACK = 1e-9  # fraction added to a squared radius, so that rounding never excludes the k-th neighbor


def knn_metrics(real: ArrayLike, fake: ArrayLike, *, k: int = 5, chunk_size: int = 1000) -> dict[str, float]:
    """Improved precision and recall (Kynkäänniemi et al.), density and coverage (Naeem et al.); higher is better.

    A ball around each image reaches to its k-th nearest neighbor of the same set.  precision: fraction of generated
    images in some ball of a reference image; recall: fraction of reference images in some ball of a generated image;
    density: number of reference balls around a generated image, over k (may exceed 1); coverage: fraction of reference
    balls that hold a generated image.

    Args:
        real: features of reference images, (n, d).
        fake: features of generated images, (m, d).
        k: neighbors.
        chunk_size: rows of the distance matrix held at once.
    """
    a, b = as_matrices(real, fake)
    if min(len(a), len(b)) <= k:
        raise ValueError(f"{k} neighbors need more than {k} images of each kind, got {len(a)} and {len(b)}")
    center = a.mean(axis=0)  # this keeps the distances, and loses fewer digits
    a, b = a - center, b - center
    real_radii, fake_radii = _squared_radii(a, k, chunk_size), _squared_radii(b, k, chunk_size)
    n_real_balls, covered, recalled = np.zeros(len(b), np.int64), [], []
    for start in range(0, len(a), chunk_size):
        rows = slice(start, start + chunk_size)
        distance = squared_distances(a[rows], b)
        inside = distance <= real_radii[rows, None]
        n_real_balls += inside.sum(axis=0)
        covered.append(inside.any(axis=1))
        recalled.append((distance <= fake_radii).any(axis=1))
    return {
        "precision": float((n_real_balls > 0).mean()),
        "recall": float(np.concatenate(recalled).mean()),
        "density": float(n_real_balls.mean() / k),
        "coverage": float(np.concatenate(covered).mean()),
    }


def _squared_radii(x: Array, k: int, chunk_size: int) -> Array:
    """Squared distance of each row to its k-th nearest other row, and a little more."""
    starts = range(0, len(x), chunk_size)  # entry 0 of a sorted row is the row itself
    radii = [np.partition(squared_distances(x[s : s + chunk_size], x), k, axis=1)[:, k] for s in starts]
    return (1 + RADIUS_SLACK) * np.concatenate(radii)


def squared_distances(a: Array, b: Array) -> Array:
    """Squared Euclidean distances (n, m) of rows (n, d) and (m, d), by one matrix product.

    The product cannot tell a distance below its rounding error from 0.  Such distances are set to 0, so that equal rows
    are at distance 0 and duplicate images are recognized.
    """
    squares_a, squares_b = np.einsum("ij,ij->i", a, a)[:, None], np.einsum("ij,ij->i", b, b)[None]
    scale = squares_a + squares_b
    distance: Array = scale - 2 * (a @ b.T)
    distance[distance < ROUNDING_ERROR * scale] = 0.0
    return distance
