"""The rows of many files, as columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame

from benchmarks.experiments.index.columns import Array, Column, join_columns


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
