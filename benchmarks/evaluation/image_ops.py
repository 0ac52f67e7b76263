"""Named transforms of images between a model and a metric: rounding, JPEG, stretching.

The names are constants of `protocol`, because they are stored in metric protocols: a changed function needs a new name.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.data.image_files import read_pixels
from benchmarks.evaluation.protocol import JPEG_75, JPEG_95, NOT_QUANTIZED, ROUNDED, STRETCHED, TRUNCATED, UNCHANGED


def round_to_uint8(images: Tensor) -> Tensor:
    """Floats in [0, 1] as an image file holds them: round(255 x), uint8."""
    return images.mul(255).round().to(torch.uint8)


def truncate_to_uint8(images: Tensor) -> Tensor:
    """floor(255 x), uint8, as a cast does."""
    return images.mul(255).to(torch.uint8)


def stretch_contrast(images: Tensor) -> Tensor:
    """Each image (C, H, W) stretched to [0, 1] by its own minimum and maximum; a constant image becomes 0.

    Source: the Fréchet distance in Two-Stage VAE's code, which does so to generated images only.
    """
    flat = images.flatten(1)
    low, high = flat.min(1, keepdim=True).values, flat.max(1, keepdim=True).values
    span = (high - low).clamp_min(torch.finfo(images.dtype).tiny)
    return ((flat - low) / span).clamp(0, 1).reshape(images.shape)


def compress_jpeg(images: Tensor, quality: int) -> Tensor:
    """uint8 (N, C, H, W) through JPEG files in memory, by Pillow with its default subsampling (4:2:0 for color)."""
    out = np.empty(tuple(images.shape), np.uint8)
    for target, image in zip(out, images.numpy(), strict=True):
        file = io.BytesIO()
        Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).save(file, "JPEG", quality=quality)
        pixels = read_pixels(file)
        target[:] = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return torch.from_numpy(out)


def _compress_floats(images: Tensor, quality: int) -> Tensor:
    return compress_jpeg(round_to_uint8(images), quality).float().div_(255)


def _unchanged(images: Tensor) -> Tensor:
    return images


REAL_TRANSFORMS: dict[str, Callable[[Tensor], Tensor]] = {  # uint8 -> uint8
    UNCHANGED: _unchanged,
    JPEG_95: partial(compress_jpeg, quality=95),
    JPEG_75: partial(compress_jpeg, quality=75),
}
FAKE_TRANSFORMS: dict[str, Callable[[Tensor], Tensor]] = {  # float in [0, 1] -> float in [0, 1]
    UNCHANGED: _unchanged,
    STRETCHED: stretch_contrast,
    JPEG_75: partial(_compress_floats, quality=75),
}
QUANTIZATIONS: dict[str, Callable[[Tensor], Tensor]] = {  # float in [0, 1] -> what extractors take
    ROUNDED: round_to_uint8,
    TRUNCATED: truncate_to_uint8,
    NOT_QUANTIZED: _unchanged,
}
