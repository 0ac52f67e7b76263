"""Compare any two sets of images: the command `evaluate`.

A metric uses all images of both sides, unless it compares equal numbers (`EQUAL_NUMBERS`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.data import datasets
from benchmarks.data.preprocessing import NO_PREPROCESSING, Conversion
from benchmarks.data.split import Split
from benchmarks.evaluation.extractors import Extractor, make_extractor
from benchmarks.evaluation.given_moments import distance_of_moments
from benchmarks.evaluation.image_input import Side, image_shape, is_dataset, load_pair
from benchmarks.evaluation.metrics import FD, METRICS, FeatureSet, Moments
from benchmarks.evaluation.protocol import UNCHANGED, MetricProtocol
from benchmarks.evaluation.reference_cache import cached_features

NO_DATASET = "images that are no data set"
SIDES = ("reference", "generated")
SUBSET_SEED = 0

# Metrics that compare equal numbers of images: they get a random subset of the larger side.  All others accept any
# numbers: the Fréchet distance compares moments, and KID averages over subsets of one size from all images.
EQUAL_NUMBERS = (
    "prd",  # the larger side would dominate the clusters (Sajjadi et al.; their code refuses different numbers)
    "neighbours",  # balls shrink as images become more (Kynkäänniemi et al., section 2, have equal numbers)
)

Counts = tuple[int | None, int | None]  # of reference and of generated images; None for a side given by its moments


class ComparisonErrors(ValueError):
    """All that is wrong with what is to be compared.

    Attributes:
        errors: one message each.
    """

    def __init__(self, errors: Sequence[str]):
        super().__init__("\n".join(errors))
        self.errors = [*errors]


@dataclass(frozen=True)
class MetricValue:
    """One value of a comparison.

    Attributes:
        metric: key of `METRICS`.
        value: the number.
        better: "lower" or "higher"; None if neither is better.
        n: numbers of reference and of generated images that it was computed from.
    """

    metric: str
    value: float
    better: str | None
    n: Counts


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison.

    Attributes:
        extractor: of features; None if both sides were given by their moments.
        protocol: everything that the Fréchet distance depends on besides the generated images; None if a side was given
            by its moments, which do not say how they were made.
        available: numbers of reference and of generated images that were given.
        n: those numbers, but at most what `--images` allows.
        values: column -> value; the Fréchet distance is named after the features.
        notes: one line for each random subset, for how images were converted, and for what else a reader of the values
            must know.
    """

    extractor: Extractor | None
    protocol: MetricProtocol | None
    available: Counts
    n: Counts
    values: dict[str, MetricValue]
    notes: tuple[str, ...]


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
    conversion: Conversion | None = None,
) -> Comparison:
    """Compare one set of images with another.

    A side may also be an .npz file of moments as pytorch-fid saves them (`mu`, `sigma`).  Then only the Fréchet
    distance is available.  It is called `fd_moments`, because the file does not say of which features.

    Args:
        real: a data set's name (its test split; NAME:train for the other), a folder of images, or a file of arrays.
        fake: likewise; generated images.
        features: as `--features` takes it; "classifier" needs a data set, or classifier:NAME.
        root: data root.
        device: where features are computed.
        metrics: keys of `METRICS`.
        images: of each side, at most: a random subset of a side that has more; None: all.
        allow_few: accept no more images than features, where a Fréchet distance is biased.
        conversion: how images become opaque 8-bit images of one size; None: the default.

    Raises:
        ComparisonErrors: images that cannot be read, images of two shapes, features that cannot be computed, metrics
            that cannot be computed from moments, or fewer images than features.
        ValueError: fewer images than another metric needs.
    """
    names = (real, fake)
    loaded, extractor = _load(names, features, root, device, conversion or Conversion())
    available = _counts([side.content for side in loaded])
    sides = [side.content if isinstance(side.content, Moments) else _limit(side.content, images) for side in loaded]
    n = _counts(sides)
    notes = [*dict.fromkeys(note for side in loaded for note in side.notes)]
    notes += [
        f"--images {images}: a random {used:,} of the {total:,} {side} images (seed {SUBSET_SEED})"
        for side, total, used in zip(SIDES, available, n, strict=True)
        if total != used
    ]
    if FD not in metrics:
        allow_few = True  # no other metric has that bias
    elif extractor is not None:
        notes += _check_counts(names, n, extractor, allow_few)
    reference, generated = sides
    if isinstance(reference, Moments) or isinstance(generated, Moments):
        notes += _check_metrics_of_moments(metrics)
        moments = [_moments(side, extractor, allow_few) for side in sides]
        distance = max(0.0, distance_of_moments(names, *moments))  # below 0 are rounding errors only
        values = {"fd_moments": MetricValue(FD, distance, "lower", n)}
        return Comparison(extractor, None, available, n, values, tuple(notes))
    assert extractor is not None  # there are images
    pair = (
        cached_reference_features(reference, extractor, allow_few),
        FeatureSet(extractor(generated.images), allow_few),
    )
    values = {}
    for metric in metrics:
        metric_values, subset_notes = _compute(metric, *pair)
        values |= {extractor.metric if column == FD else column: value for column, value in metric_values.items()}
        notes += subset_notes
    protocol = comparison_protocol(real, reference, len(generated), extractor, loaded[0].resize)
    return Comparison(extractor, protocol, available, n, values, tuple(notes))


def _load(
    names: tuple[str, str], features: str, root: Path | None, device: torch.device, conversion: Conversion
) -> tuple[tuple[Side, ...], Extractor | None]:
    """Both sides, images of one shape, and the extractor of their features, if there are images.

    Raises:
        ComparisonErrors: all that is wrong with them.
    """
    errors: list[str] = []
    sides = load_pair(names, root, conversion, errors)
    dataset = next((name.partition(":")[0] for name in names if is_dataset(name)), NO_DATASET)
    shape = next((image_shape(side.content) for side in sides if isinstance(side.content, Split)), None)
    if errors:  # one shape of two; that of the data set is certain
        shape = None if dataset == NO_DATASET else datasets.dataset_spec(dataset).shape
    extractor = None
    try:
        extractor = None if shape is None else make_extractor(features, dataset, shape, device)
    except ValueError as error:
        errors.append(str(error))
    if errors:
        raise ComparisonErrors(errors)
    return sides, extractor


def _counts(sides: Sequence[Split | Moments]) -> Counts:
    real, fake = (len(side) if isinstance(side, Split) else None for side in sides)
    return real, fake


def _limit(images: Split, n: int | None) -> Split:
    """All images, or a random subset, sorted by digest: the order of files does not matter."""
    order = images.order()
    return images.take(order if n is None else order[_subset(len(order), n)])


def _subset(total: int, n: int) -> NDArray[np.int64]:
    """Indices of a random subset, in order; all if there are no more than n."""
    return np.sort(np.random.default_rng(SUBSET_SEED).permutation(total)[:n])


def _compute(metric: str, real: FeatureSet, fake: FeatureSet) -> tuple[dict[str, MetricValue], list[str]]:
    """Column -> value of a metric, and one note for each side of which it uses a random subset."""
    available = (len(real.features), len(fake.features))
    n = (min(available), min(available)) if metric in EQUAL_NUMBERS else available
    values, _ = METRICS[metric].compute(_random_features(real, n[0]), _random_features(fake, n[1]))
    directions = {"lower": "lower", "higher": "higher"}  # not "spread"
    if metric == FD:
        values = {column: max(0.0, value) for column, value in values.items()}  # below 0 are rounding errors only
    rows = {column: MetricValue(metric, value, directions.get(METRICS[metric].columns[column]), n)
            for column, value in values.items()}  # fmt: skip
    return rows, [
        f"{metric} compares equal numbers: a random {used:,} of the {total:,} {side} images (seed {SUBSET_SEED})"
        for side, total, used in zip(SIDES, available, n, strict=True)
        if used < total
    ]


def _random_features(side: FeatureSet, n: int) -> FeatureSet:
    total = len(side.features)
    return side if n == total else FeatureSet(side.features[_subset(total, n)], side.allow_few)


def _check_counts(names: tuple[str, str], n: Counts, extractor: Extractor, allow_few: bool) -> list[str]:
    """One note for each side that has too few images for a Fréchet distance.

    Raises:
        ComparisonErrors: there is one, and `allow_few` is not set.
    """
    few = [(name, count) for name, count in zip(names, n, strict=True) if count is not None and count <= extractor.dims]
    if few and not allow_few:
        raise ComparisonErrors([
            f"{count:,} images of {name} are too few: a Fréchet distance on {extractor.name} needs more than "
            f"{extractor.dims:,}. Take more images or other --features, or accept a biased distance by --allow-few"
            for name, count in few
        ])  # fmt: skip
    return [f"{extractor.metric} is biased: {count:,} images of {name}, {extractor.dims:,} features"
            for name, count in few]  # fmt: skip


def _check_metrics_of_moments(metrics: Sequence[str]) -> list[str]:
    """A note if metrics are left out because there are only moments.

    Raises:
        ComparisonErrors: the metrics are not the default, and one of them needs images.
    """
    others = [name for name in metrics if name != FD]
    if others and {*metrics} != {*METRICS}:  # all metrics are the default
        raise ComparisonErrors([f"{', '.join(others)} cannot be computed from moments: they need images on both sides. "
                                f"Give images, or --metrics {FD}"])  # fmt: skip
    return [f"only {FD}: {', '.join(others)} cannot be computed from moments"] if others else []


def comparison_protocol(
    real: str, images: Split, n_fake: int, extractor: Extractor, resize: str | None = None
) -> MetricProtocol:
    """The metric protocol of a comparison with these reference images, which were resized by `resize`.

    The fingerprint is of the images that are used: another subset of a split has another protocol.
    """
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
        n_fake=n_fake,
        crop=preprocessing.crop,
        resize=", ".join(step for step in (preprocessing.resize, resize) if step) or None,
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


def _moments(side: Split | Moments, extractor: Extractor | None, allow_few: bool) -> Moments:
    """The moments of one side."""
    if isinstance(side, Moments):
        return side
    assert extractor is not None  # there are images
    return cached_reference_features(side, extractor, allow_few).moments
