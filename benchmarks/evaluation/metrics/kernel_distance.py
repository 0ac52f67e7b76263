"""Kernel Inception distance (Binkowski et al.)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.evaluation.metrics.features import as_matrices


def kid(real: ArrayLike, fake: ArrayLike, *, subsets: int = 100, size: int = 1000, seed: int = 0) -> dict[str, float]:
    """Kernel distance: unbiased squared MMD, kernel (x.y / d + 1)^3; lower is better.

    Its expectation is 0 for equal distributions, so a value may be negative.

    Args:
        real: features of reference images, (n, d).
        fake: features of generated images, (m, d).
        subsets: number of random subsets, over which the mean is taken.
        size: images in each subset, at most the smaller set.
        seed: of the subsets.

    Returns:
        {"kid_mean", "kid_std"}: mean and standard deviation over subsets; the latter is 0 if a subset is the whole set.
    """
    a, b = as_matrices(real, fake)
    size = min(size, len(a), len(b))
    subsets = 1 if size == len(a) == len(b) else subsets
    if size < 2:
        raise ValueError(f"a kernel distance needs at least 2 images of each kind, got {len(a)} and {len(b)}")
    generator, values = np.random.default_rng(seed), []
    for _ in range(subsets):
        x, y = (z[generator.choice(len(z), size, replace=False)] for z in (a, b))
        xx, yy, xy = ((u @ v.T / x.shape[1] + 1) ** 3 for u, v in ((x, x), (y, y), (x, y)))
        within = (xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)) / (size * (size - 1))
        values.append(within - 2 * xy.mean())
    return {"kid_mean": float(np.mean(values)), "kid_std": float(np.std(values))}
