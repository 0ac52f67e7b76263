"""What the records of a results folder say at one preset: the trainings that count, and what was measured of them.

A table is planned, so it knows its trainings by their keys.  Claims, curves and the report look at a folder without
a plan: of a model on a data set the trainings of one kind count.  They saw the same images, and have one revision of
the model (the newest), one precision (fp32 if there is one) and one row of settings; others are left out, and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame

import zoo
from benchmarks import protocols
from benchmarks.analysis.statistics import far_off
from benchmarks.analysis.verdicts import ENOUGH
from benchmarks.data.datasets import DATASETS
from benchmarks.evaluation import image_ops
from benchmarks.evaluation.scoring import BASE, VARIANTS
from benchmarks.protocols import PRESETS
from benchmarks.training.engine import PRECISIONS

# Data sets that the paper trains on: Table 1's, and that of its Figures 2 and 6, which has a row in B.1
PUBLISHED = ("mnist", "fashion", "cifar10", "celeba", "celeba-hq")
# What a table's own protocol does to images; older records say none of it, and did this
PLAIN = {"reals": image_ops.RAW, "fakes": image_ops.RAW, "split": "test", "quantisation": image_ops.ROUNDED}
# What differs between data sets and extractors, and what only `run sensitivity` does there
OWN = ("input", "crop", "resize")
VARIED = {name: {v.changes[name] for v in VARIANTS.values() if name in v.changes} for name in OWN}
# Of one metric protocol: columns that say which
SAME = ("dims", "n_real", "n_fake", "extractor", "weights", "backend", "estimator", *PLAIN, *OWN)
SIZES = ("recon_sse", "latent_std", "latent_nll", "posterior_var")  # diagnostics that do not vary about zero
COUNTS = ("n_real", "n_fake")
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
        once = self._all
        kind, cell = ["revision", "rank", "row"], ["model", "dataset"]
        ranks = {name: rank for rank, name in enumerate(PRECISIONS)}
        # Distances compare only where models saw the same images: those that most trainings of the data set saw
        images = once.groupby(["dataset", "train"], as_index=False, dropna=False).size()
        images = images.sort_values(["size", "train"], ascending=[False, True]).drop_duplicates("dataset")
        mine = once.merge(images[["dataset", "train"]], on=["dataset", "train"])
        mine = mine.assign(rank=mine["precision"].map(ranks).fillna(len(ranks)))
        mine["size"] = mine.groupby([*cell, *kind], dropna=False)["key"].transform("size")
        order = mine.sort_values([*kind[:2], "size", "row", "key"], ascending=[False, True, False, True, True])
        chosen = order.merge(order.drop_duplicates(cell)[[*cell, *kind]], on=[*cell, *kind])
        chosen = chosen.drop_duplicates([*cell, "seed"]).drop(columns=["rank", "size"])
        return chosen.sort_values(["dataset", "model", "seed"]).set_index("key")

    @cached_property
    def _all(self) -> DataFrame:
        return self.runs[self.runs["preset"] == self.preset].drop_duplicates("key")

    def left_out(self, model: str, dataset: str) -> int:
        """Trainings of a cell that do not count, as they are of another kind than those that do."""
        there = (self._all["model"] == model) & (self._all["dataset"] == dataset)
        return int(there.sum()) - len(self.keys(model, dataset))

    def full(self, dataset: str) -> bool:
        """Whether trainings on a data set had the paper's budget, on images that it has."""
        return not self.lacks(dataset)

    def lacks(self, dataset: str) -> tuple[str, ...]:
        """What of the paper's the trainings on a data set had not: "budget", "images", both or neither."""
        lacking = {"budget": self.preset != "paper" or dataset in self._ours, "images": dataset not in PUBLISHED}
        return tuple(name for name, lacks in lacking.items() if lacks)

    def beside(self, dataset: str) -> str:
        """What trainings on a data set at the paper's preset had in place of the paper's budget or images, or ""."""
        if self.preset != "paper" or self.full(dataset):
            return ""
        which = "" if dataset in PUBLISHED else "which the paper has not, "
        return f"{which}all images and {self.schedules(dataset)}"

    def schedules(self, dataset: str) -> str:
        """Whose schedules trainings on a data set had, before a preset shortened them."""
        rows = dict.fromkeys(map(str, self.trainings.loc[self.trainings["dataset"] == dataset, "row"]))
        names = " and ".join(DATASETS[row].label if row in DATASETS else row for row in rows)
        return "schedules of our own" if dataset in self._ours else f"Appendix B’s schedules for {names}"

    @cached_property
    def _ours(self) -> frozenset[str]:
        """Data sets with a training by a row of settings that is ours, as its source says."""
        cells = self.trainings[["model", "dataset", "row"]].drop_duplicates()
        known = [(str(dataset), str(row), protocols.rows(model)) for model, dataset, row in
                 cells.itertuples(index=False) if model in zoo.MODELS]  # fmt: skip
        return frozenset(dataset for dataset, row, rows in known
                         if row in rows and rows[row].source.startswith(protocols.OURS))  # fmt: skip

    @cached_property
    def datasets(self) -> list[str]:
        """Data sets with trainings."""
        return list(dict.fromkeys(self.trainings["dataset"]))

    def keys(self, model: str, dataset: str) -> tuple[str, ...]:
        """Trainings of a cell, however they ended, by seed."""
        return self.cells.get((model, dataset), ())

    @cached_property
    def cells(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """(model, data set) -> its trainings."""
        groups = self.trainings.groupby(["model", "dataset"], sort=False).groups
        cells: dict[Any, Any] = dict(groups)
        return {(str(m), str(d)): tuple(map(str, keys)) for (m, d), keys in cells.items()}

    def statuses(self, model: str, dataset: str) -> pd.Series[str]:
        """Key -> how a training ended."""
        return self.trainings.loc[[*self.keys(model, dataset)], "status"]

    @cached_property
    def measured(self) -> DataFrame:
        """One row per training and metric protocol: the distance of its samples in `value`.

        It is the mean over the `draws` that all trainings of the data set have under that protocol.
        """
        mine = self.runs[self.runs["key"].isin(self.trainings.index) & (self.runs["source"] == "prior")]
        names = ["key", "model", "dataset", "seed", "metric", "protocol_id"]
        parts = []
        for metric, rows in mine.groupby("metric"):
            if metric in rows:
                parts.append(rows.assign(value=rows[metric]).dropna(subset=["value"]))
        if not parts:
            return DataFrame(columns=[*names, "value", "draws", *SAME])
        known = pd.concat(parts).sort_values(["draw"], kind="stable")
        each = known.groupby(names, sort=False)["value"].transform("size")
        known = known.assign(draws=each)
        known["draws"] = known.groupby(["dataset", "metric", "protocol_id"])["draws"].transform("min")
        known = known[known.groupby(names, sort=False).cumcount() < known["draws"]]
        once = {name: (name, "first") for name in ("draws", *SAME)}
        return known.groupby(names, as_index=False, sort=False).agg(value=("value", "mean"), **once)

    @cached_property
    def protocols(self) -> dict[str, tuple[str, str]]:
        """Data set -> (metric, metric protocol) that its models are compared by.

        FID before any other distance where it compares at least two models, then the one that most trainings have been
        measured with; images as they are, of the test part, prepared in the data set's own way: the tables' protocol.
        """
        found: dict[str, tuple[str, str]] = {}
        plain = self.measured
        for column, usual in PLAIN.items():
            plain = plain[plain[column].isna() | (plain[column] == usual)]
        for column, others in VARIED.items():
            plain = plain[~plain[column].isin([*others])]
        for dataset, mine in plain.groupby("dataset"):
            by = mine.groupby(["metric", "protocol_id"])
            counts = by.agg(n=("key", "size"), images=("n_fake", "max")).reset_index()
            each = mine.groupby(["protocol_id", "model"]).size()
            compared = (each >= ENOUGH).groupby("protocol_id").sum()
            counts["fid"] = (counts["metric"] == "fid") & (counts["protocol_id"].map(compared) >= 2)
            order = {"fid": False, "n": False, "images": False, "protocol_id": True}
            best = counts.sort_values([*order], ascending=[*order.values()]).iloc[0]
            found[str(dataset)] = str(best["metric"]), str(best["protocol_id"])
        return found

    def variants(self, dataset: str) -> dict[str, str]:
        """Key of `evaluation.VARIANTS` -> metric protocol, of those that samples of a data set were scored under.

        The base is the protocol that models are compared by, and nothing else is it: another one's weights may differ.
        """
        metric, identity = self.protocols.get(dataset, ("", ""))
        mine = self.measured[(self.measured["dataset"] == dataset) & (self.measured["metric"] == metric)]
        known = mine.drop_duplicates("protocol_id").set_index("protocol_id")[[*SAME]]
        known = known.fillna(PLAIN).astype(object).where(known.notna() | known.columns.isin(PLAIN), None)
        if identity not in known.index:
            return {}
        found, base = {BASE: identity}, dict(known.loc[identity])
        for name, variant in VARIANTS.items():
            asked = {**base, **variant.changes}
            for count in COUNTS:  # of images that are fewer than a variant asks for, all
                asked[count] = base[count] and min(asked[count], base[count])
            for other, row in known.drop(identity).iterrows():
                if all(row[column] == asked[column] for column in SAME):
                    found.setdefault(name, str(other))
        return {name: found[name] for name in VARIANTS if name in found}

    @cached_property
    def varied(self) -> frozenset[str]:
        """Models whose samples were scored under several metric protocols."""
        counts = self.measured.groupby(["model", "dataset", "metric"])["protocol_id"].nunique()
        return frozenset(str(model) for model, *_ in counts[counts > 1].index)

    @cached_property
    def _distances(self) -> dict[tuple[str, str], Sample]:
        found: dict[tuple[str, str], Sample] = {}
        groups: Any = self.measured.groupby(["model", "dataset", "protocol_id"])
        for (model, dataset, protocol), rows in groups:
            if self.protocols.get(dataset, ("", ""))[1] == protocol:
                found[model, dataset] = Sample(rows["value"].to_numpy(float), tuple(rows["key"]))
        return found

    def distance(self, model: str, dataset: str) -> Sample:
        """The distances of a cell's finished trainings, under the data set's one protocol."""
        return self._distances.get((model, dataset), NONE)

    def how(self, dataset: str) -> dict[str, int]:
        """Draws, images and features behind the distances of a data set, as far as records say; {} without any."""
        mine = self.measured
        mine = mine[(mine["dataset"] == dataset) & (mine["protocol_id"] == self.protocols.get(dataset, ("", ""))[1])]
        known = mine[["draws", "n_real", "n_fake", "dims"]].iloc[:1].to_dict("records")
        return {str(name): int(n) for one in known for name, n in one.items() if pd.notna(n)}

    def draws(self, dataset: str) -> int:
        """Sample sets of each training behind the distances of a data set."""
        return self.how(dataset).get("draws", 1)

    def number(self, column: str, model: str, dataset: str) -> Sample:
        """A column of the runs frame that is one number per training, such as a diagnostic."""
        mine = self.trainings.loc[[*self.keys(model, dataset)]]
        known = mine[column].dropna() if column in mine else mine.iloc[:0].get("seed", pd.Series(dtype=float))
        return Sample(known.to_numpy(float), tuple(map(str, known.index)))

    def outliers(self, keys: Sequence[str]) -> list[str]:
        """In words, which of some trainings have a diagnostic far off those of the others of their cell."""
        told = []
        for (model, _), mine in self.trainings.loc[[*keys]].groupby(["model", "dataset"], sort=False):
            for name in (name for name in SIZES if name in mine):
                known = mine.dropna(subset=[name]).set_index("seed")[name].astype(float)
                for seed, value in far_off(dict(known)).items():
                    others = known.drop(seed)
                    told.append(f"{name} of {label(str(model))}, seed {seed}, is {value:.2g}, of its others "
                                f"{others.min():.3g} to {others.max():.3g}")  # fmt: skip
        return told

    @cached_property
    def lines(self) -> DataFrame:
        """The epochs of the trainings that count; `number` counts them from 1, stages one after the other."""
        mine = self.epochs[self.epochs["key"].isin(self.trainings.index)]
        return mine.assign(number=mine.groupby("key", sort=False).cumcount() + 1)

    def of(self, keys: Sequence[str]) -> DataFrame:
        """The epochs of some trainings."""
        return self.lines[self.lines["key"].isin(keys)]

    def last(self, column: str, keys: Sequence[str]) -> Sample:
        """A column's value in the last epoch that has one, of each training that has any."""
        if column not in self.lines:
            return NONE
        known = self.of(keys).dropna(subset=[column]).groupby("key")[column].last()
        found = {key: float(known[key]) for key in keys if key in known.index}
        return Sample(np.array([*found.values()], dtype=float), tuple(found))


NONE = Sample(np.array([]), ())


def presets(runs: DataFrame) -> list[str]:
    """Presets with trainings, the longest budget first."""
    there = set(runs["preset"].dropna())
    return [name for name in PRESETS if name in there] + sorted(there - PRESETS.keys())


def label(model: str) -> str:
    """As tables print it."""
    return zoo.MODELS[model].label if model in zoo.MODELS else model


def own_rows(evidence: Evidence, dataset: str, models: Iterable[str]) -> str:
    """What is not the paper's in the settings of some models' trainings on a data set; "" where nothing is."""
    told: dict[str, list[str]] = {}
    for model in models:
        if model in zoo.MODELS and evidence.preset in PRESETS and evidence.keys(model, dataset):
            row = str(evidence.trainings.at[evidence.keys(model, dataset)[0], "row"])
            if row in protocols.rows(model) and (said := protocols.own_rows(model, row, evidence.preset)):
                told.setdefault(said, []).append(label(model))
    if len(told) == 1:
        return next(iter(told))
    return ". ".join(f"{', '.join(names)}: {said}" for said, names in told.items())
