"""Small labelled images, in memory and in folders: three shapes, at random places on noise."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.data.datasets import DATASETS, Dataset
from benchmarks.data.split import Split

CLASSES = ("bar", "dot", "stripe")


def shape_pixels(label: int, generator: np.random.Generator, side: int = 8) -> np.ndarray:
    """A gray image of one shape: a horizontal bar, a square dot, or a vertical stripe."""
    pixels = generator.integers(0, 60, (side, side))
    row, column = generator.integers(0, side - 2, 2)
    height, width = ((2, side), (2, 2), (side, 2))[label]
    rows = slice(row if height < side else 0, (row if height < side else 0) + height)
    columns = slice(column if width < side else 0, (column if width < side else 0) + width)
    pixels[rows, columns] += 150
    return pixels.astype(np.uint8)


def shapes(n: int, seed: int, channels: int = 1, side: int = 8) -> Split:
    """`n` images of each shape."""
    generator = np.random.default_rng(seed)
    labels = np.arange(3 * n) % 3
    images = np.stack([shape_pixels(label, generator, side) for label in labels])[:, None].repeat(channels, 1)
    return Split(torch.from_numpy(images.copy()), torch.from_numpy(labels))


def shapes_dataset(n_train: int = 40, n_test: int = 30, channels: int = 1) -> Dataset:
    """A data set of shapes, with the settings of digits."""
    train, test = shapes(n_train, 0, channels), shapes(n_test, 1, channels)
    return Dataset("shapes", DATASETS["digits"], train, test, (), "digits")


def write_shapes(folder: Path, n_train: int = 40, n_test: int = 30) -> Path:
    """A folder with train/CLASS and test/CLASS; it returns the folder."""
    for half, split in (("train", shapes(n_train, 0)), ("test", shapes(n_test, 1))):
        for index, (image, label) in enumerate(zip(split.images.numpy(), split.labels.tolist(), strict=True)):
            path = folder / half / CLASSES[label] / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[0]).save(path)
    return folder
