"""Rows of many files as columns, in little memory.

A value that all rows of a file share is kept once per file. A value that a row lacks takes one bit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

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


def _objects(values: list[Value]) -> Array:
    array = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):  # numpy would make lists a dimension of the array
        array[i] = value
    return array
