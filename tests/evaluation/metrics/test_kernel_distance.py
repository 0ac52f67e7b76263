"""The kernel distance (KID): cases whose answer is known."""

import numpy as np
import pytest

from benchmarks.evaluation.metrics import kid


def test_kid_agrees_with_a_hand_computation():
    """Two points on each side, in one subset; the kernel is written out in one dimension."""
    x, y = np.array([[0.0], [1.0]]), np.array([[2.0], [3.0]])
    k = lambda a, b: (a * b + 1) ** 3  # noqa: E731
    expected = k(0, 1) + k(2, 3) - 2 * (k(0, 2) + k(0, 3) + k(1, 2) + k(1, 3)) / 4
    assert kid(x, y) == {"kid_mean": pytest.approx(expected), "kid_std": 0}


def test_kid_is_near_zero_for_one_distribution_and_grows_with_distance():
    g = np.random.default_rng(4)
    x, y = g.normal(size=(2, 2000, 8))
    same, near, far = (kid(x, y + shift, subsets=20)["kid_mean"] for shift in (0.0, 0.5, 1.0))
    assert abs(same) < 0.02 < near < far
