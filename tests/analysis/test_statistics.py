"""The statistical tests against closed forms and on constant samples."""

import numpy as np
import pytest

from benchmarks.analysis import statistics
from benchmarks.analysis.statistics import Effect


def test_holm_correction_agrees_with_a_hand_computation():
    assert statistics.holm_correction([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.holm_correction([]) == []


def test_tests_corrected_together_keep_their_effects():
    tests = {name: Effect(value, value - 1, value + 1, p) for name, value, p in (("a", 1, 0.01), ("b", 2, 0.04))}
    corrected = statistics.correct_together(tests)
    assert [test.p for test in corrected.values()] == [0.02, 0.04]
    assert corrected["b"] == tests["b"]
    assert statistics.correct_together({}) == {}


def test_welch_agrees_with_scipy_and_is_exact_for_constant_samples():
    a, b = [1.0, 2.0, 3.0], [4.0, 5.0, 7.0]
    effect = statistics.welch_t_test(a, b)
    assert effect.value == pytest.approx(-10 / 3)
    assert effect.low < effect.value < effect.high < 0
    assert effect.p == pytest.approx(0.0419, abs=5e-4)  # t = -3.16, 3.45 degrees of freedom
    same = statistics.welch_t_test([1.0, 1.0], [2.0, 2.0])
    assert (same.value, same.low, same.high, same.p) == (-1, -1, -1, 0)


def test_kendall_tau_agrees_with_a_hand_computation():
    effect = statistics.kendall_tau([1, 1, 2, 2, 3, 3], [9.0, 8.0, 7.0, 6.0, 5.0, 4.0])
    assert effect.value == pytest.approx(-12 / np.sqrt(12 * 15))  # 12 pairs fall, of 12 that differ in x and 15 in y
    assert effect.low <= effect.value <= effect.high < 0
    assert statistics.kendall_tau([1, 1], [1.0, 2.0]).p == 1
