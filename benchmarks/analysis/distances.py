"""The measured distances of runs, and the metric protocol under which the models of a data set are compared.

Distances under two metric protocols are never compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame

from benchmarks.analysis.verdicts import MIN_RUNS
from benchmarks.evaluation.protocol import BASE_VARIANT, ROUNDED, UNCHANGED, VARIANTS

# The values in the protocol of the tables. Older records lack these fields; their runs were measured with these values
DEFAULT_COLUMNS = {"real_transform": UNCHANGED, "fake_transform": UNCHANGED, "split": "test", "quantization": ROUNDED}
# Fields that differ between data sets and extractors. Only the command `sensitivity` uses the values in VARIANT_VALUES
PREPROCESSING_COLUMNS = ("input", "crop", "resize")
VARIANT_VALUES = {
    name: {variant.changes[name] for variant in VARIANTS.values() if name in variant.changes}
    for name in PREPROCESSING_COLUMNS
}
COUNT_COLUMNS = ("n_real", "n_fake")
# Columns in which metric protocols can differ
PROTOCOL_COLUMNS = ("dims", *COUNT_COLUMNS, "extractor", "weights", "backend", "estimator", *DEFAULT_COLUMNS,
                    *PREPROCESSING_COLUMNS)  # fmt: skip
RUN_COLUMNS = ("key", "model", "dataset", "seed", "metric", "protocol_id")
# Columns of evaluations that distances are computed from, besides the distances
DISTANCE_COLUMNS = (*RUN_COLUMNS, "source", "draw", *PROTOCOL_COLUMNS)
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """One number per run, and the runs' keys."""

    values: Values
    keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def mean(self) -> float:
        """Mean over runs."""
        return float(self.values.mean()) if len(self.values) else math.nan


EMPTY_SAMPLE = Sample(np.array([]), ())


def is_distance(column: str) -> bool:
    """Whether a column of the frames of records is a Fréchet distance."""
    return column == "fid" or column.startswith("fd_")


@dataclass(frozen=True)
class Distances:
    """The distances of some runs' samples, under every metric protocol that they were measured with.

    Attributes:
        evaluations: one row per evaluation of these runs.
    """

    evaluations: DataFrame

    @cached_property
    def frame(self) -> DataFrame:
        """One row per run and metric protocol, with the distance of the run's samples in `value`.

        The distance is the mean over the `draws` sample sets that all runs of the data set have under that protocol.
        """
        sampled = self.evaluations[self.evaluations["source"] == "prior"]
        names = [*RUN_COLUMNS]
        parts = []
        for metric, rows in sampled.groupby("metric"):
            if metric in rows:
                parts.append(rows.assign(value=rows[metric]).dropna(subset=["value"]))
        if not parts:
            return DataFrame(columns=[*names, "value", "draws", *PROTOCOL_COLUMNS])
        rows = pd.concat(parts).sort_values(["draw"], kind="stable")
        rows = rows.assign(draws=rows.groupby(names, sort=False)["value"].transform("size"))
        rows["draws"] = rows.groupby(["dataset", "metric", "protocol_id"])["draws"].transform("min")
        rows = rows[rows.groupby(names, sort=False).cumcount() < rows["draws"]]
        first = {name: (name, "first") for name in ("draws", *PROTOCOL_COLUMNS)}
        return rows.groupby(names, as_index=False, sort=False).agg(value=("value", "mean"), **first)

    @cached_property
    def protocols(self) -> dict[str, tuple[str, str]]:
        """Data set -> (metric, metric protocol) under which its models are compared.

        Only protocols of tables are eligible: unchanged images of the test split, with the data set's own
        preprocessing. FID comes first if it compares at least two models. Next comes the protocol with the most runs.
        """
        protocols: dict[str, tuple[str, str]] = {}
        frame = self.frame
        for column, default in DEFAULT_COLUMNS.items():
            frame = frame[frame[column].isna() | (frame[column] == default)]
        for column, values in VARIANT_VALUES.items():
            frame = frame[~frame[column].isin([*values])]
        for dataset, rows in frame.groupby("dataset"):
            counts = rows.groupby(["metric", "protocol_id"]).agg(n=("key", "size"), images=("n_fake", "max"))
            counts = counts.reset_index()
            runs = rows.groupby(["protocol_id", "model"]).size()
            n_models = (runs >= MIN_RUNS).groupby("protocol_id").sum()
            counts["fid"] = (counts["metric"] == "fid") & (counts["protocol_id"].map(n_models) >= 2)
            order = {"fid": False, "n": False, "images": False, "protocol_id": True}
            best = counts.sort_values([*order], ascending=[*order.values()]).iloc[0]
            protocols[str(dataset)] = str(best["metric"]), str(best["protocol_id"])
        return protocols

    @cached_property
    def samples(self) -> dict[tuple[str, str], Sample]:
        """(model, data set) -> the runs' distances under the data set's protocol in `protocols`."""
        samples: dict[tuple[str, str], Sample] = {}
        groups: Any = self.frame.groupby(["model", "dataset", "protocol_id"])
        for (model, dataset, protocol), rows in groups:
            if self.protocols.get(dataset, ("", ""))[1] == protocol:
                samples[model, dataset] = Sample(rows["value"].to_numpy(float), tuple(rows["key"]))
        return samples

    def settings(self, dataset: str) -> dict[str, int]:
        """Numbers of sample sets (draws), images and features behind the distances of a data set, if recorded."""
        protocol = self.protocols.get(dataset, ("", ""))[1]
        rows = self.frame[(self.frame["dataset"] == dataset) & (self.frame["protocol_id"] == protocol)]
        first = rows[["draws", *COUNT_COLUMNS, "dims"]].iloc[:1].to_dict("records")
        return {str(name): int(n) for row in first for name, n in row.items() if pd.notna(n)}

    def n_sample_sets(self, dataset: str) -> int:
        """Number of sample sets of each run behind the distances of a data set."""
        return self.settings(dataset).get("draws", 1)

    def variants(self, dataset: str) -> dict[str, str]:
        """Key of `protocol.VARIANTS` -> metric protocol, for the variants with scored samples of a data set.

        The base is the data set's protocol in `protocols`. A variant differs from the base only in the fields that the
        variant changes.
        """
        metric, base_id = self.protocols.get(dataset, ("", ""))
        rows = self.frame[(self.frame["dataset"] == dataset) & (self.frame["metric"] == metric)]
        known = rows.drop_duplicates("protocol_id").set_index("protocol_id")[[*PROTOCOL_COLUMNS]]
        has_default = known.columns.isin(DEFAULT_COLUMNS)
        known = known.fillna(DEFAULT_COLUMNS).astype(object).where(known.notna() | has_default, None)
        if base_id not in known.index:
            return {}
        ids, base = {BASE_VARIANT: base_id}, dict(known.loc[base_id])
        for name, variant in VARIANTS.items():
            wanted = {**base, **variant.changes}
            for count in COUNT_COLUMNS:  # a variant that asks for more images than exist uses all
                wanted[count] = base[count] and min(wanted[count], base[count])
            for protocol_id, row in known.drop(base_id).iterrows():
                if all(row[column] == wanted[column] for column in PROTOCOL_COLUMNS):
                    ids.setdefault(name, str(protocol_id))
        return {name: ids[name] for name in VARIANTS if name in ids}

    @cached_property
    def models_with_variants(self) -> frozenset[str]:
        """Models whose samples were scored under several metric protocols."""
        counts = self.frame.groupby(["model", "dataset", "metric"])["protocol_id"].nunique()
        return frozenset(str(model) for model, *_ in counts[counts > 1].index)
