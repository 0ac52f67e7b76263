"""Charts draw what was measured: curves leave the panel instead of squeezing the others or running along its edge."""

import re

from benchmarks.reporting.report.charts import ChartPanel, Line, axis_ticks, line_chart


def lines(**curves):
    """A curve over successive epochs for each name: (values, epoch in which it diverged)."""
    return [Line(name, "#123456", [*range(1, len(values) + 1)], values, diverged_at)
            for name, (values, diverged_at) in curves.items()]  # fmt: skip


def test_a_cross_is_in_its_panel_even_if_all_runs_diverged():
    chart = line_chart(lines(a=([2.0, 3.0], 9), b=([], 40)), "loss", "nats")
    width = ChartPanel.width - ChartPanel.right
    crosses = [float(x) + 4 for x in re.findall(r'd="M([\d.]+) [\d.]+l8 8m', chart)]
    assert len(crosses) == 2
    assert max(crosses) == width
    assert min(crosses) < width / 2


def test_a_curve_is_broken_where_it_leaves_its_panel():
    """No line is drawn along the edge, where nothing was measured."""
    stable, diverging = lines(stable=([1.0, 2.0, 1.5, 1.2], None), diverging=([1.5, 1e9, 1e9, 1.5, 1.6], 6))
    panel = ChartPanel([stable, diverging])
    assert panel.high < 3
    path = panel.path(diverging)
    assert path.count("M") == 2, "the line out of the panel, and the one back into it"
    heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", path)]
    assert heights.count(panel.top) == 2
    assert panel.path(stable).count("L") == 3
    zero = lines(stable=([1.0, 10.0], None), none=([2.0, 0.0], 2))
    assert ChartPanel(zero).path(zero[1]), "zero has no position on a logarithmic axis"


def test_squeezing_is_judged_on_the_scale_of_the_panel():
    half = lines(stable=([1.0, 10.0], None), diverging=([20.0, 100.0], 3))
    assert ChartPanel(half).log
    assert ChartPanel(half).high > 100
    assert ChartPanel(half, may_log=False).high < 20
    constant = lines(stable=([2.0, 2.0], None), diverging=([1.0, 90.0], 3))
    assert ChartPanel(constant).high > 90, "one value needs no room"


def test_ticks_are_round_and_a_logarithmic_axis_says_so():
    assert axis_ticks(1, 200, False) == [50, 100, 150, 200]
    assert axis_ticks(0.3, 90, True) == [0.3, 1, 3, 10, 30]
    assert axis_ticks(-6, 33, False) == [0, 10, 20, 30]
    assert all(3 <= len(axis_ticks(1.0, high, log)) <= 6 for high in (1.3, 2, 7, 60, 1e3, 1e9, 1e30)
               for log in (False, True))  # fmt: skip
    curves = lines(a=([1.0, 90.0], None))
    assert "log scale" in line_chart(curves, "loss", "nats")
    assert "log scale" not in line_chart(curves, "loss", "nats", may_log=False)


def test_each_curve_has_its_number_and_its_name():
    curves = lines(low=([3.0, 1.0], None), high=([1.0, 2.0], None), diverged=([2.0, 5.0], 2))
    chart = line_chart(curves, "loss", "nats")
    assert re.findall(r'class="name">(\d)<', chart) == ["1", "2", "3"]
    assert re.findall(r"</svg> (\w+): <small>(.*?)</small>", chart) == [
        ("diverged", "5; diverged, epoch 2"), ("high", "2"), ("low", "1")]  # fmt: skip
