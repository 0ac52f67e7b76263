"""Learning curves as data: losses and distances by model and epoch.  Pure functions of the records' epochs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas import DataFrame

from benchmarks.analysis.distances import is_distance
from benchmarks.analysis.evidence import Evidence

POINT_COLUMNS = ["model", "seed", "key", "quantity", "epoch", "value", "ended"]


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


# Columns of epochs that claims, charts and tables need, besides distances
EPOCH_COLUMNS = ("key", "seed", "stage", "protocol_id", "seconds", "steps",
                 *(str(panel.column) for panel in (ENTROPY, RECON, NLL)))  # fmt: skip


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
    return _points(evidence, models, dataset, panels, curve_protocol(evidence, models, dataset))


def curve_summary(
    evidence: Evidence, models: Sequence[str], dataset: str, panels: Sequence[CurvePanel]
) -> tuple[DataFrame, DataFrame]:
    """What a chart of curves shows: their means and ranges, and where runs diverged.

    The points of one model are in memory at a time.

    Returns:
        `curve_bands` of the points of `curve_points`, and those points of diverged runs that have `ended` set.
    """
    protocol = curve_protocol(evidence, models, dataset)
    bands, ends = [], []
    for model in models:
        points = _points(evidence, [model], dataset, panels, protocol)
        if len(points):
            bands.append(curve_bands(points))
            ends.append(points[points["ended"].astype(bool)])
    if not bands:
        empty = DataFrame(columns=POINT_COLUMNS)
        return curve_bands(empty), empty
    return pd.concat(bands, ignore_index=True), pd.concat(ends, ignore_index=True)


def _points(
    evidence: Evidence,
    models: Sequence[str],
    dataset: str,
    panels: Sequence[CurvePanel],
    protocol: tuple[str, str] | None,
) -> DataFrame:
    """The points of `curve_points`; distances are those under one metric protocol."""
    models_by_key = {key: model for model in models for key in evidence.keys(model, dataset)}
    quantities = [panel.column or (protocol or ("", ""))[0] for panel in panels]
    columns = [name for name in ("key", "seed", "protocol_id", *quantities) if name in evidence.epochs]
    epochs = evidence.epochs_of([*models_by_key], [*dict.fromkeys(columns)])
    epochs = epochs.assign(model=epochs["key"].map(models_by_key), ended=False)
    is_diverged = evidence.runs["status"].reindex([*models_by_key]) == "diverged"
    last_epochs = epochs.groupby("key")["number"].max()
    parts = []
    for panel, column in zip(panels, quantities, strict=True):
        if column not in epochs:
            continue
        finite = epochs[np.isfinite(epochs[column].astype(float))]
        if panel.column is None:  # distances under different protocols are not comparable
            finite = finite[finite["protocol_id"] == (protocol and protocol[1])]
        points = finite.rename(columns={column: "value"})
        last_values = points.groupby("key")["value"].last()
        ends = [{"model": models_by_key[key], "seed": evidence.runs.at[key, "seed"], "key": key, "ended": True,
                 "number": last_epochs[key], "value": last_values.get(key, np.nan)}
                for key in is_diverged.index[is_diverged] if key in last_epochs]  # fmt: skip
        parts += [part.assign(quantity=column) for part in (points, DataFrame(ends)) if len(part)]
    if not parts:
        return DataFrame(columns=POINT_COLUMNS)
    order = {key: position for position, key in enumerate(models_by_key)}
    whole: DataFrame = pd.concat(
        [part.assign(epoch=part["number"])[POINT_COLUMNS] for part in parts], ignore_index=True
    )
    return whole.sort_values("key", key=lambda keys: keys.map(order), kind="stable", ignore_index=True)


def curve_protocol(evidence: Evidence, models: Sequence[str], dataset: str) -> tuple[str, str] | None:
    """(metric, protocol id) of the distances in the curves: FID first, then the one with the most runs; or None."""
    keys = [key for model in models for key in evidence.keys(model, dataset)]
    curves = evidence.learning_curves
    curves = curves[curves["key"].isin(keys)]
    counts = Counter(zip(curves["metric"], curves["protocol_id"], strict=True))
    return max(counts, key=lambda pair: (pair[0] == "fid", counts[pair], pair), default=None)


def curve_bands(points: DataFrame) -> DataFrame:
    """Mean and range over runs by model, quantity and epoch.

    Args:
        points: of `curve_points`.

    Returns:
        Columns model, quantity, epoch, mean, low, high, runs (with a value in that epoch), diverged (runs that ended in
        that epoch).
    """
    by = ["model", "quantity", "epoch"]
    ended = points["ended"].astype(bool)
    values = points[~ended].groupby(by, sort=False)["value"].agg(["mean", "min", "max", "size"])
    diverged = points[ended].groupby(by, sort=False).size().rename("diverged")
    bands = values.join(diverged, how="outer", sort=False).fillna({"size": 0, "diverged": 0}).reset_index()
    order = {model: position for position, model in enumerate(dict.fromkeys(points["model"]))}
    bands = bands.sort_values(by, key=lambda v: v.map(order) if v.name == "model" else v, ignore_index=True)
    return bands.rename(columns={"min": "low", "max": "high", "size": "runs"}).astype({"runs": int, "diverged": int})
