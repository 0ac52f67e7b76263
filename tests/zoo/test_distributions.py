"""PRD, KID and nearest-neighbour metrics: cases whose answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from benchmarks.evaluation.metrics import (
    frechet_distance,
    kid,
    knn_metrics,
    prd,
    prd_curve,
    prd_of_histograms,
    prd_pca64,
    squared_distances,
)
from benchmarks.perf.metric_cost import published_prd


def modes(generator, which, n=600, d=8):
    """Draws from some of ten far-apart modes."""
    centres = 20 * np.eye(10, d + 2)[:, :d] + 10 * np.eye(10, d)[::-1]
    return centres[generator.choice(which, n)] + generator.normal(size=(n, d))


def test_prd_of_a_set_with_itself_is_one():
    x = np.random.default_rng(0).normal(size=(300, 4))
    assert prd(real=x, fake=x, runs=2) == {"f8": pytest.approx(1, abs=1e-3), "f1/8": pytest.approx(1, abs=1e-3)}


def test_half_of_the_modes_is_full_precision_and_half_recall():
    g = np.random.default_rng(1)
    whole, half = modes(g, range(10)), modes(g, range(5))
    dropped = prd(real=whole, fake=half, runs=3)
    assert dropped["f1/8"] > 0.9
    assert 0.4 < dropped["f8"] < 0.65
    invented = prd(real=half, fake=whole, runs=3)
    assert invented["f8"] > 0.9
    assert 0.4 < invented["f1/8"] < 0.65


def test_sets_with_nothing_in_common_have_none():
    g = np.random.default_rng(2)
    assert max(prd(real=modes(g, [0]), fake=modes(g, [7]), runs=2).values()) < 0.05


def test_the_curve_of_two_histograms_by_hand():
    """Real is (1/2, 1/2, 0), fake is (1/2, 0, 1/2): precision and recall reach 1/2 at slope 1."""
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
    with pytest.raises(ValueError, match="sets of one size, got 30 real and 40 fake"):
        prd(real=np.zeros((30, 2)), fake=np.zeros((40, 2)))
    with pytest.raises(ValueError, match="20 clusters needs as many images, got 5"):
        prd(real=np.zeros((5, 2)), fake=np.zeros((5, 2)))


def test_kid_by_hand():
    """Two points each, one subset of all: the kernel written out in one dimension."""
    x, y = np.array([[0.0], [1.0]]), np.array([[2.0], [3.0]])
    k = lambda a, b: (a * b + 1) ** 3  # noqa: E731
    expected = k(0, 1) + k(2, 3) - 2 * (k(0, 2) + k(0, 3) + k(1, 2) + k(1, 3)) / 4
    assert kid(x, y) == {"kid_mean": pytest.approx(expected), "kid_std": 0}


def test_kid_is_near_zero_for_one_distribution_and_grows_with_distance():
    g = np.random.default_rng(4)
    x, y = g.normal(size=(2, 2000, 8))
    same, near, far = (kid(x, y + shift, subsets=20)["kid_mean"] for shift in (0.0, 0.5, 1.0))
    assert abs(same) < 0.02 < near < far


def test_neighbours_by_hand():
    """On a line: reals 0, 1, 2; fakes 0.5, 1.5, 9, with k = 1, so every real ball has radius 1."""
    real, fake = np.array([[0.0], [1.0], [2.0]]), np.array([[0.5], [1.5], [9.0]])
    got = knn_metrics(real, fake, k=1)
    assert got["precision"] == pytest.approx(2 / 3)  # 9 is in no real ball
    assert got["density"] == pytest.approx((2 + 2 + 0) / 3)
    assert got["coverage"] == 1
    assert got["recall"] == 1  # fakes reach 1, 1 and 7.5


def test_a_collapsed_generator_is_precise_and_recalls_little():
    g = np.random.default_rng(5)
    real = g.normal(size=(500, 2))
    got = knn_metrics(real, 0.01 * g.normal(size=(500, 2)))
    assert got["precision"] == 1
    assert got["recall"] < 0.05
    assert got["coverage"] < 0.2


@given(seed=st.integers(0, 2**31), chunk=st.integers(1, 60))
@settings(deadline=None, max_examples=20)
def test_neither_order_nor_chunks_matter(seed, chunk):
    g = np.random.default_rng(seed)
    x, y = g.normal(size=(2, 50, 3))
    order = g.permutation(50)
    assert knn_metrics(x, y, chunk_size=chunk) == knn_metrics(x[order], y[order[::-1]])


def test_a_set_with_itself():
    x = np.random.default_rng(6).normal(size=(60, 3))
    got = knn_metrics(x, x)
    assert (got["precision"], got["recall"], got["coverage"]) == (1, 1, 1)
    assert kid(x, x, subsets=3)["kid_mean"] < 0.1


@pytest.mark.parametrize("metric", [kid, knn_metrics, lambda a, b: prd(real=a, fake=b)])
def test_unfit_features_are_refused(metric):
    x = np.zeros((30, 3))
    nan, flat, narrow = np.full((30, 3), np.nan), np.zeros(30), np.zeros((30, 2))
    for bad, words in ((nan, "not finite"), (flat, "matrix"), (narrow, "features")):
        with pytest.raises(ValueError, match=words):
            metric(x, bad)
    with pytest.raises(ValueError, match=r"need|clusters"):
        metric(x[:1], x[:1])


@given(st.integers(0, 2**31))
@settings(deadline=None, max_examples=25)
def test_distances_by_a_product_are_distances(seed):
    g = np.random.default_rng(seed)
    a, b = g.normal(size=(7, 5)), g.normal(size=(9, 5))
    assert np.allclose(squared_distances(a, b), cdist(a, b, "sqeuclidean"), atol=1e-10)
    assert np.array_equal(squared_distances(a, a[::-1])[np.arange(7), np.arange(7)[::-1]], np.zeros(7))


@given(st.integers(0, 2**31), st.integers(3, 40))
@settings(deadline=None, max_examples=15)
def test_a_set_against_itself_in_any_order_is_whole(seed, chunk):
    """With features as a network's: far from the origin, where rounding is largest."""
    g = np.random.default_rng(seed)
    x = 30 + g.normal(size=(60, 20))
    found = knn_metrics(x, g.permutation(x), k=3, chunk_size=chunk)
    assert (found["precision"], found["recall"], found["coverage"]) == (1, 1, 1)
    assert found["density"] == pytest.approx(4 / 3)  # each image lies in its own ball and, on average, in k others


@given(st.integers(0, 2**31))
@settings(deadline=None, max_examples=15)
def test_images_that_are_there_twice_count_twice(seed):
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


@pytest.mark.parametrize("metric", [lambda a, b: prd(real=a, fake=b, runs=4), knn_metrics, kid,
                                    lambda a, b: {"fd": frechet_distance(a, b)}])  # fmt: skip
def test_the_order_of_images_does_not_matter(metric):
    g = np.random.default_rng(5)
    a, b = modes(g, range(10), 400), modes(g, range(3, 10), 400)
    one, two = metric(a, b), metric(g.permutation(a), g.permutation(b))
    loose = {} if metric is knn_metrics else {"abs": 0.04}  # clusterings and subsets are drawn by position
    assert one == {name: pytest.approx(value, rel=0.05, **loose) for name, value in two.items()}


def test_prd_is_the_published_algorithm_with_the_batches_of_its_day():
    """On the same features, within the spread of its own clusterings."""
    g = np.random.default_rng(9)
    a, b = modes(g, range(10), 800), modes(g, [0, 0, 1, 2, 3, 4, 5, 6, 7], 800)
    published = np.array([published_prd(a, b, seed, 100) for seed in range(6)])
    ours = np.array([[*prd(real=a, fake=b, seed=100 * seed).values()] for seed in range(6)])
    spread = np.sqrt(published.var(0, ddof=1) / 6 + ours.var(0, ddof=1) / 6)
    assert (np.abs(published.mean(0) - ours.mean(0)) < 4 * spread + 1e-3).all()


def test_a_collapsed_generator_by_prd():
    """One mode of ten, with its precision whole and a tenth of the recall."""
    g = np.random.default_rng(6)
    found = prd(real=modes(g, range(10), 1000), fake=modes(g, [2], 1000), runs=3)
    assert found["f1/8"] > 0.7
    assert found["f8"] < 0.25


def test_the_fast_prd_has_the_same_order_as_prd():
    g = np.random.default_rng(7)
    whole, half = modes(g, range(10), d=80), modes(g, range(5), d=80)
    slow, fast = prd(real=whole, fake=half, runs=3), prd_pca64(real=whole, fake=half)
    for name in slow:
        assert fast[name] == pytest.approx(slow[name], abs=0.05)
