"""The order of models: Spearman's correlation, exact probabilities, and properties that hold for any numbers."""

import math
from statistics import fmean, stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from benchmarks.analysis.model_ranking import rank_models, rank_probabilities

VALUES = st.lists(st.floats(1.0, 200.0), min_size=3, max_size=10)


def test_the_rank_correlation_is_spearmans():
    published = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    assert rank_models({name: [10.0 * v] for name, v in published.items()}, published).rho == pytest.approx(1.0)
    assert rank_models({name: [-v] for name, v in published.items()}, published).rho == pytest.approx(-1.0)
    # one exchange of neighbours: 1 - 6 * 2 / (4 * 15)
    assert rank_models({"a": [1.0], "b": [3.0], "c": [2.0], "d": [4.0]}, published).rho == pytest.approx(0.8)


def test_the_interval_of_the_rank_correlation_is_a_bootstrap_over_runs():
    published = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    apart = {name: [10 * v - 0.1, 10 * v, 10 * v + 0.1] for name, v in published.items()}
    ranking = rank_models(apart, published)
    assert (ranking.low, ranking.high) == pytest.approx((1.0, 1.0))  # no draw in forty changes their order
    # b and c are the same but for chance: a draw has either order, whose correlations are 1 and 0.8
    ranking = rank_models({**apart, "b": [24.0, 25.0, 26.0], "c": [24.1, 25.1, 26.1]}, published)
    assert (ranking.low, ranking.high) == pytest.approx((0.8, 1.0))
    one = rank_models({**apart, "a": [10.0]}, published)
    assert one.rho == pytest.approx(1.0)
    assert (one.low, one.high) == (None, None)  # the spread of a single run is unknown


def test_equal_means_in_every_draw_leave_no_interval():
    published = {"a": 1.0, "b": 2.0, "c": 3.0}
    assert rank_models({key: [1.0, 1.0, 1.0] for key in "abc"}, published).low is None


def test_only_models_that_both_have_are_ranked():
    ours = {"mine": [1.0], "a": [1.0], "b": [2.0], "c": [3.0], "none": []}
    ranking = rank_models(ours, {"c": 3.0, "b": 2.0, "a": 1.0, "d": 0.0})
    assert ranking.models == ("a", "b", "c")
    assert ranking.rho == pytest.approx(1.0)
    assert ranking.rank_probabilities == {}
    assert rank_models({"a": [1.0], "b": [2.0]}, {"a": 1.0, "b": 2.0}).rho is None  # there are too few models
    assert rank_models({"a": [1.0], "b": [1.0], "c": [1.0]}, {"a": 1.0, "b": 2.0, "c": 3.0}).rho is None


def test_models_without_variance_have_certain_ranks():
    ranking = rank_probabilities({"b": [3.0, 3.0, 3.0], "a": [1.0, 1.0, 1.0], "c": [6.0, 6.0, 6.0]})
    assert ranking == {"b": (0.0, 1.0, 0.0), "a": (1.0, 0.0, 0.0), "c": (0.0, 0.0, 1.0)}


def test_the_bootstrap_comes_near_the_exact_probability():
    """The exact probability that one mean's Student distribution lies below another's is an integral."""
    ours = {"a": [1.0, 4.0, 5.0], "b": [2.0, 3.0, 7.0, 8.0]}
    a, b = (stats.t(len(v) - 1, fmean(v), stdev(v) / math.sqrt(len(v))) for v in ours.values())
    exact, _ = integrate.quad(lambda x: a.cdf(x) * b.pdf(x), -np.inf, np.inf)
    assert 0.6 < exact < 0.9
    assert rank_probabilities(ours)["a"][0] == pytest.approx(exact, abs=0.02)


def test_neither_of_two_equal_models_is_certainly_the_better_one():
    """With three runs each, resampling the runs would give probability 1.00 in one case of ten."""
    random = np.random.default_rng(0)
    first = [rank_probabilities({"a": random.normal(size=3), "b": random.normal(size=3)})["a"][0] for _ in range(200)]
    assert np.mean([0.005 < p < 0.995 for p in first]) > 0.98


@given(st.dictionaries(st.sampled_from("abcde"), VALUES, min_size=2))
def test_rank_probabilities_sum_to_one(values):
    ranking = np.array([*rank_probabilities(values).values()])
    assert ranking.shape == (len(values), len(values))
    assert (ranking >= 0).all()
    assert np.allclose(ranking.sum(axis=0), 1)
    assert np.allclose(ranking.sum(axis=1), 1)


@given(st.dictionaries(st.sampled_from("abcde"), VALUES, min_size=2), st.randoms())
def test_the_order_of_the_rows_changes_no_probability(values, random):
    rows = [*values.items()]
    random.shuffle(rows)
    assert rank_probabilities(dict(rows)) == rank_probabilities(values)
    assert [*rank_probabilities(dict(rows))] == [model for model, _ in rows]


def test_a_model_that_is_always_last_changes_no_other_probability():
    ours = {"b": [1.0, 4.0, 5.0], "c": [2.0, 3.0, 7.0]}
    ranking = rank_probabilities({"a": [9e9, 9e9, 9e9], **ours})
    assert {
        model: rank_probabilities[:2] for model, rank_probabilities in ranking.items() if model != "a"
    } == rank_probabilities(ours)
    assert 0 < ranking["b"][0] < 1


def test_models_with_equal_values_have_equal_rank_probabilities():
    """Each model has a random stream of its own, so equal values do not give equal draws."""
    ranking = rank_probabilities({"a": [1.0] * 3, "b": [1.0] * 3})
    assert ranking["a"][0] == pytest.approx(0.5, abs=0.05)


def test_models_with_equal_published_means_are_in_the_order_of_their_names():
    published = {"a": 1.0, "b": 1.0, "c": 2.0}
    ours = {"b": [1.0], "c": [2.0], "a": [3.0]}
    assert rank_models(ours, published) == rank_models(dict(reversed(ours.items())), published)
    assert rank_models(ours, published).models == ("a", "b", "c")


def test_models_with_too_few_runs_have_no_rank_probabilities():
    assert rank_models({"a": [1.0, 2.0], "b": [3.0, 4.0, 5.0], "c": [1.0]}, {}).rank_probabilities == {}
    assert [*rank_models({"a": [1.0, 2.0], "b": [3.0, 4.0, 5.0], "c": [1.0, 1.5, 2.0]}, {}).rank_probabilities] == [
        "b",
        "c",
    ]
