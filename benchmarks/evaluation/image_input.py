"""Images to compare, from a data set, a folder or an .npz file; or moments from an .npz file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from benchmarks.data import datasets
from benchmarks.data.folders import find_images
from benchmarks.data.paths import DataError
from benchmarks.data.preprocessing import Shape
from benchmarks.data.readers import read_images, require_size
from benchmarks.data.split import Split
from benchmarks.evaluation.metrics import Moments
from zoo.registry import did_you_mean

SPLIT_SUFFIXES = {"": "test", ":test": "test", ":train": "train"}


def is_dataset(text: str) -> bool:
    """Whether a text names a data set, or a split of one as NAME:train."""
    name, colon, split = text.partition(":")
    return name in datasets.DATASETS and colon + split in SPLIT_SUFFIXES


def find_input_error(text: str) -> str | None:
    """Why a text names no images: it is no data set, folder or .npz file. None if it is one; nothing is read."""
    path = Path(text)
    if is_dataset(text) or path.is_dir() or (path.suffix == ".npz" and path.is_file()):
        return None
    problem = "is not an .npz file" if path.exists() else f"was not found{did_you_mean(text, datasets.DATASETS)}"
    return (
        f"{text!r} {problem}. Name a data set ({', '.join(datasets.DATASETS)}; NAME:train is its training split), "
        f"a folder of images, or an .npz file"
    )


def load_images(text: str, root: Path | None) -> Split | Moments:
    """Images of a split of a data set, of a folder or of an .npz file; or moments from such a file.

    Raises:
        ValueError: it is none of these, or cannot be read.
    """
    if message := find_input_error(text):
        raise ValueError(message)
    if is_dataset(text):
        name, colon, split = text.partition(":")
        return datasets.load_cached(name, root).split(SPLIT_SUFFIXES[colon + split])
    path = Path(text)
    return Split(read_image_folder(path)) if path.is_dir() else read_npz(path)


def load_pair(names: tuple[str, str], root: Path | None, errors: list[str]) -> list[Split | Moments]:
    """Both sides of a comparison, images of one shape; what is wrong with them is added to `errors`."""
    sides: list[Split | Moments] = []
    for name in names:
        try:
            sides.append(load_images(name, root))
        except ValueError as error:
            errors.append(str(error))
    images = [side for side in sides if isinstance(side, Split)]
    if len(images) < len(names):
        return sides
    try:
        return [*match_shapes(names, images)]
    except ValueError as error:
        errors.append(str(error))
        return sides


def image_shape(images: Split) -> Shape:
    """(C, H, W) of images."""
    c, h, w = images.images.shape[1:]
    return int(c), int(h), int(w)


def match_shapes(names: tuple[str, str], sets: list[Split]) -> tuple[Split, Split]:
    """Two sets of images of one shape; RGB images with equal channels become gray if the other side is gray."""
    a, b = (image_shape(images) for images in sets)
    if a[1:] == b[1:] and a[0] != b[0]:
        sets = [_to_gray_if_equal(images) if images.images.shape[1] == 3 else images for images in sets]
        a, b = (image_shape(images) for images in sets)
    if a != b:
        reason = "resize one of them" if a[1:] != b[1:] else "the one is gray, the other is not"
        raise ValueError(f"{names[0]} has images of {a}, {names[1]} of {b} (C, H, W): {reason}")
    return sets[0], sets[1]


def _to_gray_if_equal(images: Split) -> Split:
    """RGB images as gray ones if all their channels are equal."""
    rgb = images.images
    is_gray = torch.equal(rgb[:, 0], rgb[:, 1]) and torch.equal(rgb[:, 0], rgb[:, 2])
    return Split(rgb[:, :1].contiguous(), images.labels) if is_gray else images


def read_image_folder(folder: Path) -> Tensor:
    """Images below a folder, all of the first one's size: (N, C, H, W) uint8; one channel if all are gray."""
    names = sorted(find_images(folder))
    if not names:
        raise DataError(f"{folder} holds no images")
    all_gray = True
    for name in reversed(names):
        try:
            with Image.open(folder / name) as image:
                all_gray, size = all_gray and image.mode in ("1", "L"), image.size
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            reason = "not an image that Pillow knows" if isinstance(error, UnidentifiedImageError) else error
            raise DataError(f"cannot read {name}: {reason}") from error
    shape = (1 if all_gray else 3, size[1], size[0])
    return read_images(folder, names, shape, require_size(shape), "none")


def read_npz(path: Path) -> Split | Moments:
    """An .npz file: one array of images, or moments `mu` (d,) and `sigma` (d, d) as pytorch-fid saves them.

    Images are (N, H, W), (N, H, W, C) or (N, C, H, W), uint8, or floats in [0, 1], which become round(255 x).
    Nothing in the file is executed: arrays of objects are refused.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            if {*file.files} == {"mu", "sigma"}:
                mean, cov = file["mu"].astype(np.float64), file["sigma"].astype(np.float64)
                if mean.ndim != 1 or cov.shape != (len(mean), len(mean)):
                    raise ValueError(f"mu is {mean.shape} and sigma {cov.shape}, not (d,) and (d, d)")
                check_moments(mean, cov)
                return Moments(mean, cov, 0)
            if len(file.files) != 1:
                raise ValueError(f"it holds {len(file.files)} arrays ({', '.join(file.files)}), not one")
            array: Any = file[file.files[0]]
        return Split(array_to_images(array))
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"cannot take images from {path.name}: {error}") from error


def check_moments(mean: Any, cov: Any) -> None:
    """Raise ValueError unless these are finite, and the covariance symmetric without negative eigenvalues."""
    if not (np.isfinite(mean).all() and np.isfinite(cov).all()):
        raise ValueError("mu and sigma must be finite")
    scale = np.abs(cov).max()
    if not np.allclose(cov, cov.T, atol=1e-6 * scale):
        raise ValueError("sigma is not symmetric: it is no covariance")
    if np.linalg.eigvalsh(cov)[0] < -1e-6 * scale:
        raise ValueError("sigma has negative eigenvalues: it is no covariance")


def array_to_images(array: Any) -> Tensor:
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
