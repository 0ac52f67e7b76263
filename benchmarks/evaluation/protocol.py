"""Metric protocols: everything that a metric value depends on besides the images that are scored.

A protocol names the reference images, how many images of each side are compared, how images become features, and the
weights of the feature network.  Every record stores it, and a table cell never mixes two.  `VARIANTS` holds other
protocols in use: the command `sensitivity` scores the same samples under each.

This module loads no torch.  `image_ops` implements the transforms that are named here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from benchmarks.data.fingerprint import digest

if TYPE_CHECKING:
    from benchmarks.data.datasets import Dataset
    from benchmarks.evaluation.extractors import Extractor

MAX_IMAGES = 10_000  # of each side; Table 1: "10k generated images and 10k real images"
BASE_VARIANT = "base"

# Names of image transforms.  They are hashed into protocol ids: a changed function needs a new name.
UNCHANGED = "as they are"
STRETCHED = "each stretched to [0, 1], all channels by one factor"
JPEG_95, JPEG_75 = "JPEG, quality 95", "JPEG, quality 75"  # 75 is Pillow's default, which Two-Stage VAE's code uses
ROUNDED, TRUNCATED, NOT_QUANTIZED = "round(255 x) to uint8", "floor(255 x) to uint8", "none, floats"

# `MetricProtocol.id` is a hash over these field names, which older records were written with; it must not change.
HASHED_NAMES = {
    "real_fingerprint": "real",
    "real_transform": "reals",
    "fake_transform": "fakes",
    "quantization": "quantisation",
}


@dataclass(frozen=True)
class MetricProtocol:
    """Everything that a metric value depends on besides the images that are scored.

    Attributes:
        metric: column of the Fréchet distance.
        extractor: name of the feature extractor.
        weights: sha256 of its weights.
        dims: number of features.
        backend: whose network it is.
        input: the transform of images before that network, a key of `Extractor.inputs`.
        split: the data set's split that the reference images are from.
        real_fingerprint: fingerprint of that split.
        n_real: number of reference images: those with the smallest digests.
        n_fake: number of generated images, at most.
        crop: of the reference images, when they were read.
        resize: of the reference images, when they were read.
        real_transform: of the reference images, a key of `image_ops.REAL_TRANSFORMS`.
        fake_transform: of the generated images, a key of `image_ops.FAKE_TRANSFORMS`.
        quantization: how generated floats become pixels, a key of `image_ops.QUANTIZATIONS`.
        estimator: of the Fréchet distance.
    """

    metric: str
    extractor: str
    weights: str
    dims: int
    backend: str
    input: str
    split: str
    real_fingerprint: str
    n_real: int
    n_fake: int
    crop: int | None
    resize: str | None
    real_transform: str = UNCHANGED
    fake_transform: str = UNCHANGED
    quantization: str = ROUNDED
    estimator: str = "Fréchet distance of Gaussians, unbiased covariances, float64"

    def plain(self) -> dict[str, Any]:
        """The protocol as JSON values, as records store it."""
        return asdict(self)

    @cached_property
    def id(self) -> str:
        """Hash of all fields, 16 hexadecimal digits."""
        return digest({HASHED_NAMES.get(name, name): value for name, value in self.plain().items()})[:16]


@dataclass(frozen=True)
class ProtocolVariant:
    """A metric protocol in use, as changes to the base protocol.

    Attributes:
        label: as the sensitivity table prints it.
        changes: fields of `MetricProtocol` that differ from the base protocol.
        is_available: whether a data set and an extractor offer it.
    """

    label: str
    changes: Mapping[str, Any]
    is_available: Callable[[Dataset, Extractor], bool] = lambda data, extractor: True


def _has_other_preprocessing(data: Dataset, extractor: Extractor) -> bool:
    return data.spec.read_with is not None


def _input_variant(filter_name: str) -> ProtocolVariant:
    name = f"gray replicated to 3 channels, 299x299 {filter_name}"
    label = f"resized to 299x299, {filter_name}"
    return ProtocolVariant(label, {"input": name}, lambda data, extractor: name in extractor.inputs)


# Protocols of the field differ in the split and number of reference images, in their crop and resize filter, and in
# JPEG compression (B.4).  They also differ in how floats become pixels, and in whether generated images are stretched:
# Two-Stage VAE's code does that, and its paper does not say so.
VARIANTS: dict[str, ProtocolVariant] = {
    BASE_VARIANT: ProtocolVariant("test split, at most 10k images, unchanged", {}),
    "train": ProtocolVariant("reference: training split", {"split": "train"}),
    "jpeg95": ProtocolVariant("reference: JPEG, quality 95", {"real_transform": JPEG_95}),
    "jpeg75": ProtocolVariant("reference: JPEG, quality 75", {"real_transform": JPEG_75}),
    "stretched": ProtocolVariant("generated: stretched", {"fake_transform": STRETCHED}),
    "jpeg95-stretched": ProtocolVariant("reference: JPEG 95; generated: stretched",
                                        {"real_transform": JPEG_95, "fake_transform": STRETCHED}),
    "jpeg75-stretched": ProtocolVariant("reference: JPEG 75; generated: stretched",
                                        {"real_transform": JPEG_75, "fake_transform": STRETCHED}),
    "jpeg75-both": ProtocolVariant("both: JPEG 75", {"real_transform": JPEG_75, "fake_transform": JPEG_75}),
    "float": ProtocolVariant("generated: floats, not rounded", {"quantization": NOT_QUANTIZED}),
    "truncated": ProtocolVariant("generated: truncated to 8 bits", {"quantization": TRUNCATED}),
    "5k": ProtocolVariant("at most 5k images of each", {"n_real": 5_000, "n_fake": 5_000}),
    "crop128": ProtocolVariant("reference: 128x128 crop", {"crop": 128}, _has_other_preprocessing),
    "crop140": ProtocolVariant("reference: 140x140 crop", {"crop": 140}, _has_other_preprocessing),
    "resize-plain": ProtocolVariant("reference: 64x64 without antialiasing", {"resize": "64x64 plain bilinear"},
                                    _has_other_preprocessing),
    "resize-bicubic": ProtocolVariant("reference: 64x64 bicubic", {"resize": "64x64 antialiased bicubic"},
                                      _has_other_preprocessing),
    "input-bilinear": _input_variant("antialiased bilinear"),
    "input-bicubic": _input_variant("antialiased bicubic"),
}  # fmt: skip
