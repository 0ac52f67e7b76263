"""Moments of features in an .npz file, as pytorch-fid saves them, and their Fréchet distance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.data.limits import require_memory
from benchmarks.data.paths import DataError
from benchmarks.evaluation.metrics import Moments, frechet_from_moments

NAMES = ("mu", "sigma")


def arrays_to_moments(arrays: Mapping[str, NDArray[Any]], shown: str) -> Moments:
    """Moments from `mu` (d,) and `sigma` (d, d).

    Raises:
        DataError: they are not finite, or are not a mean and a covariance matrix.
    """
    mean, cov = arrays["mu"], arrays["sigma"]
    if mean.ndim != 1 or not len(mean) or cov.shape != (len(mean), len(mean)):
        raise DataError(
            f"cannot take moments from {shown}: mu is {mean.shape} and sigma {cov.shape}, not (d,) and (d, d)"
        )
    require_memory(6 * 8 * cov.size, f"{shown}: the check of sigma")
    mean, cov = mean.astype(np.float64), cov.astype(np.float64)
    try:
        check_moments(mean, cov)
    except ValueError as error:
        raise DataError(f"cannot take moments from {shown}: {error}") from error
    return Moments(mean, cov, 0)


def check_moments(mean: NDArray[np.float64], cov: NDArray[np.float64]) -> None:
    """Raise ValueError unless these are finite, and the covariance symmetric without negative eigenvalues."""
    if not (np.isfinite(mean).all() and np.isfinite(cov).all()):
        raise ValueError("mu and sigma must be finite")
    scale = np.abs(cov).max()
    if not np.allclose(cov, cov.T, atol=1e-6 * scale):
        raise ValueError("sigma is not symmetric, so it is not a covariance matrix")
    with np.errstate(over="ignore", invalid="ignore"):
        if np.linalg.eigvalsh(cov)[0] < -1e-6 * scale:
            raise ValueError("sigma has negative eigenvalues, so it is not a covariance matrix")


def distance_of_moments(names: tuple[str, str], a: Moments, b: Moments) -> float:
    """The Fréchet distance of two sides.

    Raises:
        ValueError: they have different numbers of features, or the distance is too large for a float.
    """
    if len(a.mean) != len(b.mean):
        raise ValueError(f"{names[0]} has {len(a.mean)} features, {names[1]} {len(b.mean)}: they cannot be compared. "
                         f"Choose the --features that the moments were computed with")  # fmt: skip
    with np.errstate(over="ignore", invalid="ignore"):
        distance = frechet_from_moments(a.mean, a.cov, b.mean, b.cov)
    if not np.isfinite(distance):
        largest = max(float(np.abs(values).max()) for side in (a, b) for values in (side.mean, side.cov))
        raise ValueError(f"the Fréchet distance of {names[0]} and {names[1]} is too large for a float: the largest "
                         f"value of their moments is {largest:.3g}")  # fmt: skip
    return distance
