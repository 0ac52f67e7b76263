import pytest

from benchmarks.execution.options import Options
from benchmarks.execution.requirements import MARGIN
from benchmarks.reporting.registry import FORMATS
from benchmarks.reporting.style import TableStyle


def test_the_default_style_has_all_formats():
    errors = []
    assert TableStyle.from_options(Options(), errors) == TableStyle(tuple(FORMATS), None, MARGIN)
    assert not errors


def test_options_set_the_style():
    errors = []
    options = Options(format="html,csv", decimals="3", margin="0.2")
    assert TableStyle.from_options(options, errors) == TableStyle(("html", "csv"), 3, 0.2)
    assert not errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(format="csv,word"), "unknown format 'word'"),
        (Options(decimals="10"), "--decimals must be a digit from 0 to 9, got '10'"),
        (Options(decimals="-1"), "--decimals must be a digit from 0 to 9, got '-1'"),
        (Options(margin="1.5"), "--margin must be a share of the paper's number between 0 and 1, got '1.5'"),
        (Options(margin="half"), "--margin must be a share of the paper's number between 0 and 1, got 'half'"),
    ],
)
def test_each_invalid_option_is_an_error(options, message):
    errors = []
    TableStyle.from_options(options, errors)
    assert len(errors) == 1
    assert message in errors[0]


def test_all_errors_are_reported_at_once():
    errors = []
    TableStyle.from_options(Options(format="word", decimals="x", margin="2"), errors)
    assert len(errors) == 3
