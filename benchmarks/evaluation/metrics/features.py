"""Feature matrices (n, d), their moments, and the checks that all metrics share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Mean (d,) and unbiased covariance (d, d) of n feature vectors."""

    mean: Array
    cov: Array
    n: int


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """Features of one set of images; their moments are computed on demand.

    Attributes:
        features: (n, d) float32.
        allow_few: accept n <= d, where the Fréchet distance is biased.
    """

    features: NDArray[np.float32]
    allow_few: bool = False

    @cached_property
    def moments(self) -> Moments:
        """Mean and covariance, float64."""
        return moments(self.features, allow_few=self.allow_few)

    def first(self, n: int) -> FeatureSet:
        """The first n feature vectors."""
        return self if n == len(self.features) else FeatureSet(self.features[:n], self.allow_few)


def moments(features: ArrayLike, *, allow_few: bool = False) -> Moments:
    """Moments of features (n, d).

    Args:
        features: one row per image, finite.
        allow_few: accept n <= d, where the covariance is singular and the distance biased.

    Raises:
        ValueError: not a matrix, not finite, or too few rows.
    """
    x = as_matrix(features)
    n, d = x.shape
    if n < 2:
        raise ValueError(f"a covariance needs at least 2 samples, got {n}")
    if n <= d and not allow_few:
        raise ValueError(
            f"{n} samples of {d} features give a singular covariance and a biased distance: "
            f"use more than {d} samples, or allow_few=True"
        )
    return Moments(x.mean(axis=0), np.atleast_2d(np.cov(x, rowvar=False)), n)


def as_matrix(features: ArrayLike) -> Array:
    """Features as a float64 matrix.

    Raises:
        ValueError: not a matrix (n, d), or not finite.
    """
    x = np.asarray(features, dtype=np.float64)
    if x.ndim != 2:
        raise ValueError(f"features must be a matrix (n, d), got shape {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError(f"{int((~np.isfinite(x)).any(axis=1).sum())} of {len(x)} feature vectors are not finite")
    return x


def as_matrices(real: ArrayLike, fake: ArrayLike) -> tuple[Array, Array]:
    """Features of both sides as float64 matrices (n, d) and (m, d).

    Raises:
        ValueError: as `as_matrix`, or another number of features on one side.
    """
    a, b = as_matrix(real), as_matrix(fake)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"real images have {a.shape[1]} features, fake ones {b.shape[1]}")
    return a, b
