import numpy as np
import pandas as pd
import pytest

from benchmarks.reporting.figures.curves import axis_limits, create_axes, label_log_ticks


def test_a_run_that_ends_in_huge_numbers_does_not_squeeze_the_others():
    band = pd.DataFrame({"model": ["glf", "glf", "vae", "vae"], "low": [1.0, 2.0, 1.5, 1e29], "runs": 3,
                         "high": [3.0, 4.0, 2.0, 2e29]})  # fmt: skip
    low, high = axis_limits(band, {"vae"})
    assert 0 < low < 1.0
    assert 4.0 < high < 5.0
    assert axis_limits(band, set()) == (-np.inf, np.inf), "no model diverged: all is shown"
    assert axis_limits(band, {"glf", "vae"}) == (-np.inf, np.inf), "no model is left to be squeezed"
    mild = band.assign(high=[3.0, 4.0, 2.0, 5.0], low=[1.0, 2.0, 1.5, 4.5])
    assert axis_limits(mild, {"vae"}) == (-np.inf, np.inf), "there is room for all"


def test_room_on_a_logarithmic_axis_is_measured_in_logarithms():
    """Stable curves that span a decade keep their share if the other curves add less than a decade."""
    band = pd.DataFrame({"model": ["glf", "glf", "vae"], "low": [1.0, 10.0, 20.0], "high": [1.0, 10.0, 100.0],
                         "runs": 3})  # fmt: skip
    assert axis_limits(band, {"vae"}, log=True) == (-np.inf, np.inf)
    assert axis_limits(band, {"vae"}) < (1.0, 11.0), "on a linear one they have a tenth"
    low, high = axis_limits(band.assign(high=[1.0, 10.0, 1e9]), {"vae"}, log=True)
    assert 0.5 < low < 1.0
    assert 10.0 < high < 20.0


@pytest.mark.parametrize("log", [False, True])
def test_curves_of_a_single_value_cannot_be_squeezed(log):
    band = pd.DataFrame({"model": ["glf", "vae"], "low": [2.0, 1.0], "high": [2.0, 50.0], "runs": 3})
    assert axis_limits(band, {"vae"}, log) == (-np.inf, np.inf)


@pytest.mark.parametrize(("limits", "expected"), [
    ((1.5, 4.0), {"2", "3", "4"}),
    ((0.9, 80.0), {"1", "2", "5", "10", "20", "50"}),
    ((0.3, 5e4), {"0.5", "1", "10", "100", "1000", "10000"}),
])  # fmt: skip
def test_ticks_of_a_logarithmic_axis_are_labeled_as_far_as_there_is_room(limits, expected):
    figure, axes = create_axes(1, 1)
    axis = axes[0, 0]
    axis.plot([0, 1], limits)
    axis.set_yscale("log")
    axis.set_ylim(*limits)
    label_log_ticks(axis, limits)
    figure.canvas.draw()
    low, high = axis.get_ylim()
    labels = {label.get_text() for is_minor in (False, True) for label in axis.yaxis.get_ticklabels(minor=is_minor)}
    visible = {text for text in labels if text and low <= float(text) <= high}
    assert expected <= visible
    if limits[1] > 15 * limits[0]:
        assert {text.lstrip("0.")[0] for text in visible} <= {*"125"}
