"""The distance while a model trains: what Figures 3 and 4 draw and epochs-to-reach is read from.

It is an evaluation, not a setting: the training's key does not know it, and its bits do not either.  As an epoch's
weights are gone when the next one ends, a record that lacks points has to be trained again to have them; that is
done for whoever asks (`--progress`, the figures), gives the same losses, and keeps all that was measured before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from benchmarks.data.datasets import Part
from benchmarks.evaluation.metrics import FD
from benchmarks.evaluation.scoring import Measure, MetricProtocol, NotFinite, Request, stream
from benchmarks.protocols import Schedule
from benchmarks.training.precision import tf32
from zoo import LatentModel, NotFitted

IMAGES = 5_000  # of each kind, at most: half of a table's, and more than Inception's features


@dataclass(frozen=True)
class Curve:
    """Points of one training's curve.

    Departs: Figures 3 and 4 do not say how often, nor on how many images, FID was recorded; ours is every 10 epochs at
    the paper's budget, on 5,000 of each, half of a table's.  To switch: --progress; IMAGES in
    benchmarks/evaluation/learning_curve.py.

    Attributes:
        measure: what the table compares with.
        every: epochs from one point to the next; the last epoch of a stage has one, too.
        stages: of the training.
    """

    measure: Measure
    every: int
    stages: Mapping[str, Schedule]

    @property
    def smaller(self) -> Measure:
        """The measure of the points: of fewer images, so on a scale of its own."""
        return replace(self.measure, images=min(self.measure.images, max(IMAGES, self.measure.extractor.dims + 1)))

    @property
    def protocol(self) -> MetricProtocol:
        """Of the points."""
        return self.smaller.base

    def about(self) -> dict[str, Any]:
        """What a record says of its points."""
        return {"protocol": self.protocol.plain(), "protocol_id": self.protocol.id}

    def due(self, row: Mapping[str, Any]) -> bool:
        """Whether an epoch has a point."""
        number, last = row["epoch"] + 1, self.stages[row["stage"]].epochs
        return bool(number % self.every == 0 or number == last)

    def lacks(self, record: Mapping[str, Any]) -> bool:
        """Whether a record has not all points; the epoch that diverged needs none."""
        rows = record["epochs"][: -1 if record["status"] == "diverged" else None]
        wanted = [row for row in rows if self.due(row)]
        if (record.get("curve") or {}).get("protocol_id") != self.protocol.id:
            return bool(wanted) or record["status"] != "diverged"
        return any(self.protocol.metric not in row for row in wanted)

    def point(self, model: LatentModel, train: Part, seed: int) -> dict[str, float | None]:
        """The distance of a model's samples, all epochs' from the same noise, by its column.

        None where there is no density to sample from yet, or where samples are not finite.  Neither the model's mode
        nor a global random generator is changed.
        """
        request, measure = Request(), self.smaller
        devices = [model.device] if model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), tf32("fp32"):
            try:
                images = measure.fakes(model, train, request, stream("curve", seed))
            except (NotFinite, NotFitted):
                return {self.protocol.metric: None}
            if isinstance(images, str):
                return {self.protocol.metric: None}
            fake = measure.seen(images, self.protocol, None).first(self.protocol.n_fake)
            values, _ = measure.score(measure.reals(self.protocol), fake, (FD,))
        return dict(values)


def losses(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The epochs of a record without clocks and points: equal for two trainings that were the same to the bit."""
    other = {"seconds", _column(record)}
    return [{name: value for name, value in row.items() if name not in other} for row in record["epochs"]]


def keep(old: Mapping[str, Any], record: dict[str, Any]) -> None:
    """Give a record the points that the same training had before."""
    about, column = old.get("curve"), _column(old)
    if not about or record.get("curve") not in (None, about):
        return
    record["curve"] = about
    record["epochs"] = [{**{n: v for n, v in before.items() if n == column}, **row}
                        for before, row in zip(old["epochs"], record["epochs"], strict=True)]  # fmt: skip


def _column(record: Mapping[str, Any]) -> str | None:
    about = record.get("curve")
    return about["protocol"]["metric"] if about else None
