"""Scoring: the metric values of a trained model, under a data set's metric protocols."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.data.datasets import Dataset, Split
from benchmarks.data.preprocessing import Preprocessing
from benchmarks.evaluation import image_ops
from benchmarks.evaluation.extractors import Extractor, check_images
from benchmarks.evaluation.metrics import FD, METRICS, FeatureSet
from benchmarks.evaluation.protocol import BASE_VARIANT, MAX_IMAGES, ROUNDED, UNCHANGED, VARIANTS, MetricProtocol
from benchmarks.evaluation.reference_cache import cached_features
from benchmarks.evaluation.requests import EvaluationRequest, evaluation_key, recorded_parameters
from benchmarks.evaluation.sources import SOURCES, stream_seed
from benchmarks.training.turns import in_background
from zoo import LatentModel


class NonFiniteImages(RuntimeError):
    """A model generated a NaN or an infinity."""


@dataclass(frozen=True)
class Scorer:
    """Scores models against a data set's reference images, by one feature extractor.

    Departs: the paper does not say which reference images it uses. Here they are the test split, as in the GAN numbers
    that it cites.  To switch: the command `sensitivity` scores against the training split, too.
    Departs: B.4 explains the CIFAR-10 numbers published for Two-Stage VAE by JPEG files; the published code also
    stretches the contrast of each generated image.  Here neither is done: pixels become round(255 x).  To switch: the
    command `sensitivity` does both.

    Attributes:
        data: the data set.
        extractor: of features.
        max_images: of each side.
        allow_few: accept no more images than features, where a Fréchet distance is biased.
    """

    data: Dataset
    extractor: Extractor
    max_images: int = MAX_IMAGES
    allow_few: bool = False

    @cached_property
    def base_protocol(self) -> MetricProtocol:
        """The protocol of the tables."""
        preprocessing = self.data.spec.preprocessing
        return MetricProtocol(
            metric=self.extractor.metric,
            extractor=self.extractor.name,
            weights=self.extractor.weights,
            dims=self.extractor.dims,
            backend=self.extractor.backend,
            input=self.extractor.default_input,
            split="test",
            real_fingerprint=self.data.test.fingerprint,
            n_real=min(self.max_images, len(self.data.test)),
            n_fake=self.max_images,
            crop=preprocessing.crop,
            resize=preprocessing.resize,
        )

    @cached_property
    def protocols(self) -> dict[str, MetricProtocol]:
        """Variant -> protocol, the base first. Variants that this data set or extractor does not offer are left out."""
        protocols = {BASE_VARIANT: self.base_protocol}
        for name, variant in VARIANTS.items():
            if not variant.is_available(self.data, self.extractor):
                continue
            protocol = self._with_changes(variant.changes)
            has_enough_images = self.allow_few or min(protocol.n_real, protocol.n_fake) > self.extractor.dims
            if has_enough_images and protocol not in protocols.values():  # "5k" of at most 5k images equals the base
                protocols[name] = protocol
        return protocols

    def _with_changes(self, changes: Mapping[str, Any]) -> MetricProtocol:
        """The base protocol with some fields changed, and with at most as many images as exist."""
        changed = replace(self.base_protocol, **changes)
        reference_split = self.data.split(changed.split)
        return replace(
            changed,
            real_fingerprint=reference_split.fingerprint,
            n_real=min(changed.n_real, self.max_images, len(reference_split)),
            n_fake=min(changed.n_fake, self.max_images),
        )

    def protocol_for(self, request: EvaluationRequest) -> MetricProtocol | None:
        """The protocol that a request is scored under; None if it is not available here."""
        protocol = self.protocols.get(request.variant)
        if protocol is not None and SOURCES[request.source].split == protocol.split:
            return None  # a split is not compared with itself
        return protocol

    @property
    def error(self) -> str | None:
        """Why this extractor cannot score this data set, or None."""
        n = self.base_protocol.n_real
        if n <= self.extractor.dims and not self.allow_few:
            return (
                f"{self.data.name} has {n} reference images, but {self.extractor.name} has {self.extractor.dims} "
                f"features. A Fréchet distance needs more images than features: choose other --features, more "
                f"--images, or --allow-few for a biased distance"
            )
        return None

    def column_name(self, name: str) -> str:
        """The column of a metric's value in records."""
        return self.extractor.metric if name == FD else name

    def metric_parameters(self, metrics: Sequence[str]) -> dict[str, str]:
        """Column -> parameters of its metric.  A recorded value with other parameters does not count."""
        return {
            self.column_name(column): METRICS[metric].parameters
            for metric in metrics
            for column in METRICS[metric].columns
        }

    def missing_requests(
        self, record: Mapping[str, Any], requests: Sequence[EvaluationRequest], metrics: Sequence[str]
    ) -> list[EvaluationRequest]:
        """Requests that a record does not answer yet, without those that are not available here."""
        evaluations = {evaluation["key"]: evaluation for evaluation in record["evaluations"]}
        parameters = self.metric_parameters(metrics)
        missing = []
        for request in requests:
            protocol = self.protocol_for(request)
            if protocol is None:
                continue
            evaluation = evaluations.get(evaluation_key(record["key"], request, protocol))
            if evaluation is None or not (
                evaluation.get("missing_reason") or parameters.items() <= recorded_parameters(evaluation).items()
            ):
                missing.append(request)
        return missing

    def score_model(
        self,
        model: LatentModel,
        record: Mapping[str, Any],
        requests: Sequence[EvaluationRequest],
        metrics: Sequence[str],
    ) -> Iterator[dict[str, Any]]:
        """Yield an entry of a record's evaluations for each request. A trial adds the provenance.

        Images are made once for all variants. Features are computed once for all variants with the same transforms.

        Raises:
            NonFiniteImages: a generated image is not finite.
            ValueError: generated images out of [0, 1].
        """
        return (entry for entry in self.score_in_turns(model, record, requests, metrics) if entry is not None)

    def score_in_turns(
        self,
        model: LatentModel,
        record: Mapping[str, Any],
        requests: Sequence[EvaluationRequest],
        metrics: Sequence[str],
    ) -> Iterator[dict[str, Any] | None]:
        """Score a model as `score_model` does, and also yield None when another run may use the process.

        If the features are computed on a GPU, a thread computes metrics while the GPU trains other runs.
        """
        train = self.data.train.canonical(record["settings"]["images"])
        previous: tuple[str, int] | None = None
        order = list(SOURCES)
        for request in sorted(requests, key=lambda r: (order.index(r.source), r.draw)):
            protocol = self.protocol_for(request)
            if protocol is None:
                continue
            started = time.perf_counter()
            if (request.source, request.draw) != previous:
                previous = request.source, request.draw
                images = self.make_images(model, train, request, record["seed"])
                yield None
                features: dict[tuple[str, ...], FeatureSet] = {}
            entry = {
                "key": evaluation_key(record["key"], request, protocol),
                "source": request.source,
                "draw": request.draw,
                "metric": protocol.metric,
                "protocol": protocol.plain(),
                "protocol_id": protocol.id,
            }
            n = 0 if isinstance(images, str) else min(protocol.n_fake, len(images))
            if not isinstance(images, str) and n <= self.extractor.dims and not self.allow_few:
                images = f"{n} images are too few for {self.extractor.dims} features"
            if isinstance(images, str):
                yield {**entry, "n": n, "values": {}, "missing_reason": images}
                continue
            transforms = (protocol.fake_transform, protocol.quantization, protocol.input)
            if transforms not in features:
                features[transforms] = self.image_features(images, protocol, SOURCES[request.source].split)
            fake = features[transforms].first(n)
            yield None
            real = self.reference_features(protocol)
            compute = partial(self.compute_metrics, real, fake, metrics)
            is_on_gpu = self.extractor.device.type != "cpu"
            values, fallbacks = (yield from in_background(compute)) if is_on_gpu else compute()
            yield {
                **entry,
                "n": n,
                "values": values,
                "metric_parameters": self.metric_parameters(metrics),
                "fallbacks": fallbacks,
                "seconds": round(time.perf_counter() - started, 3),
            }

    def make_images(self, model: LatentModel, train: Split, request: EvaluationRequest, seed: int) -> Tensor | str:
        """The images of a request, (n, C, H, W) in [0, 1], or the reason why the model has none.

        Only invalid samples raise an error. If other images are invalid, the run must still get the distance of its
        samples.
        """
        # Samples keep the seeds that they had before other sources were added.
        purpose = "draw" if request.source == "prior" else request.source
        seed = stream_seed(purpose, seed, request.draw)
        try:
            images = SOURCES[request.source].make_images(model, train, self.data, self.max_images, seed)
            if not torch.isfinite(images).all():
                n_bad = int((~torch.isfinite(images.flatten(1))).any(1).sum())
                raise NonFiniteImages(f"{n_bad} generated images are not finite")
            check_images(images)
        except NotImplementedError as reason:
            return str(reason)
        except (NonFiniteImages, ValueError) as reason:
            if request.source == "prior":
                raise
            return str(reason)
        return images

    def image_features(self, images: Tensor, protocol: MetricProtocol, split: str | None) -> FeatureSet:
        """Features of scored images under a protocol; cached if they are a split of the data set."""

        def compute() -> NDArray[np.float32]:
            transformed = image_ops.FAKE_TRANSFORMS[protocol.fake_transform](images)
            return self.extractor(image_ops.QUANTIZATIONS[protocol.quantization](transformed), protocol.input)

        if split is None:
            return FeatureSet(compute(), self.allow_few)
        image_key = {
            "split": self.data.split(split).fingerprint,
            "n": len(images),
            "input": protocol.input,
            "fake_transforms": [protocol.fake_transform, protocol.quantization],
        }
        return cached_features(image_key, self.extractor, compute, self.allow_few)

    def reference_features(self, protocol: MetricProtocol) -> FeatureSet:
        """Features of the reference images under a protocol, cached."""
        return _reference_features(self, replace(protocol, fake_transform=UNCHANGED, quantization=ROUNDED, n_fake=0))

    def compute_metrics(
        self, real: FeatureSet, fake: FeatureSet, metrics: Sequence[str]
    ) -> tuple[dict[str, float], int]:
        """Values of some metrics by column, and the number of numerical fallbacks."""
        values: dict[str, float] = {}
        fallbacks = 0
        for metric in metrics:
            metric_values, metric_fallbacks = METRICS[metric].compute(real, fake)
            values |= {self.column_name(column): value for column, value in metric_values.items()}
            fallbacks += metric_fallbacks
        return values, fallbacks


@lru_cache(maxsize=16)
def _reference_features(scorer: Scorer, protocol: MetricProtocol) -> FeatureSet:
    own = scorer.data.spec.preprocessing
    preprocessing = Preprocessing(protocol.crop, protocol.resize)

    def compute() -> NDArray[np.float32]:
        reference_split = scorer.data.split(protocol.split, preprocessing)
        # All variants use the same images: the first ones in the order of the data set's own preprocessing.
        indices = scorer.data.split(protocol.split).order()[: protocol.n_real]
        images = image_ops.REAL_TRANSFORMS[protocol.real_transform](reference_split.take(indices).images)
        return scorer.extractor(images, protocol.input)

    image_key = {
        "split": protocol.real_fingerprint,
        "n": protocol.n_real,
        "real_transform": protocol.real_transform,
        "input": protocol.input,
        "preprocessing": "own" if preprocessing == own else str(preprocessing),
    }
    return cached_features(image_key, scorer.extractor, compute, scorer.allow_few)
