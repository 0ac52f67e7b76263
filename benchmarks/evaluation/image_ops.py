"""What happens to images between a model and a metric: rounding, JPEG, stretching; each under its name.

The names stand in metric protocols: a changed function needs a new name.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor

RAW = "as they are"
STRETCHED = "each stretched to [0, 1], all channels by one factor"
ROUNDED, TRUNCATED, FLOATS = "round(255 x) to uint8", "floor(255 x) to uint8", "none, floats"


def rounded(images: Tensor) -> Tensor:
    """Floats in [0, 1] as a file would hold them: round(255 x), uint8; rounded, not truncated."""
    return images.mul(255).round().to(torch.uint8)


def truncated(images: Tensor) -> Tensor:
    """floor(255 x), uint8, as a cast does."""
    return images.mul(255).to(torch.uint8)


def stretched(images: Tensor) -> Tensor:
    """Each image (C, H, W) stretched to [0, 1] by its own minimum and maximum; a flat one becomes 0.

    Source: the Fréchet distance of Two-Stage VAE's code, which does so to fakes alone.
    """
    flat = images.flatten(1)
    low, high = flat.min(1, keepdim=True).values, flat.max(1, keepdim=True).values
    span = (high - low).clamp_min(torch.finfo(images.dtype).tiny)
    return ((flat - low) / span).clamp(0, 1).reshape(images.shape)


def jpeg(images: Tensor, quality: int) -> Tensor:
    """uint8 (N, C, H, W) through JPEG files in memory, by Pillow with its default subsampling (4:2:0 for colour)."""
    out = np.empty(tuple(images.shape), np.uint8)
    for target, image in zip(out, images.numpy(), strict=True):
        file = io.BytesIO()
        Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).save(file, "JPEG", quality=quality)
        pixels = np.asarray(Image.open(file))
        target[:] = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return torch.from_numpy(out)


def _jpeg_floats(images: Tensor, quality: int) -> Tensor:
    return jpeg(rounded(images), quality).float().div_(255)


REALS: dict[str, Callable[[Tensor], Tensor]] = {  # uint8 -> uint8
    RAW: lambda images: images,
    "JPEG, quality 95": partial(jpeg, quality=95),
    "JPEG, quality 75": partial(jpeg, quality=75),  # Pillow's default, and so Two-Stage VAE's
}
FAKES: dict[str, Callable[[Tensor], Tensor]] = {  # float in [0, 1] -> float in [0, 1]
    RAW: lambda images: images,
    STRETCHED: stretched,
    "JPEG, quality 75": partial(_jpeg_floats, quality=75),
}
QUANTISATIONS: dict[str, Callable[[Tensor], Tensor]] = {  # float in [0, 1] -> what extractors take
    ROUNDED: rounded,
    TRUNCATED: truncated,
    FLOATS: lambda images: images,
}
