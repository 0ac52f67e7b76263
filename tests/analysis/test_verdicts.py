"""Verdicts: closed forms, SciPy as an oracle, and what must hold whatever the numbers are."""

import math
from statistics import fmean, stdev

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import integrate, stats

from benchmarks.analysis import verdicts
from benchmarks.analysis.verdicts import Verdict, interval, judge, order, ranks, welch

VALUES = st.lists(st.floats(1.0, 200.0), min_size=3, max_size=10)


def test_the_interval_of_three_values_by_hand():
    # t(0.975, 2) = 4.302653, standard error 1 / sqrt(3)
    half = 4.302653 / 3**0.5
    assert interval([9.0, 10.0, 11.0]) == pytest.approx((10 - half, 10 + half), abs=1e-6)
    assert interval([1.0]) == interval([]) == (None, None)


@given(VALUES)
def test_the_interval_is_scipys(values):
    assume(stdev(values) > 1e-3)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert interval(values) == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-6)


@given(VALUES, VALUES)
def test_the_interval_of_the_difference_is_welchs(ours, theirs):
    assume(min(stdev(ours), stdev(theirs)) > 1e-3)
    found = judge(ours, fmean(theirs), stdev(theirs), trials=len(theirs))
    expected = stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95)
    assert (found.delta_low, found.delta_high) == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-5)


@given(VALUES, st.floats(1.0, 200.0), st.floats(0.01, 5.0))
def test_each_p_is_that_of_scipys_one_sided_test(ours, mean, std):
    assume(stdev(ours) > 1e-3)
    found = judge(ours, mean, std)

    def p(at, alternative):
        return stats.ttest_ind_from_stats(fmean(ours), stdev(ours), len(ours), at, std, verdicts.TRIALS,
                                          equal_var=False, alternative=alternative).pvalue  # fmt: skip

    within = max(p(mean - found.margin, "greater"), p(mean + found.margin, "less"))
    expected = {"reproduced": within, "undecided": within, "better": p(mean - found.margin, "less"),
                "worse": p(mean + found.margin, "greater")}  # fmt: skip
    assert found.p == pytest.approx(expected[found.word], rel=1e-5, abs=1e-9)
    assert (found.p < verdicts.LEVEL) == (found.word != "undecided")
    assert sum(p < verdicts.LEVEL for word, p in expected.items() if word != "undecided") <= 1


def test_equal_spreads_and_numbers_have_the_degrees_of_freedom_of_both():
    assert welch(2.0, 10, 2.0, 10) == (pytest.approx(math.sqrt(0.8)), pytest.approx(18.0))
    assert welch(3.0, 4, 0.0, 10) == (1.5, pytest.approx(3.0))  # the published number is exact
    assert welch(0.0, 4, 0.0, 10) == (0.0, 12.0)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ([8.2, 8.3, 8.1], "reproduced"),  # GLF on MNIST is 8.2 ± 0.1; the margin is 0.41
        ([8.4, 8.5, 8.45], "reproduced"),  # not the same number, but within the margin
        ([7.0, 7.1, 7.2], "better"),
        ([9.5, 9.6, 9.4], "worse"),
        ([8.5, 8.6, 8.7], "undecided"),  # at the margin
        ([7.2, 8.2, 9.2], "undecided"),  # as good as equal on average, but too few to show it
        ([5.0, 8.0, 7.0], "undecided"),
    ],
)
def test_verdicts_on_glf_on_mnist(values, word):
    assert judge(values, 8.2, 0.1).word == word


def test_the_margin_is_the_larger_of_a_share_and_the_papers_spread():
    assert judge([1.0, 1.1], 8.2, 0.1).margin == pytest.approx(0.41)
    assert judge([1.0, 1.1], 10.9, 0.7).margin == pytest.approx(1.4)
    assert judge([1.0, 1.1], 8.2, 0.1, share=0.1).margin == pytest.approx(0.82)
    words = [judge([8.6, 8.7, 8.65], 8.2, 0.1, share=share).word for share in (0.01, 0.05, 0.1)]
    assert words == ["worse", "undecided", "reproduced"]


def test_fewer_than_three_trainings_decide_nothing():
    assert judge([], 8.2, 0.1) == Verdict(margin=0.41, why="no training is done")
    one, two = judge([99.0], 8.2, 0.1), judge([99.0, 99.1], 8.2, 0.1)
    assert (one.word, one.delta, one.delta_low, one.low) == ("undecided", 90.8, None, None)
    assert (two.word, two.why) == ("undecided", "2 trainings are fewer than 3")
    assert two.delta_low > 0
    assert judge([99.0, 99.1, 99.2], 8.2, 0.1).word == "worse"


def test_exact_numbers_need_no_interval():
    assert judge([8.2] * 3, 8.2, 0.0).word == "reproduced"
    assert judge([8.0] * 3, 10.0, 0.0).word == "better"
    assert judge([8.0] * 3, 7.0, 0.0).word == "worse"


@given(VALUES, st.floats(5.0, 200.0), st.floats(0.01, 1.0))
def test_a_wider_margin_never_makes_a_reproduced_number_another(values, mean, std):
    if judge(values, mean, std, share=0.05).word == "reproduced":
        assert judge(values, mean, std, share=0.2).word == "reproduced"


@given(VALUES, st.floats(5.0, 200.0), st.floats(0.01, 1.0), st.floats(0.1, 10.0))
def test_the_scale_of_the_metric_does_not_matter(values, mean, std, scale):
    assume(stdev(values) > 1e-2)
    one, other = judge(values, mean, std), judge([scale * v for v in values], scale * mean, scale * std)
    assert one.p == pytest.approx(other.p, rel=1e-4, abs=1e-7)
    if abs(one.p - verdicts.LEVEL) > 1e-4:
        assert one.word == other.word


# --- the order


def test_the_rank_correlation_is_spearmans():
    published = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    assert order({name: [10.0 * v] for name, v in published.items()}, published).rho == pytest.approx(1.0)
    assert order({name: [-v] for name, v in published.items()}, published).rho == pytest.approx(-1.0)
    # one exchange of neighbours: 1 - 6 * 2 / (4 * 15)
    assert order({"a": [1.0], "b": [3.0], "c": [2.0], "d": [4.0]}, published).rho == pytest.approx(0.8)


def test_the_interval_of_the_rank_correlation_is_that_of_trainings_drawn_again():
    published = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    apart = {name: [10 * v - 0.1, 10 * v, 10 * v + 0.1] for name, v in published.items()}
    found = order(apart, published)
    assert (found.low, found.high) == pytest.approx((1.0, 1.0))  # no draw in forty changes their order
    # b and c are the same but for chance: a draw has either order, whose correlations are 1 and 0.8
    found = order({**apart, "b": [24.0, 25.0, 26.0], "c": [24.1, 25.1, 26.1]}, published)
    assert (found.low, found.high) == pytest.approx((0.8, 1.0))
    one = order({**apart, "a": [10.0]}, published)
    assert one.rho == pytest.approx(1.0)
    assert (one.low, one.high) == (None, None)  # of one training nobody knows


def test_equal_means_in_every_draw_leave_no_interval():
    published = {"a": 1.0, "b": 2.0, "c": 3.0}
    assert order({key: [1.0, 1.0, 1.0] for key in "abc"}, published).low is None


def test_only_what_both_have_is_ordered():
    ours = {"mine": [1.0], "a": [1.0], "b": [2.0], "c": [3.0], "none": []}
    found = order(ours, {"c": 3.0, "b": 2.0, "a": 1.0, "d": 0.0})
    assert found.models == ("a", "b", "c")
    assert found.rho == pytest.approx(1.0)
    assert found.chances == {}
    assert order({"a": [1.0], "b": [2.0]}, {"a": 1.0, "b": 2.0}).rho is None  # two have no order to speak of
    assert order({"a": [1.0], "b": [1.0], "c": [1.0]}, {"a": 1.0, "b": 2.0, "c": 3.0}).rho is None


def test_models_without_a_spread_have_their_ranks_for_sure():
    found = ranks({"b": [3.0, 3.0, 3.0], "a": [1.0, 1.0, 1.0], "c": [6.0, 6.0, 6.0]})
    assert found == {"b": (0.0, 1.0, 0.0), "a": (1.0, 0.0, 0.0), "c": (0.0, 0.0, 1.0)}


def test_the_bootstrap_comes_near_the_exact_probability():
    """That of one mean's Student distribution lying below that of another: an integral."""
    ours = {"a": [1.0, 4.0, 5.0], "b": [2.0, 3.0, 7.0, 8.0]}
    a, b = (stats.t(len(v) - 1, fmean(v), stdev(v) / math.sqrt(len(v))) for v in ours.values())
    exact, _ = integrate.quad(lambda x: a.cdf(x) * b.pdf(x), -np.inf, np.inf)
    assert 0.6 < exact < 0.9
    assert ranks(ours)["a"][0] == pytest.approx(exact, abs=0.02)


def test_of_two_equal_models_none_is_the_better_one_for_sure():
    """Three trainings each: by resampling them, one of two would be the better one with 1.00 in one case of ten."""
    random = np.random.default_rng(0)
    first = [ranks({"a": random.normal(size=3), "b": random.normal(size=3)})["a"][0] for _ in range(200)]
    assert np.mean([0.005 < p < 0.995 for p in first]) > 0.98


@given(st.dictionaries(st.sampled_from("abcde"), VALUES, min_size=2))
def test_probabilities_of_ranks_are_probabilities(values):
    found = np.array([*ranks(values).values()])
    assert found.shape == (len(values), len(values))
    assert (found >= 0).all()
    assert np.allclose(found.sum(axis=0), 1)
    assert np.allclose(found.sum(axis=1), 1)


@given(st.dictionaries(st.sampled_from("abcde"), VALUES, min_size=2), st.randoms())
def test_the_order_of_the_rows_moves_no_probability(values, random):
    rows = [*values.items()]
    random.shuffle(rows)
    assert ranks(dict(rows)) == ranks(values)
    assert [*ranks(dict(rows))] == [model for model, _ in rows]


def test_a_model_that_is_always_the_last_moves_no_other_probability():
    ours = {"b": [1.0, 4.0, 5.0], "c": [2.0, 3.0, 7.0]}
    found = ranks({"a": [9e9, 9e9, 9e9], **ours})
    assert {model: chances[:2] for model, chances in found.items() if model != "a"} == ranks(ours)
    assert 0 < found["b"][0] < 1


def test_models_of_the_same_values_take_turns():
    """Also where every draw of one is like that of the other: their streams are not the same."""
    found = ranks({"a": [1.0] * 3, "b": [1.0] * 3})
    assert found["a"][0] == pytest.approx(0.5, abs=0.05)


def test_models_that_the_paper_has_equal_are_in_the_order_of_their_names():
    published = {"a": 1.0, "b": 1.0, "c": 2.0}
    ours = {"b": [1.0], "c": [2.0], "a": [3.0]}
    assert order(ours, published) == order(dict(reversed(ours.items())), published)
    assert order(ours, published).models == ("a", "b", "c")


def test_too_few_trainings_have_no_probability_of_a_rank():
    assert order({"a": [1.0, 2.0], "b": [3.0, 4.0, 5.0], "c": [1.0]}, {}).chances == {}
    assert [*order({"a": [1.0, 2.0], "b": [3.0, 4.0, 5.0], "c": [1.0, 1.5, 2.0]}, {}).chances] == ["b", "c"]
