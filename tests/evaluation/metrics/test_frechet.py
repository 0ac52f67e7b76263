"""The Fréchet distance against closed forms, in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from benchmarks.evaluation.metrics import frechet_distance, frechet_from_moments, frechet_with_fallbacks, moments


def random_covariance(generator, d):
    a = generator.normal(size=(d, d))
    return a @ a.T + 0.1 * np.eye(d)


def test_equal_covariances_leave_the_distance_of_the_means():
    cov = random_covariance(np.random.default_rng(0), 5)
    mu = np.arange(5.0)
    assert frechet_from_moments(mu, cov, mu + 2, cov) == pytest.approx(5 * 4)


@given(st.lists(st.tuples(st.floats(0.01, 10), st.floats(0.01, 10), st.floats(-5, 5)), min_size=1, max_size=6))
@settings(deadline=None)
def test_diagonal_covariances_have_a_closed_form(rows):
    s1, s2, shift = (np.array(column) for column in zip(*rows, strict=True))
    expected = ((s1 - s2) ** 2).sum() + (shift**2).sum()
    got = frechet_from_moments(np.zeros(len(s1)), np.diag(s1**2), shift, np.diag(s2**2))
    assert got == pytest.approx(expected, rel=1e-7, abs=1e-7)


@given(seed=st.integers(0, 2**31), d=st.integers(1, 8))
@settings(deadline=None, max_examples=40)
def test_it_is_symmetric_nonnegative_zero_for_equal_sets_and_invariant_to_rotation(seed, d):
    g = np.random.default_rng(seed)
    m1, m2, c1, c2 = g.normal(size=d), g.normal(size=d), random_covariance(g, d), random_covariance(g, d)
    value = frechet_from_moments(m1, c1, m2, c2)
    assert value >= -1e-9
    assert frechet_from_moments(m2, c2, m1, c1) == pytest.approx(value, abs=1e-8)
    assert frechet_from_moments(m1, c1, m1, c1) == pytest.approx(0, abs=1e-8)
    q, _ = np.linalg.qr(g.normal(size=(d, d)))
    assert frechet_from_moments(q @ m1, q @ c1 @ q.T, q @ m2, q @ c2 @ q.T) == pytest.approx(value, abs=1e-8)


def test_it_agrees_with_the_formula_with_a_matrix_root():
    g = np.random.default_rng(1)
    c1, c2 = random_covariance(g, 6), random_covariance(g, 6)
    expected = np.trace(c1 + c2 - 2 * linalg.sqrtm(c1 @ c2).real)
    assert frechet_from_moments(np.zeros(6), c1, np.zeros(6), c2) == pytest.approx(expected, rel=1e-9)


def test_it_agrees_with_pytorch_fid():
    fid = pytest.importorskip("pytorch_fid.fid_score")
    g = np.random.default_rng(2)
    c1, c2, m1, m2 = random_covariance(g, 5), random_covariance(g, 5), g.normal(size=5), g.normal(size=5)
    try:
        expected = fid.calculate_frechet_distance(m1, c1, m2, c2)
    except (TypeError, ValueError) as error:
        pytest.skip(f"pytorch-fid's formula does not run on this SciPy: {error}")
    assert frechet_from_moments(m1, c1, m2, c2) == pytest.approx(expected, rel=1e-8)


def test_singular_covariances_have_the_exact_distance():
    """Rank one against rank one and against full rank, and the counted fallback."""
    e1, e2, eye, zero = np.diag([4.0, 0.0]), np.diag([0.0, 9.0]), np.eye(2), np.zeros(2)
    assert frechet_with_fallbacks(zero, e1, zero, e2) == (pytest.approx(13.0), 1)  # orthogonal: nothing in common
    assert frechet_with_fallbacks(zero, e1, zero, e1) == (pytest.approx(0.0, abs=1e-9), 1)
    assert frechet_with_fallbacks(zero, e1, zero, eye) == (pytest.approx(1 + 1), 0)  # (2 - 1)^2 + (0 - 1)^2
    assert frechet_with_fallbacks(zero, eye, zero, e1) == (pytest.approx(1 + 1), 0)
    v = np.array([[3.0], [4.0]])
    assert frechet_with_fallbacks(zero, v @ v.T, zero, np.zeros((2, 2))) == (pytest.approx(25.0), 1)


def test_features_are_fitted_with_an_unbiased_covariance():
    x = np.array([[0.0], [2.0]])
    assert moments(x).cov.item() == 2.0  # 1 with division by n
    assert frechet_distance(x, x + 3) == pytest.approx(9)


def test_large_samples_come_near_the_distance_of_their_distributions():
    g = np.random.default_rng(3)
    real, fake = g.normal(size=(20_000, 4)), 1 + 2 * g.normal(size=(20_000, 4))
    assert frechet_distance(real, fake) == pytest.approx(4 * (1 + 1), rel=0.03)


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (np.zeros(5), r"matrix \(n, d\)"),
        (np.zeros((1, 2)), "at least 2"),
        (np.full((9, 2), np.nan), "9 of 9 feature vectors are not finite"),
        (np.zeros((4, 4)), "4 samples of 4 features"),
    ],
)
def test_invalid_features_are_refused(features, words):
    with pytest.raises(ValueError, match=words):
        moments(features)


def test_few_samples_are_accepted_if_allowed():
    x = np.random.default_rng(4).normal(size=(4, 8))
    assert frechet_distance(x, x + 1, allow_few=True) == pytest.approx(8, rel=1e-6)


def test_moments_must_fit_each_other():
    with pytest.raises(ValueError, match="do not agree"):
        frechet_from_moments(np.zeros(2), np.eye(2), np.zeros(3), np.eye(3))
    with pytest.raises(ValueError, match="finite"):
        frechet_from_moments(np.zeros(1), np.eye(1), np.array([np.inf]), np.eye(1))


def test_commuting_covariances_have_a_closed_form_in_any_basis():
    s1, s2 = np.array([1.0, 2, 5]), np.array([3.0, 2, 1])
    q = linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
    got = frechet_from_moments(np.zeros(3), q * s1**2 @ q.T, np.zeros(3), q * s2**2 @ q.T)
    assert got == pytest.approx(4 + 0 + 16, rel=1e-12)


U, V = np.array([1.0, 2, 2]), np.array([2.0, 0, 1])


@pytest.mark.parametrize(
    ("c1", "c2", "expected", "rescues"),
    [
        (np.diag([1.0, 0, 4]), np.diag([4.0, 9, 4]), 1 + 9, 0),
        (np.diag([4.0, 9, 4]), np.diag([1.0, 0, 4]), 1 + 9, 0),
        (np.zeros((3, 3)), np.zeros((3, 3)), 0, 1),
        (np.diag([1.0, 0, 4]), np.diag([4.0, 0, 4]), 1, 1),
        (np.outer(U, U), np.outer(V, V), 9 + 5 - 2 * 4, 1),  # |u|^2 + |v|^2 - 2 |u.v|
        (np.outer(U, U), np.eye(3), 9 + 3 - 2 * 3, 0),  # |u|^2 + d - 2 |u|
        (np.eye(3), np.outer(U, U), 9 + 3 - 2 * 3, 0),
    ],
)
def test_a_fallback_is_counted_only_if_both_covariances_are_singular(c1, c2, expected, rescues):
    got, counted = frechet_with_fallbacks(np.zeros(3), c1, np.zeros(3), c2)
    assert got == pytest.approx(expected, abs=1e-6)  # the square root of a rounding error is 1e-8
    assert counted == rescues


@given(seed=st.integers(0, 2**31), n=st.integers(2, 5))
@settings(deadline=None)
def test_fewer_samples_than_features_give_a_finite_distance(seed, n):
    g = np.random.default_rng(seed)
    a, b = g.normal(size=(n, 6)), g.normal(size=(n, 6))
    assert np.isfinite(frechet_distance(a, b, allow_few=True))
    assert abs(frechet_distance(a, a, allow_few=True)) < 1e-5


def test_few_samples_are_refused_on_either_side():
    g = np.random.default_rng(6)
    enough, few = g.normal(size=(4, 3)), g.normal(size=(3, 3))
    assert frechet_distance(enough, enough) == pytest.approx(0, abs=1e-9)  # one more than features
    for pair in ((enough, few), (few, enough)):
        with pytest.raises(ValueError, match="allow_few=True"):
            frechet_distance(*pair)


def test_numbers_of_one_dimension():
    assert frechet_from_moments(1.0, 4.0, 3.0, 25.0) == pytest.approx(4 + 9, rel=1e-14)


def test_float32_features_are_summed_in_float64():
    x = np.float32(1e4) + np.random.default_rng(7).normal(size=(10_000, 2)).astype(np.float32)
    found = moments(x)
    assert found.mean.dtype == found.cov.dtype == np.float64
    assert found.cov == pytest.approx(np.cov(x.astype(np.float64), rowvar=False), rel=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_feature_vectors_that_are_not_finite_are_counted(bad):
    x = np.random.default_rng(8).normal(size=(10, 2))
    x[3], x[5, 1] = bad, bad
    with pytest.raises(ValueError, match="2 of 10 feature vectors are not finite"):
        moments(x)


@pytest.mark.parametrize(
    ("mu1", "cov1", "mu2", "cov2"),
    [
        (np.zeros(2), np.eye(3), np.zeros(2), np.eye(2)),
        (np.zeros(2), np.eye(2), np.zeros(2), np.ones((2, 3))),
        (np.zeros((2, 2)), np.eye(2), np.zeros((2, 2)), np.eye(2)),
        (np.zeros(2), np.ones(2), np.zeros(2), np.ones(2)),
    ],
)
def test_shapes_that_do_not_agree_are_refused(mu1, cov1, mu2, cov2):
    with pytest.raises(ValueError, match="shapes do not agree"):
        frechet_from_moments(mu1, cov1, mu2, cov2)
