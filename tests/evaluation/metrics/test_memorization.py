"""Nearest training images, and the statistics of copying: cases whose answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu

from benchmarks.evaluation.metrics.memorization import (
    Neighbors,
    mann_whitney,
    nearest_training_images,
    summarize_memorization,
)


def test_neighbors_agree_with_a_hand_computation():
    found = nearest_training_images([[0.0], [4.0], [9.0]], [[1.0], [3.0], [10.0]])
    assert found.index.tolist() == [0, 1, 2]
    assert found.distance == pytest.approx([1, 1, 1])
    assert found.second == pytest.approx([3, 3, 6])


@given(seed=st.integers(0, 2**31), entries=st.integers(1, 200))
@settings(max_examples=25)
def test_neighbors_are_those_of_all_distances_however_many_are_held_at_once(seed, entries):
    g = np.random.default_rng(seed)
    images, train = g.normal(size=(17, 3)), g.normal(size=(11, 3))
    distances = np.sort(cdist(images, train), axis=1)
    found = nearest_training_images(images, train, max_entries=entries)
    assert np.array_equal(found.index, cdist(images, train).argmin(axis=1))
    assert np.allclose(found.distance, distances[:, 0])
    assert np.allclose(found.second, distances[:, 1])


def test_an_image_that_is_there_twice_is_a_neighbor_at_distance_0():
    """The features are far from the origin, where rounding errors are largest."""
    train = 30 + np.random.default_rng(0).normal(size=(50, 64))
    found = nearest_training_images(train[[7, 3]], np.concatenate([train, train]))
    assert found.index.tolist() == [7, 3]
    assert found.distance.tolist() == found.second.tolist() == [0, 0]


def test_one_training_image_is_refused():
    with pytest.raises(ValueError, match="needs at least 2 of them, got 1"):
        nearest_training_images([[0.0]], [[1.0]])


def neighbors(distances, seconds=None):
    d = np.asarray(distances, np.float64)
    return Neighbors(np.zeros(len(d), np.int64), d, d + 1 if seconds is None else np.asarray(seconds, np.float64))


def test_test_images_against_themselves_show_no_copying():
    test = neighbors(np.arange(1.0, 101.0))
    found = summarize_memorization(test, test)
    assert found == {"smallest": 1, "median": 50.5, "median_ratio": 1, "close": 0.05, "copies": 0, "p_farther": 0.5,
                     "z": 0}  # fmt: skip


def test_the_summary_agrees_with_a_hand_computation():
    test = neighbors([2.0, 4.0, 6.0, 8.0, 10.0])
    samples = neighbors([0.0, 1.0, 3.0, 30.0], seconds=[0.0, 4.0, 9.0, 31.0])  # 3 is a third of 9: no copy
    found = summarize_memorization(samples, test)
    assert found["median_ratio"] == pytest.approx(2 / 6)
    assert found["close"] == 2 / 4  # below 2.4, the quantile of 5 %
    assert found["copies"] == 2 / 4
    assert found["p_farther"] == pytest.approx((0 + 0 + 1 + 5) / 20)


def test_copies_of_training_images_are_found():
    g = np.random.default_rng(1)
    train, test = g.normal(size=(400, 8)), g.normal(size=(200, 8))
    of_test = nearest_training_images(test, train)
    copied = train[:200] + 1e-3 * g.normal(size=(200, 8))
    found = summarize_memorization(nearest_training_images(copied, train), of_test)
    assert found["copies"] == found["close"] == 1
    assert found["p_farther"] == 0
    assert found["z"] < -15
    fresh = summarize_memorization(nearest_training_images(g.normal(size=(200, 8)), train), of_test)
    assert abs(fresh["z"]) < 3
    assert fresh["close"] == pytest.approx(0.05, abs=0.05)
    assert fresh["copies"] < 0.05


def test_separate_values_have_the_closed_form_z():
    n, m = 30, 50
    p, z = mann_whitney(np.arange(n), 100 + np.arange(m))
    assert p == 0
    assert z == pytest.approx(-(n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))
    assert mann_whitney([1.0, 1.0], [1.0, 1.0, 1.0]) == (0.5, 0.0)


@given(a=st.lists(st.integers(0, 9), min_size=2, max_size=40), b=st.lists(st.integers(0, 9), min_size=2, max_size=40))
@settings(max_examples=60)
def test_the_mann_whitney_statistic_is_scipy_s_with_ties(a, b):
    p, z = mann_whitney(a, b)
    expected = mannwhitneyu(a, b, method="asymptotic", use_continuity=False, alternative="less")
    assert p == pytest.approx(expected.statistic / (len(a) * len(b)))
    if len({*a, *b}) > 1:
        from scipy.stats import norm

        assert norm.cdf(z) == pytest.approx(expected.pvalue, abs=1e-9)
    assert mann_whitney(b, a) == pytest.approx((1 - p, -z))


def test_equal_distances_of_0_have_no_ratio_of_medians():
    zero = neighbors([0.0, 0.0])
    assert np.isnan(summarize_memorization(zero, zero)["median_ratio"])
    assert summarize_memorization(neighbors([1.0, 1.0]), zero)["median_ratio"] == np.inf
