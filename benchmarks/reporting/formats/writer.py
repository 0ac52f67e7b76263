"""Writing a table in all chosen formats."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.experiments import records
from benchmarks.reporting.formats.html import to_standalone_html
from benchmarks.reporting.formats.latex import to_latex, to_standalone_latex
from benchmarks.reporting.formats.markdown import to_markdown
from benchmarks.reporting.registry import FORMATS
from benchmarks.reporting.tables.table import Table

TIDY_SUFFIX = "-tidy.csv"


def to_csv(table: Table) -> str:
    """The table as printed: one line per row, strings."""
    return table.frame().to_csv(lineterminator="\n")


def to_tidy_csv(table: Table) -> str:
    """The table as data: one line per cell, unrounded numbers; `tables.columns` documents the columns."""
    return table.tidy().to_csv(index=False, lineterminator="\n")


RENDERERS: dict[str, Callable[[Table], str]] = {  # suffix of a file's name -> its content
    ".csv": to_csv,
    TIDY_SUFFIX: to_tidy_csv,
    ".tex": to_latex,
    "-alone.tex": to_standalone_latex,
    ".md": to_markdown,
    ".html": to_standalone_html,
}


def write_table(table: Table, results: Path, formats: Iterable[str] = tuple(FORMATS)) -> list[Path]:
    """Write a table into RESULTS/tables, each file atomically.

    The tidy CSV is always written: other programs read the table from it.

    Args:
        table: what to write.
        results: the results folder.
        formats: keys of `FORMATS`.

    Returns:
        the paths written; the CSV's comes first where there is one.
    """
    chosen = set(formats)
    suffixes = [suffix for name, own in FORMATS.items() if name in chosen for suffix in own]
    suffixes.insert(1 if "csv" in chosen else 0, TIDY_SUFFIX)
    folder = results / "tables"
    return [records.write_text(folder / f"{table.name}{suffix}", RENDERERS[suffix](table)) for suffix in suffixes]
