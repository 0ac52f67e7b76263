"""`run evaluate`: the metrics on anybody's images, a folder, an array or a data set on either side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks import datasets, metrics
from benchmarks.evaluation import FAKE
from benchmarks.features import Extractor, extractor
from benchmarks.images import DataError, Part, Shape, exactly, find_images, read_images
from benchmarks.trial import loaded


@dataclass(frozen=True)
class Comparison:
    """What was compared, and how.

    Attributes:
        n: images of each kind, at most 10,000, those with the smallest digests.
        extractor: of features.
        values: metric -> value; the Fréchet distance is named after the features.
    """

    n: int
    extractor: Extractor
    values: dict[str, float]


def compare(real: str, fake: str, features: str, root: Path | None, device: torch.device) -> Comparison:
    """Measure one set of images against another; both are cut to one size, so no metric sees more of one.

    Args:
        real: a data set's name (its test part), a folder of images, or an .npz file.
        fake: likewise; generated images.
        features: as `--features` takes it; "classifier" needs a data set, or classifier:NAME.
        root: data root.
        device: where features are computed.

    Raises:
        ValueError: sources that cannot be read, images of two shapes, or too few for the features.
    """
    sets = [pixels(real, root), pixels(fake, root)]
    shapes: list[Shape] = [(int(c), int(h), int(w)) for c, h, w in (part.images.shape[1:] for part in sets)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"{real} has images of {shapes[0]}, {fake} of {shapes[1]} (C, H, W): resize one of them")
    n = min(FAKE, *map(len, sets))
    row = next((s for s in (real, fake) if s in datasets.DATASETS), "images that are no data set")
    found = extractor(features, row, shapes[0], device)
    a, b = (found(part.canonical(n).images) for part in sets)
    values = {found.metric: metrics.frechet_distance(a, b)}
    values |= {f"prd_{name.replace('/', '_')}": value for name, value in metrics.prd(real=a, fake=b).items()}
    values |= metrics.kid(a, b) | metrics.neighbours(a, b)
    return Comparison(n, found, values)


def pixels(source: str, root: Path | None) -> Part:
    """Images of a data set's test part, a folder or an .npz file."""
    if source in datasets.DATASETS:
        return loaded(source, root).test
    path = Path(source)
    if path.suffix == ".npz" and path.is_file():
        return Part(from_array(path))
    if path.is_dir():
        return Part(from_folder(path))
    raise ValueError(f"{source!r} is neither a data set ({', '.join(datasets.DATASETS)}), a folder nor an .npz file")


def from_folder(folder: Path) -> Tensor:
    """Images below a folder, all of the first one's size: (N, C, H, W) uint8, gray ones with one channel."""
    names = sorted(find_images(folder))
    if not names:
        raise DataError(f"{folder} holds no images")
    with Image.open(folder / names[0]) as first:
        shape = (1 if first.mode in ("1", "L") else 3, first.height, first.width)
    return read_images(folder, names, shape, exactly(shape), "none")


def from_array(path: Path) -> Tensor:
    """The one array of an .npz file: (N, H, W), (N, H, W, C) or (N, C, H, W), uint8, or floats in [0, 1].

    Floats become round(255 x).  Nothing in the file is executed: arrays of objects are refused.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            if len(file.files) != 1:
                raise ValueError(f"it holds {len(file.files)} arrays ({', '.join(file.files)}), not one")
            array: Any = file[file.files[0]]
        return to_images(array)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"cannot take images from {path.name}: {error}") from error


def to_images(array: Any) -> Tensor:
    """An array of images as (N, C, H, W) uint8."""
    if array.ndim == 3:
        array = array[:, None]
    if array.ndim != 4 or not ({1, 3} & {array.shape[1], array.shape[3]}):
        raise ValueError(f"images are (N, H, W), (N, H, W, C) or (N, C, H, W) with C of 1 or 3, not {array.shape}")
    if array.shape[1] not in (1, 3):
        array = np.moveaxis(array, 3, 1)
    if np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
            raise ValueError("floats must be finite and in [0, 1]")
        array = np.rint(255 * array).astype(np.uint8)
    if array.dtype != np.uint8:
        raise ValueError(f"images are uint8 or floats in [0, 1], not {array.dtype}")
    return torch.from_numpy(np.ascontiguousarray(array))
