"""What the records of a results folder say at one preset: the trainings that count, and what was measured of them.

A table is planned, so it knows its trainings by their keys.  Claims, curves and the report look at a folder without
a plan: of trainings with one model, data set and seed, the one of the newest revision counts, in fp32 where there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame

from benchmarks import codecs
from benchmarks.protocols import PRESETS

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """One number per training, and the trainings' keys."""

    values: Values
    keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def mean(self) -> float:
        """Over trainings."""
        return float(self.values.mean())


@dataclass(frozen=True)
class Evidence:
    """The frames of `records.read`, seen at one preset.

    Attributes:
        runs: one row per evaluation.
        epochs: one row per epoch.
        preset: the budget.
    """

    runs: DataFrame
    epochs: DataFrame
    preset: str

    @cached_property
    def trainings(self) -> DataFrame:
        """One row per training that counts, indexed by key."""
        once = self.runs[self.runs["preset"] == self.preset].drop_duplicates("key")
        order = once.sort_values(["revision", "precision", "key"], ascending=[False, True, True])
        return order.drop_duplicates(["model", "dataset", "seed"]).sort_values(["dataset", "model", "seed"]).set_index("key")

    @cached_property
    def datasets(self) -> list[str]:
        """Data sets with trainings."""
        return list(dict.fromkeys(self.trainings["dataset"]))

    def keys(self, model: str, dataset: str) -> tuple[str, ...]:
        """Trainings of a cell, however they ended, by seed."""
        return self._cells.get((model, dataset), ())

    @cached_property
    def _cells(self) -> dict[tuple[str, str], tuple[str, ...]]:
        groups = self.trainings.groupby(["model", "dataset"], sort=False).groups
        return {(str(m), str(d)): tuple(map(str, keys)) for (m, d), keys in groups.items()}  # type: ignore[misc]

    def statuses(self, model: str, dataset: str) -> pd.Series[str]:
        """Key -> how a training ended."""
        return self.trainings.loc[[*self.keys(model, dataset)], "status"]

    @cached_property
    def measured(self) -> DataFrame:
        """One row per training and metric protocol: the distance of its samples, mean over draws, in `value`."""
        mine = self.runs[self.runs["key"].isin(self.trainings.index) & (self.runs["source"] == "prior")]
        names = ["key", "model", "dataset", "seed", "metric", "protocol_id"]
        parts = []
        for metric, rows in mine.groupby("metric"):
            if metric in rows:
                parts.append(rows.assign(value=rows[metric]).dropna(subset=["value"]))
        if not parts:
            return DataFrame(columns=[*names, "reals", "fakes", "draws", "value"])
        known = pd.concat(parts)
        return known.groupby(names, as_index=False, sort=False).agg(
            value=("value", "mean"), draws=("value", "size"), reals=("reals", "first"), fakes=("fakes", "first"),
            split=("split", "first"), quantisation=("quantisation", "first"), n_fake=("n_fake", "first"),
        )  # fmt: skip

    @cached_property
    def protocols(self) -> dict[str, tuple[str, str]]:
        """Data set -> (metric, metric protocol) that its models are compared by.

        FID before any other distance, then the one that most trainings have been measured with; images as they are, of
        the test part: the tables' own protocol.
        """
        found: dict[str, tuple[str, str]] = {}
        rows = self.measured
        plain = rows[(rows["reals"].fillna(codecs.RAW) == codecs.RAW) & (rows["fakes"].fillna(codecs.RAW) == codecs.RAW)]
        if len(plain):
            plain = plain[plain["split"].fillna("test") == "test"]
            plain = plain[plain["quantisation"].fillna(codecs.ROUNDED) == codecs.ROUNDED]
        for dataset, mine in plain.groupby("dataset"):
            counts = mine.groupby(["metric", "protocol_id"]).agg(n=("key", "size"), images=("n_fake", "max")).reset_index()
            counts["fid"] = counts["metric"] == "fid"
            best = counts.sort_values(["fid", "n", "images", "protocol_id"], ascending=[False, False, False, True]).iloc[0]
            found[str(dataset)] = str(best["metric"]), str(best["protocol_id"])
        return found

    @cached_property
    def _distances(self) -> dict[tuple[str, str], Sample]:
        found = {}
        for (model, dataset, protocol), rows in self.measured.groupby(["model", "dataset", "protocol_id"]):
            if self.protocols.get(dataset, ("", ""))[1] == protocol:
                found[model, dataset] = Sample(rows["value"].to_numpy(float), tuple(rows["key"]))
        return found

    def distance(self, model: str, dataset: str) -> Sample:
        """The distances of a cell's finished trainings, under the data set's one protocol."""
        return self._distances.get((model, dataset), NONE)

    def number(self, column: str, model: str, dataset: str) -> Sample:
        """A column of the runs frame that is one number per training, such as a diagnostic."""
        mine = self.trainings.loc[[*self.keys(model, dataset)]]
        known = mine[column].dropna() if column in mine else mine.iloc[:0].get("seed", pd.Series(dtype=float))
        return Sample(known.to_numpy(float), tuple(map(str, known.index)))

    @cached_property
    def _curves(self) -> dict[str, DataFrame]:
        mine = self.epochs[self.epochs["key"].isin(self.trainings.index)]
        return {str(key): rows.reset_index(drop=True) for key, rows in mine.groupby("key", sort=False)}

    def curve(self, key: str) -> DataFrame:
        """The epochs of a training, in order, stages one after the other."""
        return self._curves.get(key, self.epochs.iloc[:0])

    def last(self, column: str, keys: Sequence[str]) -> Sample:
        """A column's value in the last epoch that has one, of each training that has any."""
        found = {}
        for key in keys:
            rows = self.curve(key)
            known = rows[column].dropna() if column in rows else rows.iloc[:0].get("epoch", pd.Series(dtype=float))
            if len(known):
                found[key] = float(known.iloc[-1])
        return Sample(np.array([*found.values()], dtype=float), tuple(found))


NONE = Sample(np.array([]), ())


def presets(runs: DataFrame) -> list[str]:
    """Presets with trainings, the longest budget first."""
    there = set(runs["preset"].dropna())
    return [name for name in PRESETS if name in there] + sorted(there - PRESETS.keys())
