"""Parsing of options that have a form of their own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.execution.options import format_seeds, parse_seeds


@pytest.mark.parametrize(("text", "seeds"), [
    (None, (0, 1)), ("1", (0,)), ("3", (0, 1, 2)), ("3,7", (3, 7)), ("7,3", (7, 3)), ("7,", (7,)), ("0,", (0,)),
    (" 1 , 2 ", (1, 2)),
])  # fmt: skip
def test_seeds_are_a_number_of_runs_or_a_list(text, seeds):
    errors = []
    assert parse_seeds(text, 2, errors) == seeds
    assert not errors


@pytest.mark.parametrize(
    "text", ["", ",", "0", "-1", "3,-7", "two", "1,two", "1,,2", "1,2,", "1.5", "²", "3,3", "03,3", "1" * 12]
)
def test_other_seeds_are_one_clear_error(text):
    errors = []
    parse_seeds(text, 2, errors)
    (error,) = errors
    assert error.startswith("--seeds ")
    assert text in error


def test_the_error_says_which_seed_is_repeated():
    errors = []
    parse_seeds("3,7,3", 1, errors)
    assert errors == ["--seeds 3,7,3 lists seed 3 more than once; list each seed once"]


@given(st.lists(st.integers(0, 10**8), min_size=1, max_size=9, unique=True))
def test_formatted_seeds_are_parsed_as_the_same(seeds):
    errors = []
    assert parse_seeds(format_seeds(seeds), 1, errors) == tuple(seeds)
    assert not errors
