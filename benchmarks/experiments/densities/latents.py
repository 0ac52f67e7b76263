"""Latents of the training and test images of a trained model, and the share of drawn latents that are far from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.data.datasets import ImageFolder, load_cached
from benchmarks.evaluation.protocol import MAX_IMAGES
from benchmarks.evaluation.sources import stream_seed
from benchmarks.experiments.checkpoint import load_model_if_valid
from zoo import LatentModel

FAR_QUANTILE = 0.99  # of the distances of held-out latents
CHUNK = 500  # latents whose distances to all training latents are computed at once


@dataclass(frozen=True)
class Latents:
    """A trained model and its latents. If q(z|x) is a distribution, each latent is one draw from it.

    Attributes:
        model: the model, in evaluation mode.
        train: latents of its training images, (N, nz) float32.
        held_out: latents of the test images, at most 10,000, (M, nz) float32.
    """

    model: LatentModel
    train: Tensor
    held_out: Tensor


@lru_cache(maxsize=1)
def latents_of(
    weights: Path,
    modified: int | None,
    dataset: str | ImageFolder,
    root: Path | None,
    images: int,
    seed: int,
    device: str,
) -> Latents | None:
    """The latents of a run; None if its weights are missing or cannot be read. Cached for the next fit to the same run.

    Args:
        weights: its weights file.
        modified: when that was written, so that a cached result is not used after a change.
        dataset: how to load the data.
        root: data root.
        images: number of training images.
        seed: of the run.
        device: on which the model encodes.
    """
    model = load_model_if_valid(weights)
    if model is None:
        return None
    data, model = load_cached(dataset, root), model.to(torch.device(device)).eval()
    train, held_out = (
        model.encode(split.images, torch.Generator().manual_seed(stream_seed(f"{name} latents", seed)))
        for name, split in (("train", data.train.canonical(images)), ("test", data.test.canonical(MAX_IMAGES)))
    )
    return Latents(model, train, held_out)


def far_share(drawn: Tensor, train: Tensor, held_out: Tensor) -> float:
    """Share of drawn latents that are far from the data.

    A latent is far if its distance to the nearest training latent is above the 99th percentile of these distances of
    held-out latents. Each dimension is divided by the standard deviation of the training latents. A density that
    equals the distribution of the latents has a share of about 1 %.

    Args:
        drawn: from the density, (n, nz).
        train: training latents, (N, nz).
        held_out: held-out latents, (M, nz).
    """
    scale = train.std(0)
    limit = torch.quantile(_nearest(held_out / scale, train / scale), FAR_QUANTILE)
    return float((_nearest(drawn / scale, train / scale) > limit).double().mean())


def _nearest(z: Tensor, centers: Tensor) -> Tensor:
    """Distance of each latent (n, nz) to the nearest center (N, nz): (n,)."""
    return torch.cat([torch.cdist(chunk, centers).amin(1) for chunk in z.split(CHUNK)])
