"""Learning curves as data: losses and distances by model and epoch.  Pure functions of the records' epochs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame

from benchmarks.analysis.distances import is_distance
from benchmarks.analysis.evidence import Evidence
from benchmarks.evaluation.names import NLL_TEST, NLL_TRAIN

POINT_COLUMNS = ["model", "seed", "key", "quantity", "epoch", "value", "ended"]
BAND_COLUMNS = ["model", "quantity", "epoch", "mean", "low", "high", "runs", "diverged"]


@dataclass(frozen=True)
class CurvePanel:
    """One quantity against epochs.

    Attributes:
        column: of the epochs frame; None for the distance, whose column is the metric's name.
        label: of the axis.
        log: whether the axis is logarithmic if all values are positive.
    """

    column: str | None
    label: str
    log: bool = False


DISTANCE = CurvePanel(None, "{metric}", log=True)
ENTROPY = CurvePanel("entropy", "entropy loss (nats)")
RECON = CurvePanel("recon", "reconstruction loss (half SSE)", log=True)
NLL = CurvePanel("nll", "NLL (nats)")
TRAIN_NLL = CurvePanel(NLL_TRAIN, "NLL of training latents (nats)")
TEST_NLL = CurvePanel(NLL_TEST, "NLL of test latents (nats)")

# Columns of epochs that claims, charts and tables need, besides distances
EPOCH_COLUMNS = ("key", "seed", "stage", "protocol_id", "seconds", "steps",
                 *(str(panel.column) for panel in (ENTROPY, RECON, NLL, TRAIN_NLL, TEST_NLL)))  # fmt: skip


def is_epoch_column(name: str) -> bool:
    """Whether claims, charts or tables need a column of the records' epochs."""
    return name in EPOCH_COLUMNS or is_distance(name)


def curve_points(evidence: Evidence, models: Sequence[str], dataset: str, panels: Sequence[CurvePanel]) -> DataFrame:
    """The points of the curves: a row per model, seed, panel and epoch.

    A diverged run has one additional row in every panel, with `ended` set. The row has the run's last epoch and its
    last finite value.

    Returns:
        Columns `POINT_COLUMNS`; epochs count from 1.
    """
    protocol = curve_protocol(evidence, models, dataset)
    parts = []
    for model in models:
        for points, ends in _curves(evidence, model, dataset, panels, protocol).values():
            parts += [part.assign(model=model) for part in (points, ends) if len(part)]
    if not parts:
        return DataFrame(columns=POINT_COLUMNS)
    order = {key: position for position, key in enumerate(k for m in models for k in evidence.keys(m, dataset))}
    whole: DataFrame = pd.concat([part[POINT_COLUMNS] for part in parts], ignore_index=True)
    return whole.sort_values("key", key=lambda keys: keys.map(order), kind="stable", ignore_index=True)


def curve_summary(
    evidence: Evidence, models: Sequence[str], dataset: str, panels: Sequence[CurvePanel]
) -> tuple[DataFrame, DataFrame]:
    """What a chart of curves shows: mean and range over runs by model, quantity and epoch, and where runs diverged.

    The points of `curve_points` can be millions; here those of one model are in memory at a time.

    Returns:
        The bands, with columns model, quantity, epoch, mean, low, high, runs (with a value in that epoch), diverged
        (runs that ended in that epoch); and the points of `curve_points` that have `ended` set.
    """
    protocol = curve_protocol(evidence, models, dataset)
    bands, all_ends = [], []
    for model in models:
        curves = _curves(evidence, model, dataset, panels, protocol)
        for quantity, (points, ends) in sorted(curves.items()):
            band = _band(points, ends)
            band.insert(0, "model", model)
            band.insert(1, "quantity", quantity)
            bands.append(band)
            all_ends.append(ends.assign(model=model))
    if not bands:
        return DataFrame(columns=BAND_COLUMNS), DataFrame(columns=POINT_COLUMNS)
    return pd.concat(bands, ignore_index=True), pd.concat(all_ends, ignore_index=True)


def _curves(
    evidence: Evidence, model: str, dataset: str, panels: Sequence[CurvePanel], protocol: tuple[str, str] | None
) -> dict[str, tuple[DataFrame, DataFrame]]:
    """Quantity -> the points of a model's runs, one run after the other, and those where runs diverged, if any."""
    keys = evidence.keys(model, dataset)
    quantities = [panel.column or (protocol or ("", ""))[0] for panel in panels]
    columns = [name for name in ("key", "seed", "protocol_id", *quantities) if name in evidence.epochs]
    epochs = evidence.epochs_of(keys, [*dict.fromkeys(columns)]).rename(columns={"number": "epoch"})
    diverged = [key for key in keys if evidence.runs.at[key, "status"] == "diverged"]
    of_diverged = epochs[epochs["key"].isin(diverged)] if diverged else epochs.iloc[:0]
    last_epochs = of_diverged.groupby("key")["epoch"].max()
    curves = {}
    for panel, column in zip(panels, quantities, strict=True):
        if column not in epochs:
            continue
        finite = np.isfinite(epochs[column].astype(float))
        if panel.column is None:  # distances under different protocols are not comparable
            finite &= epochs["protocol_id"] == (protocol and protocol[1])
        points = epochs[finite].rename(columns={column: "value"}).assign(quantity=column, ended=False)
        last_values: Any = points[points["key"].isin(diverged)].groupby("key")["value"].last() if diverged else {}
        ends = [{"seed": evidence.runs.at[key, "seed"], "key": key, "epoch": last_epochs[key], "quantity": column,
                 "value": last_values.get(key, np.nan), "ended": True}
                for key in diverged if key in last_epochs]  # fmt: skip
        if len(points) or ends:
            curves[column] = points, DataFrame(ends, columns=POINT_COLUMNS[1:])
    return curves


def _band(points: DataFrame, ends: DataFrame) -> DataFrame:
    """The columns of `BAND_COLUMNS` after the first two, of the points of one curve."""
    values = points.groupby("epoch")["value"].agg(["mean", "min", "max", "size"])
    diverged = ends.groupby("epoch").size().rename("diverged")
    band = values.join(diverged, how="outer", sort=True).fillna({"size": 0, "diverged": 0}).reset_index()
    band = band.rename(columns={"min": "low", "max": "high", "size": "runs"})
    return band.astype({"epoch": int, "runs": int, "diverged": int})


def curve_protocol(evidence: Evidence, models: Sequence[str], dataset: str) -> tuple[str, str] | None:
    """(metric, protocol id) of the distances in the curves: FID first, then the one with the most runs; or None."""
    keys = [key for model in models for key in evidence.keys(model, dataset)]
    curves = evidence.learning_curves
    curves = curves[curves["key"].isin(keys)]
    counts = Counter(zip(curves["metric"], curves["protocol_id"], strict=True))
    return max(counts, key=lambda pair: (pair[0] == "fid", counts[pair], pair), default=None)
