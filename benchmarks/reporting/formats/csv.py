"""Data as CSV that a spreadsheet shows and does not run."""

from __future__ import annotations

import re
from typing import TypeVar

from pandas import DataFrame

from benchmarks.printing import escape_terminal_line

T = TypeVar("T")

# Spreadsheets take a cell that begins so as a formula, also after spaces; the wide signs are for East Asian keyboards
FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]")
_NUMBER = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"
# A cell of our tables: "-5.6 ± 0.4 (2/3)". In what may follow the number, a formula has nothing to call or to open
NUMERIC = re.compile(rf"{_NUMBER}( ± ({_NUMBER}|—))*( \([\d/.]+\))?( \[\d+ [a-z]+\])?( [≈<>↑↓])?|[-+]?(inf|nan)")


def escape_csv(value: T) -> T | str:
    """A cell that no spreadsheet takes as a formula, on one line; numbers and what is no text stay as they are."""
    if not isinstance(value, str):
        return value
    text = escape_terminal_line(value)
    return f"'{text}" if FORMULA.match(text) and not NUMERIC.fullmatch(text) else text


def frame_to_csv(frame: DataFrame, *, index: bool = False) -> str:
    """A frame as CSV, with all texts escaped, also those of the header.

    Args:
        frame: the data.
        index: whether the first column is the index.
    """
    escaped = frame.apply(lambda column: column if column.dtype.kind in "biufc" else column.map(escape_csv))
    escaped = escaped.rename(index=escape_csv, columns=escape_csv)
    text: str = escaped.to_csv(index=index, lineterminator="\n")
    return text
