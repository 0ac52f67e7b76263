"""Collect the rows of files as columns, in little memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from benchmarks.experiments.index.columns import Codes, Column, Value
from benchmarks.experiments.index.rows import Rows, join_rows


@dataclass
class _Growing:
    """A column that is being read: its values, and the rows that have them."""

    values: list[Value] = field(default_factory=list)
    ranges: list[tuple[int, int]] = field(default_factory=list)


class RowsBuilder:
    """Collects the rows of files.

    It makes columns of them now and then, so that few rows are in memory as Python's values.
    """

    FLUSH = 50_000  # rows

    def __init__(self) -> None:
        self._counts: list[int] = []
        self._parts: list[Rows] = []
        self._codes: dict[str, Codes] = {}
        self._shared: dict[str, _Growing] = {}
        self._own: dict[str, _Growing] = {}
        self._rows = 0

    def add(self, shared: Mapping[str, Value], rows: Sequence[Mapping[str, Value]]) -> None:
        """Add the rows of the next file.

        Args:
            shared: values that all its rows have. They have precedence over values of the same name in `rows`.
            rows: their other values.
        """
        for name, value in shared.items():
            self._extend(self._shared, name, (value,), len(self._counts))
        for names, group in groupby(rows, key=tuple):
            alike = [*group]  # rows with the same names in the same order
            for name, values in zip(names, zip(*(row.values() for row in alike), strict=True), strict=True):
                if name not in shared:
                    self._extend(self._own, name, values, self._rows)
            self._rows += len(alike)
        self._counts.append(len(rows))
        if self._rows >= self.FLUSH:
            self._flush()

    def finish(self) -> Rows:
        """All rows."""
        self._flush()
        return join_rows(self._parts)

    @staticmethod
    def _extend(columns: dict[str, _Growing], name: str, values: Sequence[Value], start: int) -> None:
        column = columns.get(name)
        if column is None:
            column = columns[name] = _Growing()
        column.values.extend(values)
        stop = start + len(values)
        if column.ranges and column.ranges[-1][1] == start:
            start, _ = column.ranges.pop()
        column.ranges.append((start, stop))

    def _flush(self) -> None:
        self._parts.append(
            Rows(
                np.array(self._counts, dtype=np.int64),
                {name: self._column(name, column, len(self._counts)) for name, column in self._shared.items()},
                {name: self._column(name, column, self._rows) for name, column in self._own.items()},
            )
        )
        self._counts, self._shared, self._own, self._rows = [], {}, {}, 0

    def _column(self, name: str, column: _Growing, length: int) -> Column:
        known = np.zeros(length, dtype=bool)
        for start, stop in column.ranges:
            known[start:stop] = True
        values, types = column.values, {*map(type, column.values)}
        if type(None) in types:
            known[np.flatnonzero(known)[[value is None for value in values]]] = False
            values = [value for value in values if value is not None]
            types.remove(type(None))
        if types <= {int, float}:
            try:
                numbers = np.array(values, dtype=np.float64 if float in types else np.int64)
            except OverflowError:  # an integer of more than 64 bits
                types = {object}
            else:
                if float in types and bool((is_nan := np.isnan(numbers)).any()):  # not JSON, but Python reads it
                    known[np.flatnonzero(known)[is_nan]] = False
                    numbers = numbers[~is_nan]
                return Column.of(known, numbers)
        codes = self._codes.setdefault(name, Codes())
        return Column.of(known, codes.encode(values), codes.uniques)
