"""Features drawn from modes that are far from each other."""

import numpy as np


def draw_modes(generator: np.random.Generator, which, n: int = 600, d: int = 8) -> np.ndarray:
    """Draw n features (n, d), float64, from some of ten modes, named by number."""
    centers = 20 * np.eye(10, d + 2)[:, :d] + 10 * np.eye(10, d)[::-1]
    return centers[generator.choice(which, n)] + generator.normal(size=(n, d))
