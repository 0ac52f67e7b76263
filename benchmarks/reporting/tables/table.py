"""A finished table: labelled rows and columns of cells, to be formatted or to be read as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import pandas as pd
from pandas import DataFrame

from benchmarks.paper import Pair

MISSING = "—"  # printed where there is no number


class CellText(NamedTuple):
    """The text of a cell in one subcolumn; each file format has its own way to print the best values bold."""

    value: str
    suffix: str = ""
    is_best: bool = False


class TableCell(Protocol):
    """What a table has where a row and a column meet."""

    @property
    def id_columns(self) -> Mapping[str, str | None]:
        """What identifies the cell in the tidy table: model, data set, source, metric protocol."""

    def render(self, decimals: int) -> Mapping[str, CellText]:
        """Its text by subcolumn: "" is ours; others, such as "paper", have columns of their own."""

    def value_columns(self) -> dict[str, Any]:
        """Its numbers for the tidy table, unrounded."""


@dataclass(frozen=True)
class Table:
    """A finished table, ready to be written as CSV, LaTeX, Markdown or HTML."""

    name: str
    caption: str
    notes: tuple[str, ...]
    rows: Mapping[str, str]  # key -> label
    columns: Mapping[str, str]  # key -> label
    cells: Mapping[Pair, TableCell]  # (row, column)
    metric: str
    preset: str
    decimals: int = 1
    row_header: str = "Model"  # above the labels of the rows

    def subcolumns(self, column: str) -> list[str]:
        """The subcolumns that any cell of a column has; "", which is ours, comes first."""
        texts = (self.cells[row, column].render(self.decimals) for row in self.rows)
        return [*dict.fromkeys(["", *(subcolumn for text in texts for subcolumn in text)])]

    def header(self) -> list[str]:
        """Labels of all columns and subcolumns, without that of the rows."""
        pairs = [(label, subcolumn) for column, label in self.columns.items() for subcolumn in self.subcolumns(column)]
        return [f"{label} ({subcolumn})" if subcolumn else label for label, subcolumn in pairs]

    def row(self, row: str) -> list[CellText]:
        """The texts of one row, in the order of the header."""
        texts = []
        for column in self.columns:
            rendered = self.cells[row, column].render(self.decimals)
            texts += [rendered.get(subcolumn, CellText(MISSING)) for subcolumn in self.subcolumns(column)]
        return texts

    def frame(self) -> DataFrame:
        """The table as printed: strings, one row per row."""
        rows = [[text.value + text.suffix for text in self.row(row)] for row in self.rows]
        index = pd.Index([*self.rows.values()], name=self.row_header.lower())
        return DataFrame(rows, index=index, columns=pd.Index(self.header()))

    def tidy(self) -> DataFrame:
        """The table as data: unrounded numbers, one row per cell; `columns.COLUMNS` documents the columns."""
        rows = [
            {**cell.id_columns, "metric": self.metric, "preset": self.preset, **cell.value_columns()}
            for cell in self.cells.values()
        ]
        return DataFrame(rows, columns=_merge_columns(rows))


def _merge_columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """All columns of some rows; one that only some rows have comes after the column that it follows there."""
    columns: list[str] = []
    for row in rows:
        position = 0
        for name in row:
            if name not in columns:
                columns.insert(position, name)
            position = columns.index(name) + 1
    return columns
