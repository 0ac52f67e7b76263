"""Fréchet distance between Gaussians, from features or from moments.

pytorch-fid's implementation is not used: it calls an argument of `scipy.linalg.sqrtm` that SciPy 1.18 removed, and
takes eight times as long.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.evaluation.metrics.features import Array, moments


def frechet_distance(real: ArrayLike, fake: ArrayLike, *, allow_few: bool = False) -> float:
    """Fréchet distance between Gaussians fitted to two sets of features; lower is better, symmetric.

    Args:
        real: features of reference images, (n, d).
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
        mu1: mean of the first Gaussian, (d,).
        cov1: its covariance, symmetric and positive semi-definite, (d, d).
        mu2: mean of the second Gaussian, (d,).
        cov2: its covariance, (d, d).

    Raises:
        ValueError: shapes that do not agree, or entries that are not finite.
    """
    return frechet_with_fallbacks(mu1, cov1, mu2, cov2)[0]


def frechet_with_fallbacks(mu1: ArrayLike, cov1: ArrayLike, mu2: ArrayLike, cov2: ArrayLike) -> tuple[float, int]:
    """As `frechet_from_moments`, with the number of numerical fallbacks: 1 if both covariances are singular.

    tr (C1 C2)^(1/2) is the sum of the square roots of the eigenvalues of L^T C1 L, where C2 = L L^T.  LAPACK solves
    this as one symmetric problem, C1 C2 x = lambda x.  If C2 is singular, it has no Cholesky factor, and C1's is taken
    instead (the distance is symmetric).  If both are singular, L is the symmetric square root of C1, whose negative
    eigenvalues are clipped to 0.
    """
    from scipy import linalg  # imported here: the table METRICS is read without SciPy

    m1, m2 = np.atleast_1d(np.asarray(mu1, np.float64)), np.atleast_1d(np.asarray(mu2, np.float64))
    c1, c2 = np.atleast_2d(np.asarray(cov1, np.float64)), np.atleast_2d(np.asarray(cov2, np.float64))
    d = len(m1)
    if m1.shape != m2.shape or m1.ndim != 1 or c1.shape != (d, d) or c2.shape != (d, d):
        raise ValueError(f"shapes do not agree: means {m1.shape}, {m2.shape}, covariances {c1.shape}, {c2.shape}")
    if not all(np.isfinite(a).all() for a in (m1, m2, c1, c2)):
        raise ValueError("means and covariances must be finite")
    eigenvalues, fallbacks = _product_eigenvalues(c1, c2), 0
    if eigenvalues is None:
        eigenvalues = _product_eigenvalues(c2, c1)
    if eigenvalues is None:
        values, vectors = linalg.eigh(c1)
        factor, fallbacks = vectors * np.sqrt(values.clip(0)), 1
        product = factor.T @ c2 @ factor
        eigenvalues = linalg.eigvalsh((product + product.T) / 2)
    difference = m1 - m2
    roots = np.sqrt(eigenvalues.clip(0)).sum()
    return float(difference @ difference + np.trace(c1) + np.trace(c2) - 2 * roots), fallbacks


def _product_eigenvalues(a: Array, b: Array) -> Array | None:
    """Eigenvalues of A B for symmetric A and positive definite B; None if B has no Cholesky factor."""
    from scipy import linalg

    try:
        values: Array = linalg.eigvalsh(a, b, type=2, driver="gv", check_finite=False)
    except linalg.LinAlgError:
        return None
    return values
