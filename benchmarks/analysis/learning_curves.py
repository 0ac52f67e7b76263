"""Learning curves as data: what happened during training, by model and epoch.

Pure functions of the records' epochs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas import DataFrame

from benchmarks.analysis.evidence import Evidence


@dataclass(frozen=True)
class Panel:
    """One quantity against epochs.

    Attributes:
        column: of the epochs frame; None: the distance, whose column is the metric's name.
        label: of the axis.
        log: whether the axis is logarithmic, where all values are positive.
    """

    column: str | None
    label: str
    log: bool = False


DISTANCE = Panel(None, "{metric}", log=True)
ENTROPY = Panel("entropy", "entropy loss (nats)")
RECON = Panel("recon", "reconstruction loss (half SSE)", log=True)
NLL = Panel("nll", "NLL (nats)")


def points(evidence: Evidence, models: Sequence[str], dataset: str, panels: Sequence[Panel]) -> DataFrame:
    """All that is drawn: a row per model, seed, panel and epoch.

    A training that diverged has a row with `ended` after its last finite value, in every panel.

    Returns:
        Columns model, seed, key, quantity, epoch (from 1), value, ended.
    """
    owners = {key: model for model in models for key in evidence.keys(model, dataset)}
    rows, protocol = evidence.of([*owners]), curve_protocol(evidence, models, dataset)
    rows = rows.assign(model=rows["key"].map(owners), ended=False)
    diverged = evidence.trainings["status"].reindex([*owners]) == "diverged"
    lengths = rows.groupby("key")["number"].max()
    parts = []
    for panel in panels:
        column = panel.column or (protocol or ("", ""))[0]
        if column not in rows:
            continue
        there = rows[np.isfinite(rows[column].astype(float))]
        if panel.column is None:  # another protocol's points are on another scale
            there = there[there["protocol_id"] == (protocol and protocol[1])]
        drawn = there.rename(columns={column: "value"})
        last = drawn.groupby("key")["value"].last()
        ends = [{"model": owners[key], "seed": evidence.trainings.at[key, "seed"], "key": key, "ended": True,
                 "number": lengths[key], "value": last.get(key, np.nan)}
                for key in diverged.index[diverged] if key in lengths]  # fmt: skip
        parts += [part.assign(quantity=column) for part in (drawn, DataFrame(ends)) if len(part)]
    names = ["model", "seed", "key", "quantity", "epoch", "value", "ended"]
    if not parts:
        return DataFrame(columns=names)
    order = {key: place for place, key in enumerate(owners)}
    whole: DataFrame = pd.concat([part.assign(epoch=part["number"])[names] for part in parts], ignore_index=True)
    return whole.sort_values("key", key=lambda keys: keys.map(order), kind="stable", ignore_index=True)


def curve_protocol(evidence: Evidence, models: Sequence[str], dataset: str) -> tuple[str, str] | None:
    """(metric, protocol) of the distance's points: FID before others, then what most trainings have; or None."""
    rows = evidence.of([key for model in models for key in evidence.keys(model, dataset)])
    counts: dict[tuple[str, str], int] = {}
    for metric in (str(name) for name in rows if name == "fid" or str(name).startswith("fd_")):
        known = rows.dropna(subset=[metric, "protocol_id"])
        for protocol, n in known.groupby("protocol_id")["key"].nunique().items():
            counts[metric, str(protocol)] = int(n)
    return max(counts, key=lambda at: (at[0] == "fid", counts[at], at), default=None)


def bands(frame: DataFrame) -> DataFrame:
    """Over trainings, by model, quantity and epoch: mean, lowest, highest, and how many there are and have diverged."""
    by = ["model", "quantity", "epoch"]
    ended = frame["ended"].astype(bool)
    found = frame[~ended].groupby(by, sort=False)["value"].agg(["mean", "min", "max", "size"])
    gone = frame[ended].groupby(by, sort=False).size().rename("diverged")
    whole = found.join(gone, how="outer", sort=False).fillna({"size": 0, "diverged": 0}).reset_index()
    order = {model: place for place, model in enumerate(dict.fromkeys(frame["model"]))}
    whole = whole.sort_values(by, key=lambda v: v.map(order) if v.name == "model" else v, ignore_index=True)
    return whole.rename(columns={"min": "low", "max": "high", "size": "trainings"}).astype(
        {"trainings": int, "diverged": int}
    )
