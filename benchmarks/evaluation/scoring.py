"""How a trained model is measured: metric protocols as data, what is scored, and the measurement.

A protocol says which reals, how many of each, how images become numbers and which weights look at them.  Its
fingerprint stands in every record, and a table's cell never mixes two.  `VARIANTS` are the other protocols
that people use: `run sensitivity` scores the same samples under each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.data.datasets import DataSet, Part
from benchmarks.data.fingerprint import digest
from benchmarks.data.readers import Preparation
from benchmarks.evaluation import image_ops
from benchmarks.evaluation.extractors import Extractor, check_images
from benchmarks.evaluation.metrics import FD, METRICS
from benchmarks.evaluation.reference_cache import Features, kept
from zoo import LatentModel

IMAGES = 10_000  # of each kind; Table 1: "10k generated images and 10k real images"
BASE = "base"


# --- what is scored


@dataclass(frozen=True)
class Source:
    """Where images to be scored come from.

    Attributes:
        label: as tables print it.
        images: (model, its training images, the data set, how many, seed) -> (n, C, H, W) float in [0, 1];
            raises NotImplementedError where the model has none.
        drawn: whether a seed decides: only then is there more than one sample set.
        part: of the data set, where the images are that part's own: they are not compared with themselves.
    """

    label: str
    images: Callable[[LatentModel, Part, DataSet, int, int], Tensor]
    drawn: bool = False
    part: str | None = None


def _posterior(model: LatentModel, train: Part, data: DataSet, n: int, seed: int) -> Tensor:
    return model.decode(model.encode(train.images[:n], torch.Generator().manual_seed(seed)))


# Section 2: (a) "a good decoder G that can output realistic images given z ~ p~(z)", (b) "a good match between p~(z)
# and p(z)".  `posterior` less `floor` is what (a) costs, `prior` less `posterior` what (b) costs.
SOURCES: dict[str, Source] = {
    "prior": Source("samples", lambda m, train, data, n, seed: m.sample(n, seed), drawn=True),
    "posterior": Source("decoded posterior", _posterior),
    "reconstruction": Source("reconstructions", lambda m, t, data, n, s: m.reconstruct(data.test.canonical(n).images)),
    "floor": Source("training images", lambda m, t, data, n, s: data.train.canonical(n).images.float().div(255),
                    part="train"),
}  # fmt: skip
CRITERIA = ("posterior", "reconstruction", "floor")  # measured once of every training, beside its samples


# --- under which protocol


@dataclass(frozen=True)
class MetricProtocol:
    """All that a number depends on beside the images scored; its fingerprint is `id`.

    Attributes:
        metric: column of the Fréchet distance.
        extractor: name of the features.
        weights: sha256 of its weights.
        dims: number of features.
        backend: whose network it is.
        input: what is done to images before that network sees them.
        split: part of the data set that the reals are from.
        real: fingerprint of that part.
        n_real: reals, those with the smallest digests.
        n_fake: fakes, at most.
        crop: of the reals, when they were read.
        resize: of the reals, when they were read.
        reals: what is done to the reals, a key of `codecs.REALS`.
        fakes: what is done to the fakes, a key of `codecs.FAKES`.
        quantisation: how fakes become pixels, a key of `codecs.QUANTISATIONS`.
        estimator: of the Fréchet distance.
    """

    metric: str
    extractor: str
    weights: str
    dims: int
    backend: str
    input: str
    split: str
    real: str
    n_real: int
    n_fake: int
    crop: int | None
    resize: str | None
    reals: str = image_ops.RAW
    fakes: str = image_ops.RAW
    quantisation: str = image_ops.ROUNDED
    estimator: str = "Fréchet distance of Gaussians, unbiased covariances, float64"

    def plain(self) -> dict[str, Any]:
        """As JSON: what a record stores and the fingerprint is made of."""
        return asdict(self)

    @cached_property
    def id(self) -> str:
        """Fingerprint, 16 hexadecimal digits."""
        return digest(self.plain())[:16]


@dataclass(frozen=True)
class Variant:
    """Another protocol that people use.

    Attributes:
        label: as the sensitivity table prints it.
        changes: fields of `MetricProtocol` that differ from the base.
        fits: whether it can be had for a data set and an extractor.
    """

    label: str
    changes: Mapping[str, Any]
    fits: Callable[[DataSet, Extractor], bool] = lambda data, extractor: True


def _can_prepare(data: DataSet, extractor: Extractor) -> bool:
    return data.spec.prepare is not None


def _input(words: str) -> Variant:
    kind = f"gray replicated to 3 channels, 299x299 {words}"
    return Variant(f"resized to 299x299, {words}", {"input": kind}, lambda data, extractor: kind in extractor.inputs)


def _half(images: int = IMAGES // 2) -> dict[str, int]:
    return {"n_real": images, "n_fake": images}


_PLAIN = "64x64 plain bilinear"
# Ledger of the field: which part the reals are of, whether they went through JPEG (B.4), whether fakes are
# stretched (Two-Stage VAE's code, which says so nowhere), how floats become pixels, how many, which crop and filter.
VARIANTS: dict[str, Variant] = {
    BASE: Variant("test part, at most 10k, as they are", {}),
    "train": Variant("reals: training part", {"split": "train"}),
    "jpeg95": Variant("reals: JPEG, quality 95", {"reals": "JPEG, quality 95"}),
    "jpeg75": Variant("reals: JPEG, quality 75", {"reals": "JPEG, quality 75"}),
    "stretched": Variant("fakes: stretched", {"fakes": image_ops.STRETCHED}),
    "jpeg95-stretched": Variant("reals: JPEG 95; fakes: stretched",
                                {"reals": "JPEG, quality 95", "fakes": image_ops.STRETCHED}),
    "jpeg75-stretched": Variant("reals: JPEG 75; fakes: stretched",
                                {"reals": "JPEG, quality 75", "fakes": image_ops.STRETCHED}),
    "jpeg75-both": Variant("reals and fakes: JPEG 75", {"reals": "JPEG, quality 75", "fakes": "JPEG, quality 75"}),
    "float": Variant("fakes: floats, not rounded", {"quantisation": image_ops.FLOATS}),
    "truncated": Variant("fakes: truncated to 8 bits", {"quantisation": image_ops.TRUNCATED}),
    "5k": Variant("at most 5k of each", _half()),
    "crop128": Variant("reals: 128x128 crop", {"crop": 128}, _can_prepare),
    "crop140": Variant("reals: 140x140 crop", {"crop": 140}, _can_prepare),
    "resize-plain": Variant("reals: 64x64 without antialiasing", {"resize": _PLAIN}, _can_prepare),
    "resize-bicubic": Variant("reals: 64x64 bicubic", {"resize": "64x64 antialiased bicubic"}, _can_prepare),
    "input-bilinear": _input("antialiased bilinear"),
    "input-bicubic": _input("antialiased bicubic"),
}  # fmt: skip


@dataclass(frozen=True)
class Request:
    """One set of images and the protocol that it is scored under."""

    source: str = "prior"
    draw: int = 0
    variant: str = BASE


def requests(draws: int, sources: Sequence[str] = ("prior",), variants: Sequence[str] = (BASE,)) -> list[Request]:
    """All combinations; a source that no seed decides has one draw."""
    return [
        Request(source, draw, variant)
        for source in sources
        for draw in range(draws if SOURCES[source].drawn else 1)
        for variant in variants
    ]


# --- the measurement


@dataclass(frozen=True)
class Measure:
    """A data set's real images seen by an extractor: what models are compared with.

    Departs: the paper does not say which real images it compares with; ours are of the test part, as in the GAN
    numbers that it cites.  To switch: `run sensitivity` scores against the training part, too.
    Departs: B.4 blames JPEG files for a rival's numbers; that code also stretches the contrast of each generated image.
    Ours does neither: pixels become round(255 x), and nothing else.  To switch: `run sensitivity` does both.

    Attributes:
        data: the data set.
        extractor: of features.
        images: of each kind, at most.
        allow_few: accept no more images than features, where a Fréchet distance is biased.
    """

    data: DataSet
    extractor: Extractor
    images: int = IMAGES
    allow_few: bool = False

    @cached_property
    def base(self) -> MetricProtocol:
        """The protocol of the tables."""
        preparation = self.data.spec.preparation
        return MetricProtocol(
            metric=self.extractor.metric,
            extractor=self.extractor.name,
            weights=self.extractor.weights,
            dims=self.extractor.dims,
            backend=self.extractor.backend,
            input=next(iter(self.extractor.inputs)),
            split="test",
            real=self.data.test.fingerprint,
            n_real=min(self.images, len(self.data.test)),
            n_fake=self.images,
            crop=preparation.crop,
            resize=preparation.resize,
        )

    @cached_property
    def protocols(self) -> dict[str, MetricProtocol]:
        """Variant -> protocol, the base first; without those that this data set or extractor cannot have."""
        found = {BASE: self.base}
        for name, variant in VARIANTS.items():
            if variant.fits(self.data, self.extractor):
                changed = replace(self.base, **variant.changes)
                part = self.data.part(changed.split)
                changed = replace(changed, real=part.fingerprint, n_real=min(changed.n_real, self.images, len(part)),
                                  n_fake=min(changed.n_fake, self.images))  # fmt: skip
                enough = self.allow_few or min(changed.n_real, changed.n_fake) > self.extractor.dims
                if enough and changed not in found.values():  # 5k of no more than 5k are no variant
                    found[name] = changed
        return found

    def protocol(self, request: Request) -> MetricProtocol | None:
        """What a request is scored under, or None where it cannot be had here."""
        found = self.protocols.get(request.variant)
        return None if found is not None and SOURCES[request.source].part == found.split else found

    @property
    def problem(self) -> str | None:
        """Why these reals cannot be measured with this extractor, or None."""
        n = self.base.n_real
        if n <= self.extractor.dims and not self.allow_few:
            return (
                f"{self.data.name} has {n} real images to compare with and {self.extractor.name} {self.extractor.dims} "
                f"features: a Fréchet distance needs more images than features: take features with fewer, more images, "
                f"or --allow-few, whose distances are biased"
            )
        return None

    def caption(self) -> str:
        """The protocol in one sentence."""
        p = self.base
        note = f"; {self.extractor.note}" if self.extractor.note else ""
        return (
            f"{self.data.spec.label}: {p.n_fake:,} generated images against {p.n_real:,} of the {p.split} part, "
            f"features {p.extractor} ({p.dims}-d, weights {p.weights[:8]}, images {p.input}{note}), {p.quantisation}, "
            f"metric protocol {p.id}."
        )

    def reals(self, protocol: MetricProtocol) -> Features:
        """The real images' features under a protocol, from the cache where they are there."""
        return _reals(self, replace(protocol, fakes=image_ops.RAW, quantisation=image_ops.ROUNDED, n_fake=0))

    def missing(self, record: Mapping[str, Any], wanted: Sequence[Request], metrics: Sequence[str]) -> list[Request]:
        """Requests that a record does not answer yet; those that cannot be had here are not asked for."""
        there = {evaluation["key"]: evaluation for evaluation in record["evaluations"]}
        how = self.how(metrics)
        lacking = []
        for request in wanted:
            protocol = self.protocol(request)
            found = there.get(evaluation_key(record["key"], request, protocol)) if protocol else None
            if protocol and (found is None or not (found.get("absent") or how.items() <= _how(found).items())):
                lacking.append(request)
        return lacking

    def how(self, metrics: Sequence[str]) -> dict[str, str]:
        """Column -> how it is computed; a record's value that was computed in another way is not there."""
        return {self.column(name): METRICS[metric].how for metric in metrics for name in METRICS[metric].columns}

    def column(self, name: str) -> str:
        """The column of a metric's value in records."""
        return self.extractor.metric if name == FD else name

    def measure(
        self, model: LatentModel, record: Mapping[str, Any], wanted: Sequence[Request], metrics: Sequence[str]
    ) -> Iterator[dict[str, Any]]:
        """Answer requests one by one; entries of a record's evaluations, to which a trial adds their provenance.

        Images are made once for all variants that look at them, and features once for all that see them alike.

        Raises:
            NotFinite: a generated image is not.
            ValueError: generated images out of [0, 1].
        """
        train = self.data.train.canonical(record["settings"]["images"])
        last: tuple[str, int] | None = None
        order = list(SOURCES)
        for request in sorted(wanted, key=lambda r: (order.index(r.source), r.draw)):
            protocol = self.protocol(request)
            if protocol is None:
                continue
            started = time.perf_counter()
            if (request.source, request.draw) != last:
                last = request.source, request.draw
                images = self.fakes(model, train, request, record["seed"])
                seen: dict[tuple[str, ...], Features] = {}
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
                yield {**entry, "n": n, "values": {}, "absent": images}
                continue
            way = (protocol.fakes, protocol.quantisation, protocol.input)
            if way not in seen:
                seen[way] = self.seen(images, protocol, SOURCES[request.source].part)
            fake = seen[way].first(n)
            values, rescues = self.score(self.reals(protocol), fake, metrics)
            seconds = round(time.perf_counter() - started, 3)
            how = self.how(metrics)
            yield {**entry, "n": n, "values": values, "how": how, "rescues": rescues, "seconds": seconds}

    def seen(self, images: Tensor, protocol: MetricProtocol, part: str | None) -> Features:
        """Features of images that are scored; from the cache where they are a part of the data set."""

        def compute() -> NDArray[np.float32]:
            pixels = image_ops.QUANTISATIONS[protocol.quantisation](image_ops.FAKES[protocol.fakes](images))
            return self.extractor(pixels, protocol.input)

        if part is None:
            return Features(compute(), self.allow_few)
        what = {"part": self.data.part(part).fingerprint, "n": len(images), "input": protocol.input,
                "scored": [protocol.fakes, protocol.quantisation]}  # fmt: skip
        return kept(what, self.extractor, compute, self.allow_few)

    def fakes(self, model: LatentModel, train: Part, request: Request, seed: int) -> Tensor | str:
        """The images that a request is about, (n, C, H, W) in [0, 1], or why the model has none.

        Only samples that are no images raise: what else cannot be measured must not cost a training its number.
        """
        # Draws keep the seeds that they had before there were other sources.
        purpose = "draw" if request.source == "prior" else request.source
        source = SOURCES[request.source]
        try:
            images = source.images(model, train, self.data, self.images, stream(purpose, seed, request.draw))
            if not torch.isfinite(images).all():
                bad = int((~torch.isfinite(images.flatten(1))).any(1).sum())
                raise NotFinite(f"{bad} generated images are not finite")
            check_images(images)
        except NotImplementedError as reason:
            return str(reason)
        except (NotFinite, ValueError) as reason:
            if request.source == "prior":
                raise
            return str(reason)
        return images

    def score(self, real: Features, fake: Features, metrics: Sequence[str]) -> tuple[dict[str, float], int]:
        """All values of some metrics by column, and the number of numerical rescues."""
        values: dict[str, float] = {}
        rescues = 0
        for metric in metrics:
            found, rescued = METRICS[metric].call(real, fake)
            values |= {self.column(name): value for name, value in found.items()}
            rescues += rescued
        return values, rescues


def _how(evaluation: Mapping[str, Any]) -> dict[str, str]:
    """As `Measure.how`, of a record's evaluation; older ones have but a Fréchet distance, whose protocol says it."""
    how: dict[str, str] = evaluation.get("how", {})
    return dict.fromkeys(evaluation["values"], METRICS[FD].how) | how


@lru_cache(maxsize=16)
def _reals(measure: Measure, protocol: MetricProtocol) -> Features:
    own = measure.data.spec.preparation
    wanted = Preparation(protocol.crop, protocol.resize)

    def compute() -> Any:
        part = measure.data.part(protocol.split, wanted)
        # The same images in every variant: those that come first as the data set itself prepares them.
        chosen = measure.data.part(protocol.split).order()[: protocol.n_real]
        return measure.extractor(image_ops.REALS[protocol.reals](part.take(chosen).images), protocol.input)

    what = {"part": protocol.real, "n": protocol.n_real, "reals": protocol.reals, "input": protocol.input,
            "preparation": "own" if wanted == own else str(wanted)}  # fmt: skip
    return kept(what, measure.extractor, compute, measure.allow_few)


def evaluation_key(key: str, request: Request, protocol: MetricProtocol) -> str:
    """Key of one evaluation: training key, source, draw, metric protocol."""
    source = [] if request.source == "prior" else [request.source]
    return digest([key, *source, request.draw, protocol.id])


class NotFinite(RuntimeError):
    """A model generated a NaN or an infinity."""


def stream(purpose: str, *numbers: int) -> int:
    """A seed for one purpose: streams of different purposes or numbers have nothing in common."""
    return int(digest([purpose, *numbers])[:15], 16)
