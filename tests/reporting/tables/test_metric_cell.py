import pytest
from pandas import DataFrame
from table_cases import EVALUATION_COLUMNS, evaluation_row, lost_run, make_grid

from benchmarks.reporting.tables.quality import table1


def cell_text(rows, wanted=1, decimals=1, draws=1):
    """The text of GLF on MNIST in Table 1; its runs have the keys k0, k1, ..."""
    grid = make_grid({("glf", "mnist"): tuple(f"k{i}" for i in range(wanted))}, draws=draws, decimals=decimals)
    return str(table1(DataFrame(rows, columns=EVALUATION_COLUMNS), grid).frame().loc["GLF", "MNIST"])


@pytest.mark.parametrize(
    ("rows", "wanted", "expected"),
    [
        ([], 1, "—"),
        ([], 0, "—"),
        ([evaluation_row("k0", 12.34)], 1, "12.3"),
        ([evaluation_row("k0", -6e-07)], 1, "0.0"),
        ([evaluation_row("k0", 12.0), evaluation_row("k1", 13.0)], 2, "12.5 ± 0.7"),
        ([evaluation_row(f"k{i}", 12.0 + i % 2) for i in range(7)], 10, "12.4 ± 0.5 (7/10)"),
        ([evaluation_row("k0", 12.0)], 2, "12.0 (1/2)"),
        ([lost_run(f"k{i}", "diverged") for i in range(3)], 3, "— [3 diverged]"),
        ([lost_run("k0", "failed")], 1, "— [1 failed]"),
        (
            [evaluation_row("k0", 1.0), lost_run("k1", "diverged"), lost_run("k2", "failed")],
            4,
            "1.0 (1/4) [1 diverged, 1 failed]",
        ),
        ([evaluation_row("k0", 99999.0)], 1, "99999.0"),
        ([evaluation_row("k0", 123456.0), evaluation_row("k1", 123456.0)], 2, "1.2e+05 ± 0.0e+00"),
        ([evaluation_row("k0", float("nan"))], 1, "—"),
        ([evaluation_row("k0", None, draw=None, metric=None, protocol_id=None)], 1, "—"),  # trained, not evaluated
        ([evaluation_row("k0", float("nan")), evaluation_row("k1", 13.0)], 2, "13.0 (1/2)"),
    ],
)
def test_a_cell_shows_its_mean_its_spread_and_what_is_missing(rows, wanted, expected):
    assert cell_text(rows, wanted) == expected


def test_decimals_are_a_choice():
    assert cell_text([evaluation_row("k0", 0.1234), evaluation_row("k1", 0.1236)], 2, decimals=3) == "0.123 ± 0.000"


def test_a_run_with_too_few_sample_sets_is_missing_and_further_sets_do_not_count():
    rows = [evaluation_row("k0", 10.0), evaluation_row("k0", 20.0, draw=1), evaluation_row("k0", 90.0, draw=2),
            evaluation_row("k1", 14.0)]  # fmt: skip
    assert cell_text(rows, 2, draws=2) == "15.0 ± — ± 7.1 (1/2)"
    assert cell_text(rows, 2, draws=1) == "12.0 ± 2.8"
    assert cell_text([evaluation_row("k0", 1.0), evaluation_row("k0", float("nan"), draw=1)], 1, draws=2) == "—"


@pytest.mark.parametrize(
    "row",
    [
        evaluation_row("k0", 99.0, draw=1, protocol_id="another protocol"),
        evaluation_row("k0", 99.0, draw=1, metric="another metric"),
        evaluation_row("not in the grid", 99.0),  # e.g. of a shortened preset: its settings, hence its key, are others
        lost_run("not in the grid", "diverged"),
        evaluation_row("k0", 99.0, draw=1, protocol_id=None),
    ],
)
def test_evaluations_that_the_grid_does_not_name_are_ignored(row):
    rows = [evaluation_row("k0", 12.0), row]
    assert cell_text(rows) == cell_text(rows[::-1]) == "12.0"


def test_a_diverged_run_gives_no_number():
    assert cell_text([evaluation_row("k0", 12.0, status="diverged")]) == "— [1 diverged]"


def test_the_spreads_over_runs_and_over_sample_sets_are_two_numbers():
    rows = [evaluation_row(key, value, draw=d) for key, values in (("k0", (10.0, 12.0)), ("k1", (13.0, 15.0)))
            for d, value in enumerate(values)]  # fmt: skip
    assert cell_text(rows, 2, draws=2) == "12.5 ± 2.1 ± 1.4"
    assert cell_text(rows[:2], 1, draws=2) == "11.0 ± — ± 1.4"  # one run has no spread over runs
    grid = make_grid({("glf", "mnist"): ("k0", "k1")}, draws=2)
    tidy = table1(DataFrame(rows), grid).tidy().iloc[0]
    assert (tidy["std"], tidy["std_sample_sets"]) == (pytest.approx(3 / 2**0.5), pytest.approx(2**0.5))
