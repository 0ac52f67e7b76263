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
from benchmarks.data.readers import read_images, require_size
from benchmarks.data.split import Split
from benchmarks.evaluation.metrics import Moments

SPLIT_SUFFIXES = {"": "test", ":test": "test", ":train": "train"}


def is_dataset(text: str) -> bool:
    """Whether a text names a data set, or a split of one as NAME:train."""
    name, colon, split = text.partition(":")
    return name in datasets.DATASETS and colon + split in SPLIT_SUFFIXES


def load_images(text: str, root: Path | None) -> Split | Moments:
    """Images of a split of a data set, of a folder or of an .npz file; or moments from such a file.

    Raises:
        ValueError: it is none of these, or cannot be read.
    """
    if is_dataset(text):
        name, colon, split = text.partition(":")
        return datasets.load_cached(name, root).split(SPLIT_SUFFIXES[colon + split])
    path = Path(text)
    if path.suffix == ".npz" and path.is_file():
        return read_npz(path)
    if path.is_dir():
        return Split(read_image_folder(path))
    raise ValueError(
        f"{text!r} is neither a data set ({', '.join(datasets.DATASETS)}, each also with :train), a folder nor an "
        f".npz file"
    )


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
