"""Strips with a dot per run."""

import re

import pytest

from benchmarks.reporting.report.dot_strip import STRIP_PADDING, STRIP_WIDTH, Scale, dot_strip, scale_axis


@pytest.mark.parametrize("values", [[2.0, 3.0, 9.0], [0.1, 5.0, 300.0], [-3.0, 4.0], [5.0], []])
def test_all_values_and_ticks_are_inside_the_strip(values):
    scale = Scale.fit(values)
    assert scale.log is (values == [0.1, 5.0, 300.0]), "logarithmic if the values span more than a factor of 15"
    assert all(STRIP_PADDING <= scale.x(value) <= STRIP_WIDTH - STRIP_PADDING for value in (*values, *scale.ticks()))
    assert len(re.findall("<text", scale_axis(scale))) == len(scale.ticks()) >= 1


def test_a_strip_has_a_dot_per_run_and_the_published_value():
    scale = Scale.fit([1.0, 2.0, 3.0])
    strip = dot_strip({"seed 0": 1.0, "seed <1>": 3.0}, scale, "#123456", "GLF: 2 runs", published=2.0)
    assert re.findall(r"<circle[^>]*><title>(.*?)</title>", strip) == ["seed 0: 1", "seed &lt;1&gt;: 3"]
    assert "paper: 2" in strip
    assert "paper" not in dot_strip({}, scale, "#123456", "none")
