"""A finished table: labelled rows and columns of cells, to be formatted or to be read as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import pandas as pd
from pandas import DataFrame

from benchmarks.paper import Pair

MISSING = "—"  # printed where there is no number
# Labels of notes, in the order in which they are printed
NOTE_LABELS = ("Columns", "Data", "Features", "Metric protocol", "Budget", "Settings of ours", "Statistics", "Missing",
               "Order", "Paper", "Environment")  # fmt: skip


class Note(NamedTuple):
    """A note below a table or figure.

    Attributes:
        label: one of `NOTE_LABELS`.
        text: one or more sentences.
        brief: its text where notes are short; None: the same; "": left out.
    """

    label: str
    text: str
    brief: str | None = None


def merge_notes(notes: Iterable[Note]) -> tuple[Note, ...]:
    """One note per label, in the order of `NOTE_LABELS`; texts of one label are joined."""
    by_label: dict[str, list[Note]] = {label: [] for label in NOTE_LABELS}
    for note in notes:
        by_label[note.label].append(note)
    return tuple(
        Note(label, " ".join(n.text for n in some), " ".join(filter(None, (brief_text(n) for n in some))))
        for label, some in by_label.items()
        if some
    )


def brief_text(note: Note) -> str:
    """The text of a note where notes are short."""
    return note.text if note.brief is None else note.brief


def select_notes(notes: Iterable[Note], detail: str) -> list[tuple[str, str]]:
    """Label and text of the notes to print.

    Args:
        notes: of a table.
        detail: one of `registry.NOTE_DETAILS`.
    """
    if detail == "none":
        return []
    texts = ((note.label, note.text if detail == "full" else brief_text(note)) for note in notes)
    return [(label, text) for label, text in texts if text]


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
    notes: tuple[Note, ...]  # one per label, as `merge_notes` gives them
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
