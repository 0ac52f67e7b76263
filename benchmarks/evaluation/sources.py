"""Image sources: where the images that are scored come from.  This module loads no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.data.fingerprint import digest

if TYPE_CHECKING:
    from torch import Tensor

    from benchmarks.data.datasets import Dataset, Split
    from zoo import LatentModel


def stream_seed(purpose: str, *numbers: int) -> int:
    """Seed of the random stream of one purpose; streams of different purposes or numbers are independent."""
    return int(digest([purpose, *numbers])[:15], 16)


@dataclass(frozen=True)
class ImageSource:
    """Where images to be scored come from.

    Attributes:
        label: as tables print it.
        make_images: (model, its training images, data set, n, seed) -> (n, C, H, W) float in [0, 1]; raises
            NotImplementedError if the model has none.
        is_random: whether the images depend on the seed; only then is there more than one sample set.
        split: the split of the data set that the images are, if any: it is never compared with itself.
    """

    label: str
    make_images: Callable[[LatentModel, Split, Dataset, int, int], Tensor]
    is_random: bool = False
    split: str | None = None


def _samples(model: LatentModel, train: Split, data: Dataset, n: int, seed: int) -> Tensor:
    return model.sample(n, seed)


def _posterior(model: LatentModel, train: Split, data: Dataset, n: int, seed: int) -> Tensor:
    from torch import Generator

    return model.decode(model.encode(train.images[:n], Generator().manual_seed(seed)))


def _reconstructions(model: LatentModel, train: Split, data: Dataset, n: int, seed: int) -> Tensor:
    return model.reconstruct(data.test.canonical(n).images)


def _training_images(model: LatentModel, train: Split, data: Dataset, n: int, seed: int) -> Tensor:
    return data.train.canonical(n).images.float().div(255)


# Section 2: (a) "a good decoder G that can output realistic images given z ~ p~(z)", (b) "a good match between p~(z)
# and p(z)".  `posterior` minus `floor` is the cost of (a), `prior` minus `posterior` that of (b).
SOURCES: dict[str, ImageSource] = {
    "prior": ImageSource("samples", _samples, is_random=True),
    "posterior": ImageSource("decoded posterior", _posterior),
    "reconstruction": ImageSource("reconstructions", _reconstructions),
    "floor": ImageSource("training images", _training_images, split="train"),
}
CRITERIA_SOURCES = ("posterior", "reconstruction", "floor")  # scored once for every run, in addition to its samples
