"""Rows of many files as columns, in little memory.

A value that all rows of a file share is kept once per file. A value that a row lacks takes one bit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame

Array = np.ndarray[Any, Any]
Value = Any  # of JSON


@dataclass(frozen=True)
class Column:
    """The values of one column.

    Attributes:
        known: packed bits, whether each row has a value; None: all rows have one.
        values: of the rows that have one: int64, float64, or positions in `uniques`.
        uniques: the different values of a column that does not only hold numbers.
        length: number of rows.
    """

    known: Array | None
    values: Array
    uniques: list[Value] | None
    length: int

    @classmethod
    def of(cls, known: Array, values: Array, uniques: list[Value] | None = None) -> Column:
        """A column of a mask and the values of the rows that it names."""
        return cls(None if bool(known.all()) else np.packbits(known), values, uniques, len(known))

    @property
    def mask(self) -> Array:
        """Whether each row has a value."""
        if self.known is None:
            return np.ones(self.length, dtype=bool)
        return np.unpackbits(self.known, count=self.length).astype(bool)

    def first(self) -> int:
        """The first row that has a value; the number of rows if none has."""
        if not len(self.values):
            return self.length
        return 0 if self.known is None else int(self.mask.argmax())

    def take(self, rows: Array) -> Column:
        """The column of some rows."""
        if self.known is None:
            return Column(None, self.values[rows], self.uniques, len(rows))
        mask = self.mask
        known = mask[rows]
        return Column.of(known, self.values[(np.cumsum(mask) - 1)[rows[known]]], self.uniques)

    def array(self) -> Array:
        """A value per row. A missing number is NaN, any other missing value is None."""
        if not len(self.values):
            return np.full(self.length, None, dtype=object)
        if self.uniques is None:
            if self.known is None:
                return self.values
            numbers = np.full(self.length, np.nan)
            numbers[self.mask] = self.values
            return numbers
        if self.known is None and {*map(type, self.uniques)} == {bool}:
            return np.array(self.uniques, dtype=bool)[self.values]
        return _objects([*self.uniques, None])[self._codes()]

    def categories(self) -> pd.Categorical | None:
        """The column as categories in alphabetical order; None if it holds anything but text."""
        if not self.uniques or {*map(type, self.uniques)} != {str}:
            return None
        order = sorted(range(len(self.uniques)), key=self.uniques.__getitem__)
        ranks = np.full(len(order) + 1, -1, dtype=np.int32)  # the last one: of missing values
        ranks[order] = np.arange(len(order), dtype=np.int32)
        names = [self.uniques[i] for i in order]
        return pd.Categorical.from_codes(ranks[self._codes()], categories=pd.Index(names))

    def _codes(self) -> Array:
        if self.known is None:
            return self.values
        codes = np.full(self.length, -1, dtype=np.int32)
        codes[self.mask] = self.values
        return codes


def join_columns(parts: Sequence[tuple[Column | None, int]]) -> Column:
    """One column after the other.

    Args:
        parts: columns and their lengths; None: no row has a value.
    """
    present = [part for part, _ in parts if part is not None and len(part.values)]
    mask = np.concatenate([np.zeros(n, dtype=bool) if part is None else part.mask for part, n in parts])
    if not present:
        return Column.of(mask, np.array([]))
    if all(part.uniques is None for part in present):
        return Column.of(mask, np.concatenate([part.values for part in present]))
    if all(part.uniques is present[0].uniques for part in present):
        return Column.of(mask, np.concatenate([part.values for part in present]), present[0].uniques)
    codes = Codes()
    values = []
    for part in present:
        if part.uniques is None:
            values.append(codes.encode(part.values.tolist()))
        else:
            values.append(codes.encode(part.uniques)[part.values])
    return Column.of(mask, np.concatenate(values), codes.uniques)


class Codes:
    """Numbers for values of any kind: the position of a value among the different ones."""

    def __init__(self) -> None:
        self.uniques: list[Value] = []
        self._positions: dict[Any, int] = {}

    def encode(self, values: Iterable[Value]) -> Array:
        """The numbers of some values. 1, 1.0 and True are different values."""
        return np.fromiter((self._position(value) for value in values), dtype=np.int32)

    def _position(self, value: Value) -> int:
        name = value if type(value) is str else (type(value), json.dumps(value))
        position = self._positions.setdefault(name, len(self.uniques))
        if position == len(self.uniques):
            self.uniques.append(value)
        return position


@dataclass(frozen=True)
class Rows:
    """The rows of some files, one file after the other.

    Attributes:
        counts: number of rows of each file.
        shared: the columns with one value per file.
        own: the columns with one value per row.
    """

    counts: Array
    shared: dict[str, Column]
    own: dict[str, Column]

    def take(self, files: Array) -> Rows:
        """The rows of some files, in their order."""
        if np.array_equal(files, np.arange(len(self.counts))):
            return self
        counts = self.counts[files]
        starts = (np.cumsum(self.counts) - self.counts)[files]
        rows = np.repeat(starts - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
        return Rows(
            counts,
            {name: column.take(files) for name, column in self.shared.items()},
            {name: column.take(rows) for name, column in self.own.items()},
        )

    def frame(self, wanted: Callable[[str], bool] | None = None, categories: bool = False) -> DataFrame:
        """The rows as a frame, with columns in the order in which rows first have a value.

        Args:
            wanted: which columns; None: all.
            categories: whether columns of text are categorical.
        """
        if not self.counts.any():
            return DataFrame(index=pd.RangeIndex(0))
        starts = np.append(np.cumsum(self.counts) - self.counts, self.counts.sum())
        firsts = {name: int(starts[column.first()]) for name, column in self.shared.items()}
        firsts |= {name: column.first() for name, column in self.own.items()}
        arrays: dict[str, Any] = {}
        for name in sorted(firsts, key=firsts.__getitem__):
            if wanted is None or wanted(name):
                column = (self.shared if name in self.shared else self.own)[name]
                arrays[name] = array = column.categories() if categories else None
                if array is None:
                    arrays[name] = column.array()
                if name in self.shared:
                    arrays[name] = arrays[name].repeat(self.counts)
        return DataFrame(arrays, copy=False, index=pd.RangeIndex(int(self.counts.sum())))


def join_rows(parts: list[Rows]) -> Rows:
    """The rows of some files, and then those of others."""
    if len(parts) == 1:
        return parts[0]
    counts = [part.counts for part in parts]

    def join(columns: list[dict[str, Column]], lengths: list[int]) -> dict[str, Column]:
        names = dict.fromkeys(name for some in columns for name in some)
        return {
            name: join_columns([(some.pop(name, None), n) for some, n in zip(columns, lengths, strict=True)])
            for name in names
        }

    # Columns are removed from their parts when they have been joined, so that they are not in memory twice
    shared = join([dict(part.shared) for part in parts], [len(some) for some in counts])
    own = [dict(part.own) for part in parts]
    lengths = [int(some.sum()) for some in counts]
    parts.clear()
    return Rows(np.concatenate([np.array([], dtype=np.int64), *counts]), shared, join(own, lengths))


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


def _objects(values: list[Value]) -> Array:
    array = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):  # numpy would make lists a dimension of the array
        array[i] = value
    return array
