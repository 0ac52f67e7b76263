"""Precision and recall for distributions (PRD): cases whose answer is known."""

import numpy as np
import pytest
from far_modes import draw_modes
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.evaluation.metrics import (
    prd,
    prd_curve,
    prd_of_histograms,
    prd_pca64,
)
from benchmarks.perf.metric_cost import published_prd


def test_prd_of_a_set_with_itself_is_one():
    x = np.random.default_rng(0).normal(size=(300, 4))
    assert prd(real=x, fake=x, runs=2) == {"f8": pytest.approx(1, abs=1e-3), "f1/8": pytest.approx(1, abs=1e-3)}


def test_half_of_the_modes_gives_full_precision_and_half_recall():
    g = np.random.default_rng(1)
    whole, half = draw_modes(g, range(10)), draw_modes(g, range(5))
    dropped = prd(real=whole, fake=half, runs=3)
    assert dropped["f1/8"] > 0.9
    assert 0.4 < dropped["f8"] < 0.65
    invented = prd(real=half, fake=whole, runs=3)
    assert invented["f8"] > 0.9
    assert 0.4 < invented["f1/8"] < 0.65


def test_disjoint_sets_have_zero_precision_and_recall():
    g = np.random.default_rng(2)
    assert max(prd(real=draw_modes(g, [0]), fake=draw_modes(g, [7]), runs=2).values()) < 0.05


def test_the_curve_of_two_histograms_agrees_with_a_hand_computation():
    """Reference (1/2, 1/2, 0), generated (1/2, 0, 1/2): precision and recall are 1/2 at slope 1."""
    precision, recall = prd_of_histograms(real=[0.5, 0.5, 0], fake=[0.5, 0, 0.5], angles=3)
    assert precision == pytest.approx([0, 0.5, 0.5], abs=1e-6)
    assert recall == pytest.approx([0.5, 0.5, 0], abs=1e-6)


@given(st.lists(st.integers(0, 50), min_size=3, max_size=8), st.integers(0, 2**31))
@settings(deadline=None, max_examples=40)
def test_swapping_the_sets_swaps_precision_and_recall(counts, seed):
    p = np.array(counts) + 1.0
    q = np.random.default_rng(seed).permutation(p)
    one = prd_of_histograms(real=p / p.sum(), fake=q / q.sum())
    other = prd_of_histograms(real=q / q.sum(), fake=p / p.sum())
    assert np.allclose(one[0], other[1][::-1], atol=1e-6)
    assert np.allclose(one[1], other[0][::-1], atol=1e-6)


def test_prd_is_seeded_and_its_curve_falls():
    g = np.random.default_rng(3)
    x, y = g.normal(size=(2, 200, 3))
    one, other = (prd_curve(real=x, fake=y + 1, runs=2) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert (np.diff(one[0]) >= -1e-12).all()
    assert (np.diff(one[1]) <= 1e-12).all()


def test_prd_refuses_sets_of_different_sizes():
    with pytest.raises(ValueError, match="as many real as generated images, got 30 real and 40 fake"):
        prd(real=np.zeros((30, 2)), fake=np.zeros((40, 2)))
    with pytest.raises(ValueError, match="20 clusters needs at least 20 images of each kind, got 5"):
        prd(real=np.zeros((5, 2)), fake=np.zeros((5, 2)))


def test_prd_agrees_with_the_published_code_and_its_batch_size():
    """On the same features, within the spread of its own clusterings."""
    g = np.random.default_rng(9)
    a, b = draw_modes(g, range(10), 800), draw_modes(g, [0, 0, 1, 2, 3, 4, 5, 6, 7], 800)
    published = np.array([published_prd(a, b, seed, 100) for seed in range(6)])
    ours = np.array([[*prd(real=a, fake=b, seed=100 * seed).values()] for seed in range(6)])
    spread = np.sqrt(published.var(0, ddof=1) / 6 + ours.var(0, ddof=1) / 6)
    assert (np.abs(published.mean(0) - ours.mean(0)) < 4 * spread + 1e-3).all()


def test_a_collapsed_generator_has_full_precision_and_little_recall():
    """The generator has one of ten modes: full precision, and a tenth of the recall."""
    g = np.random.default_rng(6)
    found = prd(real=draw_modes(g, range(10), 1000), fake=draw_modes(g, [2], 1000), runs=3)
    assert found["f1/8"] > 0.7
    assert found["f8"] < 0.25


def test_the_fast_prd_has_the_same_order_as_prd():
    g = np.random.default_rng(7)
    whole, half = draw_modes(g, range(10), d=80), draw_modes(g, range(5), d=80)
    slow, fast = prd(real=whole, fake=half, runs=3), prd_pca64(real=whole, fake=half)
    for name in slow:
        assert fast[name] == pytest.approx(slow[name], abs=0.05)
