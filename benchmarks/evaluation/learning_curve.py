"""The learning curve: measurements while a model trains, for Figures 3 and 4 and epochs-to-reach.

A point has the distance of the model's samples, and the NLL of training and test latents under the model's density.
The last two are absent in older records, and for models whose density has no closed form.

A curve is an evaluation, not a setting: it changes neither the key of a run nor its training. The weights of an epoch
are not kept, so a run whose record lacks distances must be trained again. This happens only if the curve is requested
(`--eval-every`, the figures). It gives the same losses, and everything that was measured before is kept.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from benchmarks.data.datasets import Split
from benchmarks.evaluation.diagnostics import mean_nll, posterior_draws
from benchmarks.evaluation.metrics import FD, FeatureSet
from benchmarks.evaluation.names import NLL_TEST, NLL_TRAIN
from benchmarks.evaluation.protocol import MAX_IMAGES, MetricProtocol
from benchmarks.evaluation.requests import EvaluationRequest
from benchmarks.evaluation.scoring import NonFiniteImages, Scorer
from benchmarks.evaluation.sources import stream_seed
from benchmarks.protocols import Schedule
from benchmarks.training.precision import matmul_precision
from benchmarks.training.turns import finish, in_background
from zoo import LatentModel, NotFitted

MAX_CURVE_IMAGES = 5_000  # of each side: half of a table's, and more than Inception's features


@dataclass(frozen=True)
class LearningCurve:
    """The points of one run's curve.

    Departs: Figures 3 and 4 do not say how often, nor on how many images, FID was recorded.  Here it is recorded every
    10 epochs at the paper's budget, on 5,000 images of each kind, half of a table's.  To switch: --eval-every;
    MAX_CURVE_IMAGES in benchmarks/evaluation/learning_curve.py.

    Attributes:
        scorer: of the table.
        eval_every: epochs from one point to the next; the last epoch of each stage has a point, too.
        stages: of the run.
    """

    scorer: Scorer
    eval_every: int
    stages: Mapping[str, Schedule]

    @property
    def curve_scorer(self) -> Scorer:
        """The scorer of the points.  It uses fewer images, so its distances are on a scale of their own."""
        max_images = min(self.scorer.max_images, max(MAX_CURVE_IMAGES, self.scorer.extractor.dims + 1))
        return replace(self.scorer, max_images=max_images)

    @property
    def protocol(self) -> MetricProtocol:
        """The metric protocol of the points."""
        return self.curve_scorer.base_protocol

    def to_record(self) -> dict[str, Any]:
        """What a record stores about its points."""
        return {"protocol": self.protocol.plain(), "protocol_id": self.protocol.id}

    def is_due(self, epoch_row: Mapping[str, Any]) -> bool:
        """Whether an epoch has a point."""
        number, last = epoch_row["epoch"] + 1, self.stages[epoch_row["stage"]].epochs
        return bool(number % self.eval_every == 0 or number == last)

    def is_incomplete(self, record: Mapping[str, Any]) -> bool:
        """Whether a record lacks points; the epoch that diverged needs none."""
        rows = record["epochs"][: -1 if record["status"] == "diverged" else None]
        due_rows = [row for row in rows if self.is_due(row)]
        if (record.get("learning_curve") or {}).get("protocol_id") != self.protocol.id:
            return bool(due_rows) or record["status"] != "diverged"
        return any(self.protocol.metric not in row for row in due_rows)

    def score_epoch(self, model: LatentModel, train: Split, seed: int) -> dict[str, float | None]:
        """The numbers of a point, by column.

        A model whose density is fitted after training is copied, and the density of the copy is fitted. The model's
        weights and mode and the global random generators stay as they are.

        Args:
            model: in training.
            train: its training images.
            seed: of the run.

        Returns:
            The distance of the model's samples, which are made from the same noise in all epochs. None if the model
            has no density to sample from yet, or if samples are not finite. Also nll_train and nll_test, the NLL of
            the latents of at most 10,000 images of each split, in nats per image, if the density has a closed form.
        """
        return finish(self.score_epoch_in_turns(model, train, seed))

    def score_epoch_in_turns(
        self, model: LatentModel, train: Split, seed: int
    ) -> Generator[None, None, dict[str, float | None]]:
        """As `score_epoch`. It yields while a thread computes the distance of features from a GPU."""
        devices = [model.device] if model.device.type == "cuda" else []
        scorer = self.curve_scorer
        with torch.random.fork_rng(devices=devices), matmul_precision("fp32"):
            features, likelihoods = self._measure(model, train, seed)
            if features is None:
                return {self.protocol.metric: None} | likelihoods
            real = scorer.reference_features(self.protocol)
        compute = partial(scorer.compute_metrics, real, features, (FD,))
        is_on_gpu = scorer.extractor.device.type != "cpu"
        values, _ = (yield from in_background(compute)) if is_on_gpu else compute()
        return dict(values) | likelihoods

    def _measure(
        self, model: LatentModel, train: Split, seed: int
    ) -> tuple[FeatureSet | None, dict[str, float | None]]:
        """The features of samples, or None if there are none; and the NLL of latents by column."""
        try:
            return self._sample_features(model, train, seed), self._latent_nll(model, train)
        except NotFitted:
            pass
        fitted = copy.deepcopy(model)
        try:
            fitted.fit_density(train.images)
        except (NotImplementedError, ValueError):  # ValueError: latents to which it cannot be fitted
            return None, {}
        return self._sample_features(fitted, train, seed), self._latent_nll(fitted, train)

    def _sample_features(self, model: LatentModel, train: Split, seed: int) -> FeatureSet | None:
        """The features of samples, or None; raises NotFitted if the model has no density to sample from."""
        scorer = self.curve_scorer
        try:
            images = scorer.make_images(model, train, EvaluationRequest(), stream_seed("curve", seed))
        except NonFiniteImages:
            return None
        if isinstance(images, str):
            return None
        return scorer.image_features(images, self.protocol, None).first(self.protocol.n_fake)

    def _latent_nll(self, model: LatentModel, train: Split) -> dict[str, float | None]:
        """The NLL of draws from q(z|x) by column, as `diagnostics.diagnose` measures it; {} if there is none."""
        images = {NLL_TRAIN: train.images[:MAX_IMAGES], NLL_TEST: self.scorer.data.test.canonical(MAX_IMAGES).images}
        values: dict[str, float | None] = {}
        with suppress(NotImplementedError):
            for column, x in images.items():
                nll = mean_nll(model, posterior_draws(model, x))
                values[column] = nll if math.isfinite(nll) else None
        return values


def comparable_epochs(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The epochs of a record without times and points: equal for two runs that were the same to the bit."""
    excluded = {"seconds", *_curve_columns(record)}
    return [{name: value for name, value in row.items() if name not in excluded} for row in record["epochs"]]


def restore_points(old: Mapping[str, Any], record: dict[str, Any]) -> None:
    """Copy the points of an earlier record of the same run into a new one."""
    curve, columns = old.get("learning_curve"), _curve_columns(old)
    if not curve or record.get("learning_curve") not in (None, curve):
        return
    record["learning_curve"] = curve
    record["epochs"] = [{**{n: v for n, v in old_row.items() if n in columns}, **row}
                        for old_row, row in zip(old["epochs"], record["epochs"], strict=True)]  # fmt: skip


def _curve_columns(record: Mapping[str, Any]) -> tuple[str, ...]:
    curve = record.get("learning_curve")
    return (curve["protocol"]["metric"], NLL_TRAIN, NLL_TEST) if curve else ()
