"""A feature extractor of your own: images shrunk to 4x4 pixels.

    ae-bench evaluate --real digits --fake digits:train --features extractor:Thumbnail

in this folder, or anywhere with this folder on PYTHONPATH.  Every command that takes `--features` takes it, such as
`ae-bench table1 --preset demo --features extractor:Thumbnail`.

    python examples/extractor.py

computes the same Fréchet distance in Python.
"""

import torch
from torch.nn import functional

from benchmarks.data import datasets
from benchmarks.evaluation.extractors import Extractor
from benchmarks.evaluation.metrics import frechet_distance


class Thumbnail(Extractor):
    """The means of 4x4 areas of each channel."""

    name = "thumbnail"
    weights = "none"  # the sha256 of a file of weights, if there is one: a distance depends on them

    def __init__(self, image_shape: tuple[int, int, int], device: torch.device):
        channels, height, width = image_shape
        if min(height, width) < 4:
            raise ValueError(f"images must have at least 4x4 pixels, not {height}x{width}")
        self.dims = 16 * channels  # fewer features need fewer images
        self.device = device  # where `features` gets its images; put a network there, too

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) in [0, 1] -> (B, 16 C)."""
        return functional.adaptive_avg_pool2d(x, 4).flatten(1)


def main() -> None:
    """Print the Fréchet distance between the training split and the test split of digits."""
    digits = datasets.load("digits", None)
    extractor = Thumbnail((1, 8, 8), torch.device("cpu"))
    print(frechet_distance(extractor(digits.test.images), extractor(digits.train.images)))


if __name__ == "__main__":
    main()
