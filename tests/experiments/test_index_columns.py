"""Columns keep all values of rows, in little memory."""

import tracemalloc

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from benchmarks.experiments.index.building import RowsBuilder
from benchmarks.experiments.index.rows import join_rows

VALUES = st.one_of(st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.floats(allow_nan=False), st.text())
ROWS = st.lists(st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3), max_size=4)
FILES = st.lists(st.tuples(st.dictionaries(st.sampled_from("xy"), VALUES), ROWS), max_size=6)


def build(files, flush):
    builder = RowsBuilder()
    builder.FLUSH = flush
    for shared, rows in files:
        builder.add(shared, rows)
    return builder.finish()


def values(rows):
    """The rows as dicts, without what they lack."""
    return [{name: value for name, value in row.items() if value is not None and value == value}
            for row in rows.frame().astype(object).to_dict("records")]  # fmt: skip


@given(FILES)
def test_rows_hold_every_value_that_was_added(files):
    expected = [{**row, **shared} for shared, rows in files for row in rows]
    expected = [{name: value for name, value in row.items() if value is not None} for row in expected]
    assert values(build(files, 2)) == expected


@given(FILES, FILES)
def test_rows_do_not_depend_on_where_they_were_cut(first, second):
    whole = build([*first, *second], 1000).frame()
    joined = join_rows([build(first, 1), build(second, 2)]).frame()
    assert_frame_equal(whole[sorted(whole)], joined[sorted(joined)])


@given(FILES, st.randoms())
def test_files_are_selected_in_any_order(files, random):
    order = [*range(len(files))]
    random.shuffle(order)
    some = order[: len(order) // 2]
    assert values(build(files, 2).take(pd.array(some, dtype="int64").to_numpy())) == values(
        build([files[i] for i in some], 1000)
    )


def test_memory_of_a_million_values_is_that_of_the_numbers():
    """Rows as dicts would take thirty times as much."""
    rows = [{"epoch": i, "loss": 0.5 + i} for i in range(500)]
    tracemalloc.start()
    try:
        builder = RowsBuilder()
        for number in range(1000):
            builder.add({"key": f"{number:064x}", "model": "glf"}, [{**row} for row in rows])
        built = builder.finish()
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert built.counts.sum() == 500_000
    assert kept < 10 * 2**20  # 8 MB of numbers
    assert peak < 40 * 2**20
