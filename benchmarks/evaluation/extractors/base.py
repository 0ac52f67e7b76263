"""The interface of feature extractors: uint8 images in, a feature matrix out."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.training.precision import matmul_precision

NO_TRANSFORM = "as given"


class Extractor(ABC):
    """Images in, features out; a call checks the images, cuts them into batches and disables TF32.

    A subclass sets the attributes and implements `features`; `--features` calls it with (image_shape, device).

    Attributes:
        name: as `--features` takes it, and as records print it.
        dims: number of features.
        weights: sha256 of the weights, or "none" if there are none; a metric value depends on it.
        backend: whose network it is.
        inputs: name -> transform of images (B, C, H, W) in [0, 1] before the network sees them.  The first one is the
            default, the others are for the command `sensitivity`.
        batch: images per forward pass.
        note: what a caption should say of it.
        device: where it runs.
    """

    name: str
    dims: int
    weights: str
    device: torch.device
    backend: str = "torch"
    inputs: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType({NO_TRANSFORM: lambda x: x})
    batch: int = 500
    note: str = ""

    @property
    def metric(self) -> str:
        """The column of the Fréchet distance on these features."""
        return "fd_" + re.sub(r"\W+", "_", self.name)

    @property
    def default_input(self) -> str:
        """The first key of `inputs`."""
        return next(iter(self.inputs))

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) float in [0, 1], on `device` -> (B, dims); called without gradients."""

    def __call__(self, images: Tensor, input_name: str | None = None) -> NDArray[np.float32]:
        """Features of images, in their order; they depend on the batch in their last digits only.

        Args:
            images: (N, C, H, W), uint8, or float in [0, 1].
            input_name: a key of `inputs`; None is the first.

        Returns:
            (N, dims) float32.

        Raises:
            ValueError: bad images (see `check_images`), or features that are not (N, dims).
        """
        check_images(images)
        transform = self.inputs[self.default_input if input_name is None else input_name]
        # Filled in place: small tensors kept among large freed ones would fragment the memory.
        matrix = np.empty((len(images), self.dims), np.float32)
        with torch.no_grad(), matmul_precision("fp32"):
            for start in range(0, len(images), self.batch):
                x = images[start : start + self.batch].to(self.device)
                rows = self.features(transform(x.float().div_(255) if x.dtype == torch.uint8 else x)).float().cpu()
                if rows.shape != (len(x), self.dims):
                    raise ValueError(f"{self.name} gives features {tuple(rows.shape)}, not {(len(x), self.dims)}")
                matrix[start : start + len(x)] = rows.numpy()
        return matrix


def check_images(images: Tensor) -> None:
    """Raise ValueError unless these are (N, C, H, W), N >= 1, uint8 or float in [0, 1]."""
    if images.ndim != 4 or not len(images):
        raise ValueError(f"images must be (N, C, H, W), N at least 1, got {tuple(images.shape)}")
    if images.dtype == torch.uint8:
        return
    if not images.dtype.is_floating_point:
        raise ValueError(f"images must be uint8, or floats in [0, 1], not {images.dtype}")
    low, high = images.min().item(), images.max().item()  # NaN fails both comparisons
    if not (low >= 0 and high <= 1):
        bad = ~torch.isfinite(images.flatten(1)).all(1)
        reason = (
            f"{int(bad.sum())} of {len(images)} are not finite" if bad.any() else f"they lie in [{low:g}, {high:g}]"
        )
        raise ValueError(f"images must be finite and in [0, 1]: {reason}")
