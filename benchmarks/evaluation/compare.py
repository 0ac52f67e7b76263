"""Compare any two sets of images: the command `evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.data import datasets
from benchmarks.data.preprocessing import NO_PREPROCESSING, Shape
from benchmarks.data.split import Split
from benchmarks.evaluation.extractors import Extractor, make_extractor
from benchmarks.evaluation.image_input import is_dataset, load_images
from benchmarks.evaluation.metrics import FD, METRICS, FeatureSet, Moments, frechet_from_moments
from benchmarks.evaluation.protocol import UNCHANGED, MetricProtocol
from benchmarks.evaluation.reference_cache import cached_features

NO_DATASET = "images that are no data set"


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison.

    Attributes:
        protocol: everything that the values depend on besides the generated images; None if a side was given by its
            moments, which do not say how they were made.
        n: numbers of reference and of generated images; None for a side that was given by its moments.
        values: metric -> value; the Fréchet distance is named after the features.
    """

    protocol: MetricProtocol | None
    n: tuple[int | None, int | None]
    values: dict[str, float]


def compare(
    real: str,
    fake: str,
    features: str,
    root: Path | None,
    device: torch.device,
    *,
    metrics: Sequence[str] = tuple(METRICS),
    images: int | None = None,
    allow_few: bool = False,
) -> Comparison:
    """Compare one set of images with another.

    Both sides are cut to the same number of images, those with the smallest digests.  A side may also be an .npz file
    of moments as pytorch-fid saves them (`mu`, `sigma`).  Then only the Fréchet distance is available.  It is called
    `fd_moments`, because the file does not say of which features.

    Args:
        real: a data set's name (its test split; NAME:train for the other), a folder of images, or an .npz file.
        fake: likewise; generated images.
        features: as `--features` takes it; "classifier" needs a data set, or classifier:NAME.
        root: data root.
        device: where features are computed.
        metrics: keys of `METRICS`.
        images: of each side, at most; None: all that both have.
        allow_few: accept no more images than features, where a Fréchet distance is biased.

    Raises:
        ValueError: images that cannot be read, images of two shapes, or too few for the features.
    """
    unknown = [repr(name) for name in metrics if name not in METRICS]
    if unknown:
        known = ", ".join(METRICS)
        raise ValueError(f"unknown metric {', '.join(unknown)}. Known: {known} (benchmarks/evaluation/metrics)")
    sides = [load_images(real, root), load_images(fake, root)]
    dataset = next((text.partition(":")[0] for text in (real, fake) if is_dataset(text)), NO_DATASET)
    if any(isinstance(side, Moments) for side in sides):
        if metrics and {*metrics} not in ({FD}, {*METRICS}):  # all metrics are the default
            unavailable = ", ".join(name for name in metrics if name != FD)
            raise ValueError(f"{unavailable} cannot be computed from moments: they need images on both sides")
        return _compare_moments((real, fake), sides, features, dataset, device, images, allow_few)
    a, b = _match_shapes((real, fake), [side for side in sides if isinstance(side, Split)])
    n = min(len(a), len(b)) if images is None else min(images, len(a), len(b))
    a, b = a.canonical(n), b.canonical(n)
    extractor = make_extractor(features, dataset, _image_shape(a), device)
    real_features = cached_reference_features(a, extractor, allow_few)
    fake_features = FeatureSet(extractor(b.images), allow_few)
    values: dict[str, float] = {}
    for metric in metrics:
        values |= METRICS[metric].compute(real_features, fake_features)[0]
    by_column = {extractor.metric if name == FD else name: value for name, value in values.items()}
    return Comparison(comparison_protocol(real, a, extractor), (n, n), by_column)


def _image_shape(images: Split) -> Shape:
    c, h, w = images.images.shape[1:]
    return int(c), int(h), int(w)


def _match_shapes(names: tuple[str, str], sets: list[Split]) -> tuple[Split, Split]:
    """Two sets of images of one shape; RGB images with equal channels become gray if the other side is gray."""
    a, b = (_image_shape(images) for images in sets)
    if a[1:] == b[1:] and a[0] != b[0]:
        sets = [_to_gray_if_equal(images) if images.images.shape[1] == 3 else images for images in sets]
        a, b = (_image_shape(images) for images in sets)
    if a != b:
        reason = "resize one of them" if a[1:] != b[1:] else "the one is gray, the other is not"
        raise ValueError(f"{names[0]} has images of {a}, {names[1]} of {b} (C, H, W): {reason}")
    return sets[0], sets[1]


def _to_gray_if_equal(images: Split) -> Split:
    """RGB images as gray ones if all their channels are equal."""
    rgb = images.images
    is_gray = torch.equal(rgb[:, 0], rgb[:, 1]) and torch.equal(rgb[:, 0], rgb[:, 2])
    return Split(rgb[:, :1].contiguous(), images.labels) if is_gray else images


def comparison_protocol(real: str, images: Split, extractor: Extractor) -> MetricProtocol:
    """The metric protocol of a comparison with these reference images, all of which are used."""
    name, _, split = real.partition(":")
    preprocessing = datasets.DATASETS[name].preprocessing if is_dataset(real) else NO_PREPROCESSING
    return MetricProtocol(
        metric=extractor.metric,
        extractor=extractor.name,
        weights=extractor.weights,
        dims=extractor.dims,
        backend=extractor.backend,
        input=extractor.default_input,
        split=(split or "test") if is_dataset(real) else "as given",
        real_fingerprint=images.fingerprint,
        n_real=len(images),
        n_fake=len(images),
        crop=preprocessing.crop,
        resize=preprocessing.resize,
    )


def cached_reference_features(images: Split, extractor: Extractor, allow_few: bool) -> FeatureSet:
    """Features of reference images, from the cache if they were computed before."""
    return cached_features(reference_key(images, extractor), extractor, lambda: extractor(images.images), allow_few)


def reference_key(images: Split, extractor: Extractor) -> dict[str, Any]:
    """The cache's `image_key` of reference images."""
    return {
        "split": images.fingerprint,
        "n": len(images),
        "real_transform": UNCHANGED,
        "input": extractor.default_input,
    }


def _compare_moments(
    names: tuple[str, str],
    sides: list[Split | Moments],
    features: str,
    dataset: str,
    device: torch.device,
    images: int | None,
    allow_few: bool,
) -> Comparison:
    """The Fréchet distance if at least one side is given by its moments."""
    moments: list[Moments] = []
    for side in sides:
        if isinstance(side, Moments):
            moments.append(side)
        else:
            extractor = make_extractor(features, dataset, _image_shape(side), device)
            moments.append(cached_reference_features(side.canonical(images), extractor, allow_few).moments)
    a, b = moments
    if len(a.mean) != len(b.mean):
        raise ValueError(f"{names[0]} has {len(a.mean)} features, {names[1]} {len(b.mean)}: they cannot be compared")
    distance = frechet_from_moments(a.mean, a.cov, b.mean, b.cov)
    return Comparison(None, (a.n or None, b.n or None), {"fd_moments": distance})
