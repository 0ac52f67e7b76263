import pandas as pd
import pytest
from pandas import DataFrame
from table_cases import evaluation_row, make_grid

from benchmarks.reporting.tables.diagnostics import criteria_table
from benchmarks.reporting.tables.quality import table1


@pytest.mark.parametrize(("value", "printed"), [(12.34, "12.3"), (0.0, "0.0"), (0.123, "0.12"), (0.0123, "0.012"),
                                                (0.99, "0.99"), (1.0, "1.0")])  # fmt: skip
def test_small_numbers_keep_two_digits(value, printed):
    grid = make_grid({("glf", "mnist"): ("k0",)})
    assert table1(DataFrame([evaluation_row("k0", value)]), grid).frame().loc["GLF", "MNIST"] == printed
    criteria = criteria_table(DataFrame([evaluation_row("k0", value, n=1, n_fake=1)]), grid)
    assert criteria.frame().loc["GLF", "samples"] == printed


def test_a_run_counts_once_whatever_the_number_of_its_sample_sets():
    # k0 has mean 11 from three sample sets, k1 has 14 from three
    rows = [evaluation_row(key, start + draw, draw=draw) for key, start in (("k0", 10.0), ("k1", 13.0))
            for draw in range(3)]  # fmt: skip
    table = table1(DataFrame(rows), make_grid({("glf", "mnist"): ("k0", "k1")}, draws=3))
    cell = table.cells["glf", "mnist"]
    assert cell.mean == 12.5
    assert cell.std == pytest.approx(3 / 2**0.5)
    assert cell.std_sample_sets == 1.0
    assert (cell.runs, cell.sample_sets) == (2, 3)
    assert cell.format_value(1) == "12.5 ± 2.1 ± 1.0"


def test_the_order_of_the_records_changes_no_digit():
    rows = [evaluation_row(f"k{i}", 0.1 * 3**i, draw=draw) for i in range(4) for draw in range(2)]
    grid = make_grid({("glf", "mnist"): tuple(f"k{i}" for i in range(4))}, draws=2)
    tidy = [table1(DataFrame(order), grid).tidy() for order in (rows, rows[::-1], rows[3:] + rows[:3])]
    pd.testing.assert_frame_equal(tidy[0], tidy[1], check_exact=True)
    pd.testing.assert_frame_equal(tidy[0], tidy[2], check_exact=True)


def test_a_data_set_without_a_metric_protocol_has_no_number():
    evaluations = DataFrame([evaluation_row("k0", 12.0, protocol_id=None)])
    table = table1(evaluations, make_grid({("glf", "mnist"): ("k0",)}, protocol_ids={}))
    assert table.frame().loc["GLF", "MNIST"] == "—"


def test_the_tidy_table_has_the_other_metrics():
    rows = [evaluation_row("g0", 1.0, prd_f8=0.5, kid_mean=0.1),
            evaluation_row("g0", 2.0, draw=1, prd_f8=0.7, kid_mean=0.3),
            evaluation_row("g1", 1.0, prd_f8=0.9)]  # fmt: skip
    rows += [evaluation_row("g1", 2.0, draw=1, prd_f8=0.9), evaluation_row("g1", 9.0, source="floor", prd_f8=0.0)]
    tidy = table1(DataFrame(rows), make_grid({("glf", "mnist"): ("g0", "g1")}, draws=2)).tidy().iloc[0]
    assert tidy["prd_f8"] == pytest.approx((0.6 + 0.9) / 2)
    assert pd.isna(tidy["kid_mean"])  # of one run, where the distance is of two
    assert "knn_recall" not in tidy


def test_the_other_metrics_of_a_cell_are_of_the_same_runs():
    """A run that has no distance, or too few sample sets, adds nothing else to its cell."""
    rows = [evaluation_row("g0", 1.0, prd_f8=0.5, recon_sse=3.0),
            evaluation_row("g1", float("nan"), prd_f8=0.9, recon_sse=5.0)]  # fmt: skip
    tidy = table1(DataFrame(rows), make_grid({("glf", "mnist"): ("g0", "g1")})).tidy().iloc[0]
    assert [tidy[name] for name in ("runs", "prd_f8", "recon_sse")] == [1, 0.5, 3.0]
    half = [evaluation_row("g0", 1.0, prd_f8=0.5), evaluation_row("g0", 1.0, draw=1, prd_f8=float("nan"))]
    tidy = table1(DataFrame(half), make_grid({("glf", "mnist"): ("g0",)}, draws=2)).tidy()
    assert pd.isna(tidy.loc[0, "prd_f8"])


@pytest.mark.parametrize(
    ("values", "printed"),
    [
        ((1.07, 1.13), "1.10 ± 0.04"),  # one decimal would print 1.1 ± 0.0
        ((1.098, 1.102), "1.100 ± 0.003"),
        ((1.0999, 1.1001), "1.100 ± 0.000"),  # more digits would be noise
        ((11.0, 13.0), "12.0 ± 1.4"),
        ((1.1, 1.1), "1.1 ± 0.0"),  # equal numbers have no spread to show
    ],
)
def test_the_smallest_spread_is_not_printed_as_zero(values, printed):
    rows = [evaluation_row(f"k{i}", value) for i, value in enumerate(values)]
    table = table1(DataFrame(rows), make_grid({("glf", "mnist"): ("k0", "k1")}))
    assert table.frame().loc["GLF", "MNIST"] == printed
