"""Metrics of nearest neighbors: cases whose answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from benchmarks.evaluation.metrics import (
    frechet_distance,
    kid,
    knn_metrics,
    squared_distances,
)


def test_neighbor_metrics_agree_with_a_hand_computation():
    """Reference 0, 1, 2 and generated 0.5, 1.5, 9 on a line; k = 1, so all reference balls have radius 1."""
    real, fake = np.array([[0.0], [1.0], [2.0]]), np.array([[0.5], [1.5], [9.0]])
    got = knn_metrics(real, fake, k=1)
    assert got["precision"] == pytest.approx(2 / 3)  # 9 is in no reference ball
    assert got["density"] == pytest.approx((2 + 2 + 0) / 3)
    assert got["coverage"] == 1
    assert got["recall"] == 1  # radii of the generated balls: 1, 1 and 7.5


def test_a_collapsed_generator_is_precise_and_recalls_little():
    g = np.random.default_rng(5)
    real = g.normal(size=(500, 2))
    got = knn_metrics(real, 0.01 * g.normal(size=(500, 2)))
    assert got["precision"] == 1
    assert got["recall"] < 0.05
    assert got["coverage"] < 0.2


@given(seed=st.integers(0, 2**31), chunk=st.integers(1, 60))
@settings(deadline=None, max_examples=20)
def test_the_result_does_not_depend_on_order_or_chunk_size(seed, chunk):
    g = np.random.default_rng(seed)
    x, y = g.normal(size=(2, 50, 3))
    order = g.permutation(50)
    assert knn_metrics(x, y, chunk_size=chunk) == knn_metrics(x[order], y[order[::-1]])


def test_a_set_with_itself():
    x = np.random.default_rng(6).normal(size=(60, 3))
    got = knn_metrics(x, x)
    assert (got["precision"], got["recall"], got["coverage"]) == (1, 1, 1)
    assert kid(x, x, subsets=3)["kid_mean"] < 0.1


@given(st.integers(0, 2**31))
@settings(deadline=None, max_examples=25)
def test_distances_by_a_matrix_product_are_exact_up_to_rounding(seed):
    g = np.random.default_rng(seed)
    a, b = g.normal(size=(7, 5)), g.normal(size=(9, 5))
    assert np.allclose(squared_distances(a, b), cdist(a, b, "sqeuclidean"), atol=1e-10)
    assert np.array_equal(squared_distances(a, a[::-1])[np.arange(7), np.arange(7)[::-1]], np.zeros(7))


@given(st.integers(0, 2**31), st.integers(3, 40))
@settings(deadline=None, max_examples=15)
def test_a_set_against_itself_in_any_order_is_whole(seed, chunk):
    """As in a network, the features are far from the origin, where rounding errors are largest."""
    g = np.random.default_rng(seed)
    x = 30 + g.normal(size=(60, 20))
    found = knn_metrics(x, g.permutation(x), k=3, chunk_size=chunk)
    assert (found["precision"], found["recall"], found["coverage"]) == (1, 1, 1)
    assert found["density"] == pytest.approx(4 / 3)  # each image lies in its own ball and, on average, in k others


@given(st.integers(0, 2**31))
@settings(deadline=None, max_examples=15)
def test_duplicate_images_count_twice(seed):
    g = np.random.default_rng(seed)
    x, y = g.normal(size=(30, 4)), g.normal(size=(40, 4))
    twice = np.concatenate([x, x])
    assert frechet_distance(twice, y) == pytest.approx(
        frechet_distance(np.concatenate([x, x, x, x]), y), rel=0.05, abs=0.05
    )
    # Every image's nearest other is its copy: balls of radius zero, which hold their own image alone.
    found = knn_metrics(twice, y, k=1)
    assert (found["precision"], found["coverage"]) == (0, 0)
    assert knn_metrics(twice, twice, k=1)["precision"] == 1
