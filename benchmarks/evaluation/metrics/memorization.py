"""Memorization: whether images are closer to the training images than test images are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.evaluation.metrics.features import Array, as_matrices
from benchmarks.evaluation.metrics.nearest_neighbors import squared_distances

CLOSE = 0.05  # share of the test images that are as close as "close" means
COPY_RATIO = 1 / 3  # of the distances to the nearest and the second nearest training image: Yoon et al. (2023)
MAX_ENTRIES = 10_000_000  # of the distance matrix held at once: 80 MB


@dataclass(frozen=True)
class Neighbors:
    """The training images nearest to each of n images.

    Attributes:
        index: (n,) of the nearest training image; of equal ones, the first.
        distance: (n,) to it, Euclidean, in the features' unit.
        second: (n,) distance to the second nearest training image.
    """

    index: NDArray[np.int64]
    distance: Array
    second: Array


def nearest_training_images(images: ArrayLike, train: ArrayLike, *, max_entries: int = MAX_ENTRIES) -> Neighbors:
    """Search the nearest training images by Euclidean distance, in float64.

    Args:
        images: features, (n, d).
        train: features of training images, (m, d); m is at least 2.
        max_entries: entries of the distance matrix held at once.

    Raises:
        ValueError: fewer than two training images, or features that are no finite matrices of one width.
    """
    a, b = as_matrices(images, train)
    if len(b) < 2:
        raise ValueError(f"the second nearest training image needs at least 2 of them, got {len(b)}")
    center = b.mean(axis=0)  # this keeps the distances, and loses fewer digits
    a, b = a - center, b - center
    rows = max(1, max_entries // len(b))
    index, nearest = [], []
    for start in range(0, len(a), rows):
        squares = squared_distances(a[start : start + rows], b)
        index.append(squares.argmin(axis=1))
        nearest.append(np.sqrt(np.partition(squares, 1, axis=1)[:, :2]))
    distances = np.concatenate(nearest)
    return Neighbors(np.concatenate(index), distances[:, 0], distances[:, 1])


def summarize_memorization(images: Neighbors, test: Neighbors) -> dict[str, float]:
    """Compare distances to the nearest training image with those of test images, which no model can have copied.

    Args:
        images: neighbors of the images in question, such as samples.
        test: neighbors of the test images, in the same features, among the same training images.

    Returns:
        smallest, median: of the distances of `images`.
        median_ratio: that median over the one of the test images; below 1 if `images` are closer.  NaN for 0 over 0.
        close: share of `images` that are closer than all but 5 % of the test images; 0.05 is expected without copying.
        copies: share of `images` whose nearest training image is less than a third as far as the second nearest one,
            or at distance 0.  Not every such image is a copy: compare with the share of the test images.
        p_farther: probability that an image is farther from its nearest training image than a test image is, plus half
            the probability of equal distances; 0.5 without copying.
        z: the same as a standardized Mann-Whitney statistic, corrected for ties; far below 0 means copying, as in the
            test of Meehan et al. (2020), which splits the images into cells first.  It grows with the number of images.
    """
    p_farther, z = mann_whitney(images.distance, test.distance)
    median, test_median = float(np.median(images.distance)), float(np.median(test.distance))
    is_copy = (images.distance < COPY_RATIO * images.second) | (images.distance == 0)
    return {
        "smallest": float(images.distance.min()),
        "median": median,
        "median_ratio": median / test_median if test_median else float("inf") if median else float("nan"),
        "close": float((images.distance < np.quantile(test.distance, CLOSE)).mean()),
        "copies": float(is_copy.mean()),
        "p_farther": p_farther,
        "z": z,
    }


def mann_whitney(a: ArrayLike, b: ArrayLike) -> tuple[float, float]:
    """Probability that a value of `a` is larger than one of `b`, with half of the ties, and its z score.

    Under the hypothesis of one distribution, z is about standard normal.  It is 0 if all values are equal.
    """
    from scipy.stats import rankdata  # here: this package imports no SciPy

    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    n, m, total = len(x), len(y), len(x) + len(y)
    ranks = rankdata(np.concatenate([x, y]))
    larger = ranks[:n].sum() - n * (n + 1) / 2  # pairs with a > b, ties counted half
    ties = np.unique(ranks, return_counts=True)[1].astype(np.float64)
    variance = n * m / 12 * (total + 1 - (ties**3 - ties).sum() / (total * (total - 1)))
    z = (larger - n * m / 2) / np.sqrt(variance) if variance > 0 else 0.0
    return float(larger / (n * m)), float(z)
