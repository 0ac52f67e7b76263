"""Small image files for tests of readers."""

import numpy as np
from PIL import Image

from benchmarks.data.datasets import ImageFolder


def write_image(path, seed=0, size=(8, 8), mode="L"):
    """Write a random image; return its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = size[::-1] if mode == "L" else (*size[::-1], 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def digits_folder(path):
    """A folder of images of the size of digits."""
    return ImageFolder(path, "mine", "digits")
