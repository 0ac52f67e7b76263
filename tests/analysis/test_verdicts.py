"""Verdicts on published numbers: closed forms, SciPy as an oracle, and properties that hold for any numbers."""

import math
from statistics import fmean, stdev

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from benchmarks.analysis import verdicts
from benchmarks.analysis.verdicts import Verdict, compare_with_published, mean_interval, welch_error

VALUES = st.lists(st.floats(1.0, 200.0), min_size=3, max_size=10)


def test_the_interval_of_three_values_agrees_with_a_hand_computation():
    # t(0.975, 2) = 4.302653, standard error 1 / sqrt(3)
    half = 4.302653 / 3**0.5
    assert mean_interval([9.0, 10.0, 11.0]) == pytest.approx((10 - half, 10 + half), abs=1e-6)
    assert mean_interval([1.0]) == mean_interval([]) == (None, None)


@given(VALUES)
def test_the_interval_agrees_with_scipy(values):
    assume(stdev(values) > 1e-3)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert mean_interval(values) == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-6)


@given(VALUES, VALUES)
def test_the_interval_of_the_difference_agrees_with_scipys_welch_test(ours, reference):
    assume(min(stdev(ours), stdev(reference)) > 1e-3)
    verdict = compare_with_published(ours, fmean(reference), stdev(reference), trials=len(reference))
    expected = stats.ttest_ind(ours, reference, equal_var=False).confidence_interval(0.95)
    assert (verdict.delta_low, verdict.delta_high) == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-5)


@given(VALUES, st.floats(1.0, 200.0), st.floats(0.01, 5.0))
def test_each_p_value_is_that_of_scipys_one_sided_test(ours, mean, std):
    assume(stdev(ours) > 1e-3)
    verdict = compare_with_published(ours, mean, std)

    def p(at, alternative):
        return stats.ttest_ind_from_stats(fmean(ours), stdev(ours), len(ours), at, std, verdicts.PUBLISHED_TRIALS,
                                          equal_var=False, alternative=alternative).pvalue  # fmt: skip

    within = max(p(mean - verdict.margin, "greater"), p(mean + verdict.margin, "less"))
    expected = {"reproduced": within, "undecided": within, "better": p(mean - verdict.margin, "less"),
                "worse": p(mean + verdict.margin, "greater")}  # fmt: skip
    assert verdict.p == pytest.approx(expected[verdict.outcome], rel=1e-5, abs=1e-9)
    assert (verdict.p < verdicts.SIGNIFICANCE_LEVEL) == (verdict.outcome != "undecided")
    assert sum(p < verdicts.SIGNIFICANCE_LEVEL for word, p in expected.items() if word != "undecided") <= 1


def test_equal_deviations_and_counts_give_the_summed_degrees_of_freedom():
    assert welch_error(2.0, 10, 2.0, 10) == (pytest.approx(math.sqrt(0.8)), pytest.approx(18.0))
    assert welch_error(3.0, 4, 0.0, 10) == (1.5, pytest.approx(3.0))  # the published number is exact
    assert welch_error(0.0, 4, 0.0, 10) == (0.0, 12.0)


@pytest.mark.parametrize(
    ("values", "outcome"),
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
def test_runs_near_glf_on_mnist_have_the_expected_verdict(values, outcome):
    assert compare_with_published(values, 8.2, 0.1).outcome == outcome


def test_the_margin_is_the_larger_of_a_share_and_the_papers_deviation():
    assert compare_with_published([1.0, 1.1], 8.2, 0.1).margin == pytest.approx(0.41)
    assert compare_with_published([1.0, 1.1], 10.9, 0.7).margin == pytest.approx(1.4)
    assert compare_with_published([1.0, 1.1], 8.2, 0.1, relative_margin=0.1).margin == pytest.approx(0.82)
    words = [
        compare_with_published([8.6, 8.7, 8.65], 8.2, 0.1, relative_margin=share).outcome for share in (0.01, 0.05, 0.1)
    ]
    assert words == ["worse", "undecided", "reproduced"]


def test_fewer_than_three_runs_are_undecided():
    assert compare_with_published([], 8.2, 0.1) == Verdict(margin=0.41, reason="no run is done")
    one, two = compare_with_published([99.0], 8.2, 0.1), compare_with_published([99.0, 99.1], 8.2, 0.1)
    assert (one.outcome, one.delta, one.delta_low, one.low) == ("undecided", 90.8, None, None)
    assert (two.outcome, two.reason) == ("undecided", "2 runs are fewer than 3")
    assert two.delta_low > 0
    assert compare_with_published([99.0, 99.1, 99.2], 8.2, 0.1).outcome == "worse"


def test_exact_numbers_need_no_interval():
    assert compare_with_published([8.2] * 3, 8.2, 0.0).outcome == "reproduced"
    assert compare_with_published([8.0] * 3, 10.0, 0.0).outcome == "better"
    assert compare_with_published([8.0] * 3, 7.0, 0.0).outcome == "worse"


@given(VALUES, st.floats(5.0, 200.0), st.floats(0.01, 1.0))
def test_a_reproduced_number_stays_reproduced_with_a_wider_margin(values, mean, std):
    if compare_with_published(values, mean, std, relative_margin=0.05).outcome == "reproduced":
        assert compare_with_published(values, mean, std, relative_margin=0.2).outcome == "reproduced"


@given(VALUES, st.floats(5.0, 200.0), st.floats(0.01, 1.0), st.floats(0.1, 10.0))
def test_the_scale_of_the_metric_does_not_matter(values, mean, std, scale):
    assume(stdev(values) > 1e-2)
    one, other = (
        compare_with_published(values, mean, std),
        compare_with_published([scale * v for v in values], scale * mean, scale * std),
    )
    assert one.p == pytest.approx(other.p, rel=1e-4, abs=1e-7)
    if abs(one.p - verdicts.SIGNIFICANCE_LEVEL) > 1e-4:
        assert one.outcome == other.outcome
