"""The records of a results folder at one preset: which runs count, how they ended, and their epochs.

A table has a plan, which lists the keys of its runs. Claims, learning curves and the report have no plan, so this
module selects their runs. For each model and data set, only runs of one kind count. They share the training images that
most runs of the data set have, the newest revision of the model, one precision (fp32 before others), and the most
common protocol row. All other runs are excluded; their number is reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame

import zoo
from benchmarks import protocols
from benchmarks.analysis.distances import DISTANCE_COLUMNS, EMPTY_SAMPLE, Distances, Sample, is_distance
from benchmarks.experiments.changes import split_name
from benchmarks.presets import PRESETS
from benchmarks.training.engine import PRECISIONS


@dataclass(frozen=True)
class Evidence:
    """The frames of `records.read` at one preset.

    Attributes:
        evaluations: one row per evaluation.
        epochs: one row per epoch.
        preset: only runs at this preset count.
    """

    evaluations: DataFrame
    epochs: DataFrame
    preset: str

    @cached_property
    def runs(self) -> DataFrame:
        """One row per run that counts, indexed by key."""
        kind, cell = ["revision", "rank", "protocol_row"], ["model", "dataset"]
        ranks = {name: rank for rank, name in enumerate(PRECISIONS)}
        # Distances are comparable only between models trained on the same images. Use those of most runs on the data
        # set
        images = self._all_runs.groupby(["dataset", "train_fingerprint"], as_index=False, dropna=False).size()
        images = images.sort_values(["size", "train_fingerprint"], ascending=[False, True]).drop_duplicates("dataset")
        candidates = self._all_runs.merge(images[["dataset", "train_fingerprint"]], on=["dataset", "train_fingerprint"])
        candidates = candidates.assign(rank=candidates["precision"].map(ranks).fillna(len(ranks)))
        candidates["size"] = candidates.groupby([*cell, *kind], dropna=False)["key"].transform("size")
        candidates = candidates.sort_values(
            [*kind[:2], "size", "protocol_row", "key"], ascending=[False, True, False, True, True]
        )
        chosen = candidates.merge(candidates.drop_duplicates(cell)[[*cell, *kind]], on=[*cell, *kind])
        chosen = chosen.drop_duplicates([*cell, "seed"]).drop(columns=["rank", "size"])
        return chosen.sort_values(["dataset", "model", "seed"]).set_index("key")

    @cached_property
    def _all_runs(self) -> DataFrame:
        return self.evaluations[self.evaluations["preset"] == self.preset].drop_duplicates("key")

    def n_excluded_runs(self, model: str, dataset: str) -> int:
        """Number of runs of a cell that are of another kind than those that count."""
        in_cell = (self._all_runs["model"] == model) & (self._all_runs["dataset"] == dataset)
        return int(in_cell.sum()) - len(self.keys(model, dataset))

    @cached_property
    def datasets(self) -> list[str]:
        """Data sets with runs."""
        return list(dict.fromkeys(self.runs["dataset"]))

    @cached_property
    def datasets_with_own_settings(self) -> frozenset[str]:
        """Data sets with a run whose row of settings is ours and not the paper's, by the row's source."""
        cells = self.runs[["model", "dataset", "protocol_row"]].drop_duplicates()
        known = [(str(dataset), str(row), protocols.rows(model)) for model, dataset, row in
                 cells.itertuples(index=False) if model in zoo.MODELS]  # fmt: skip
        return frozenset(dataset for dataset, row, rows in known
                         if row in rows and rows[row].source.startswith(protocols.OURS))  # fmt: skip

    def keys(self, model: str, dataset: str) -> tuple[str, ...]:
        """Keys of the runs of a cell, however they ended, by seed."""
        return self.cells.get((model, dataset), ())

    @cached_property
    def cells(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """(model, data set) -> the keys of its runs."""
        groups = self.runs.groupby(["model", "dataset"], sort=False).groups
        cells: dict[Any, Any] = dict(groups)
        return {(str(m), str(d)): tuple(map(str, keys)) for (m, d), keys in cells.items()}

    def statuses(self, model: str, dataset: str) -> pd.Series[str]:
        """Key -> how the run ended."""
        return self.runs.loc[[*self.keys(model, dataset)], "status"]

    @cached_property
    def distances(self) -> Distances:
        """The distances of the runs that count."""
        columns = [name for name in self.evaluations if name in DISTANCE_COLUMNS or is_distance(str(name))]
        return Distances(self.evaluations.loc[self.evaluations["key"].isin(self.runs.index), columns])

    def distance(self, model: str, dataset: str) -> Sample:
        """The distances of a cell's runs under the metric protocol of the data set's comparison."""
        return self.distances.samples.get((model, dataset), EMPTY_SAMPLE)

    def run_values(self, column: str, model: str, dataset: str) -> Sample:
        """A column with one number per run, such as a diagnostic, of a cell's runs that have it."""
        runs = self.runs.loc[[*self.keys(model, dataset)]]
        known = runs[column].dropna() if column in runs else runs.iloc[:0].get("seed", pd.Series(dtype=float))
        return Sample(known.to_numpy(float), tuple(map(str, known.index)))

    @cached_property
    def _epoch_rows(self) -> dict[str, NDArray[np.int64]]:
        """Key -> the positions in `epochs` of the epochs of a run that counts."""
        rows: dict[Any, Any] = self.epochs.groupby("key", sort=False, observed=True).indices
        return {key: rows[key] for key in self.runs.index if key in rows}

    def epochs_of(self, keys: Sequence[str], columns: Sequence[str] | None = None) -> DataFrame:
        """The epochs of some of the runs that count, one run after the other.

        Args:
            keys: of the runs, in the order in which they are returned.
            columns: to return, besides `number`; None: all.

        Returns:
            Their rows. `number` counts the epochs of a run from 1, one stage after the other. There may be a million
            rows for all runs of a data set, so ask for those of one model at a time.
        """
        found = [rows for key in dict.fromkeys(keys) if (rows := self._epoch_rows.get(key)) is not None]
        no_rows = np.array([], dtype=np.int64)
        numbers = np.concatenate([no_rows, *(np.arange(len(rows)) + 1 for rows in found)])
        epochs = (self.epochs if columns is None else self.epochs[[*columns]]).take(np.concatenate([no_rows, *found]))
        text = [name for name, dtype in epochs.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)]
        return epochs.astype(dict.fromkeys(text, "str")).assign(number=numbers)

    @cached_property
    def learning_curves(self) -> DataFrame:
        """The learning curves of the runs that count: a row per key, metric and metric protocol (`protocol_id`)."""
        counts = self.epochs["key"].isin(self.runs.index)
        parts = [DataFrame({"key": [], "metric": [], "protocol_id": []}, dtype="str")]
        for metric in (str(name) for name in self.epochs if is_distance(str(name))):
            known = self.epochs.loc[counts & self.epochs[metric].notna(), ["key", "protocol_id"]]
            parts.append(known.dropna().drop_duplicates().astype("str").assign(metric=metric))
        return pd.concat(parts, ignore_index=True)

    def last_values(self, column: str, keys: Sequence[str]) -> Sample:
        """A column's value in the last epoch that has one, for each run that has any."""
        if column not in self.epochs:
            return EMPTY_SAMPLE
        known = self.epochs_of(keys, ["key", column]).dropna(subset=[column]).groupby("key")[column].last()
        values = {key: float(known[key]) for key in keys if key in known.index}
        return Sample(np.array([*values.values()], dtype=float), tuple(values))


def presets_with_runs(evaluations: DataFrame) -> list[str]:
    """Presets with runs, the longest budget first."""
    names = set(evaluations["preset"].dropna())
    return [name for name in PRESETS if name in names] + sorted(names - PRESETS.keys())


def model_label(model: str) -> str:
    """The model's name as tables print it, with its changed settings, if any: "GLF [beta=4]"."""
    name, changes = split_name(model)
    if name not in zoo.MODELS:
        return model
    return f"{zoo.MODELS[name].label} [{changes}]" if changes else zoo.MODELS[name].label
