import re
from pathlib import Path

import pandas as pd
import pytest
from density_cases import FITS, FLOORS, density_grid
from pandas import DataFrame
from table_cases import (
    FRAMES,
    PAPER_TABLES,
    PROTOCOL_ID,
    SMALL,
    SMALL_GRID,
    evaluation_row,
    large_table,
    paper_table,
    ranked_table,
    variants_grid,
)

from benchmarks.evaluation.metrics import METRICS
from benchmarks.evaluation.names import DIAGNOSTICS
from benchmarks.reporting.formats.writer import write_table
from benchmarks.reporting.registry import TABLES
from benchmarks.reporting.tables import build_table
from benchmarks.reporting.tables.columns import COLUMNS, columns_page, describe
from benchmarks.reporting.tables.densities import densities_table
from benchmarks.reporting.tables.quality import table1

ROOT = Path(__file__).resolve().parents[3]


def written_columns(table, folder):
    write_table(table, folder, formats=[])
    return {*pd.read_csv(folder / "tables" / f"{table.name}-tidy.csv").columns}


@pytest.fixture(scope="module")
def columns_by_table(tmp_path_factory):
    """Table -> the columns of its tidy CSV, with records that have every metric and every diagnostic."""
    folder = tmp_path_factory.mktemp("tidy")
    measured = dict.fromkeys([*DIAGNOSTICS, *(c for metric in METRICS.values() for c in metric.columns)], 1.0)
    rows = [evaluation_row(key, 1.0, source=source, protocol_id=protocol, n=1, n_fake=1, **measured)
            for key in ("g0", "g1") for source in ("prior", "floor", "posterior", "reconstruction")
            for protocol in (PROTOCOL_ID, "jpeg")]  # fmt: skip
    frames = FRAMES | {"evaluations": DataFrame(rows)}
    written = {name: written_columns(build_table(name, frames, variants_grid()), folder) for name in TABLES}
    ranked = ranked_table({"glf": (1.0, 2.0, 3.0), "vae": (2.0, 3.0, 4.0)}, ["glf", "vae"])
    others = [make(name) for name in PAPER_TABLES for make in (paper_table, large_table)]
    densities = densities_table(FITS, FLOORS, density_grid())
    for table in (*others, ranked, table1(SMALL, SMALL_GRID), densities):
        written[table.name] = written.get(table.name, set()) | written_columns(table, folder)
    return written


@pytest.mark.parametrize("name", TABLES)
def test_every_column_of_a_tidy_table_is_documented(name, columns_by_table):
    for column in columns_by_table[name]:
        assert describe(column)


def test_every_documented_column_is_in_some_table(columns_by_table):
    columns = {re.sub(r"^rank_\d+_", "rank_N_", column) for columns in columns_by_table.values() for column in columns}
    assert COLUMNS.keys() <= columns


def test_an_unknown_column_has_no_description():
    with pytest.raises(KeyError):
        describe("trainings")


def test_the_page_of_columns_is_up_to_date():
    written = (ROOT / "docs" / "columns.md").read_text(encoding="utf-8")
    assert written == columns_page(), "run: python -m benchmarks.reporting.tables.columns > docs/columns.md"
