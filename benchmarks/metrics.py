"""Metrics on feature matrices, in float64.  Lower is better for the Fréchet distance.

The Fréchet distance is ours rather than pytorch-fid's: that one calls an argument of `scipy.linalg.sqrtm`
which SciPy 1.18 removed, and costs eight times as much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Mean (d,) and unbiased covariance (d, d) of n feature vectors."""

    mean: Array
    cov: Array
    n: int


def moments(features: ArrayLike, *, allow_few: bool = False) -> Moments:
    """Moments of features (n, d).

    Args:
        features: one row per image, finite.
        allow_few: accept n <= d, where the covariance is singular and the distance biased.

    Raises:
        ValueError: not a matrix, not finite, or too few rows.
    """
    x = np.asarray(features, dtype=np.float64)
    if x.ndim != 2:
        raise ValueError(f"features must be a matrix (n, d), got shape {x.shape}")
    n, d = x.shape
    if n < 2:
        raise ValueError(f"a covariance needs at least 2 samples, got {n}")
    if not np.isfinite(x).all():
        raise ValueError(f"{int((~np.isfinite(x)).any(axis=1).sum())} of {n} feature vectors are not finite")
    if n <= d and not allow_few:
        raise ValueError(
            f"{n} samples of {d} features give a singular covariance and a biased distance: "
            f"take more than {d}, or say allow_few=True"
        )
    return Moments(x.mean(axis=0), np.atleast_2d(np.cov(x, rowvar=False)), n)


def frechet_distance(real: ArrayLike, fake: ArrayLike, *, allow_few: bool = False) -> float:
    """Fréchet distance between Gaussians fitted to two sets of features; lower is better, symmetric.

    Args:
        real: features of real images, (n, d).
        fake: features of generated images, (m, d).
        allow_few: accept fewer samples than features.

    Returns:
        |mu1 - mu2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), at least 0 up to rounding.
    """
    a, b = moments(real, allow_few=allow_few), moments(fake, allow_few=allow_few)
    return frechet_from_moments(a.mean, a.cov, b.mean, b.cov)


def frechet_from_moments(mu1: ArrayLike, cov1: ArrayLike, mu2: ArrayLike, cov2: ArrayLike) -> float:
    """Fréchet distance between N(mu1, cov1) and N(mu2, cov2).

    Args:
        mu1: mean of the one, (d,).
        cov1: its covariance, symmetric and positive semi-definite, (d, d).
        mu2: mean of the other, (d,).
        cov2: its covariance, (d, d).

    Raises:
        ValueError: shapes that do not agree, or entries that are not finite.
    """
    return frechet(mu1, cov1, mu2, cov2)[0]


def frechet(mu1: ArrayLike, cov1: ArrayLike, mu2: ArrayLike, cov2: ArrayLike) -> tuple[float, int]:
    """As `frechet_from_moments`, with the number of numerical rescues: 1 if both covariances are singular.

    With C1 = L L^T, tr (C1 C2)^(1/2) is the sum of the square roots of the eigenvalues of L^T C2 L.  Where C1
    is singular, so that it has no Cholesky factor, C2's is taken instead (the distance is symmetric); where
    both are, L is the symmetric square root of C1, whose eigenvalues below zero are clipped.
    """
    m1, m2 = np.atleast_1d(np.asarray(mu1, np.float64)), np.atleast_1d(np.asarray(mu2, np.float64))
    c1, c2 = np.atleast_2d(np.asarray(cov1, np.float64)), np.atleast_2d(np.asarray(cov2, np.float64))
    d = len(m1)
    if m1.shape != m2.shape or m1.ndim != 1 or c1.shape != (d, d) or c2.shape != (d, d):
        raise ValueError(f"shapes do not agree: means {m1.shape}, {m2.shape}, covariances {c1.shape}, {c2.shape}")
    if not all(np.isfinite(a).all() for a in (m1, m2, c1, c2)):
        raise ValueError("means and covariances must be finite")
    factor, other, rescues = _cholesky(c1), c2, 0
    if factor is None:
        factor, other = _cholesky(c2), c1
    if factor is None:
        values, vectors = linalg.eigh(c1)
        factor, other, rescues = vectors * np.sqrt(values.clip(0)), c2, 1
    product = factor.T @ other @ factor
    roots = np.sqrt(linalg.eigvalsh((product + product.T) / 2).clip(0))
    difference = m1 - m2
    return float(difference @ difference + np.trace(c1) + np.trace(c2) - 2 * roots.sum()), rescues


def _cholesky(matrix: Array) -> Array | None:
    """Lower Cholesky factor, or None for a matrix that has none."""
    try:
        factor: Array = linalg.cholesky(matrix, lower=True)
    except linalg.LinAlgError:
        return None
    return factor
