"""Decode image files into one array.

Decoding 180,000 JPEG files takes minutes, so the array is cached in the user's cache folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from benchmarks.data.paths import DataError, cache_folder
from benchmarks.data.preprocessing import Shape
from benchmarks.data.split import Pixels

Preprocess = Callable[[Image.Image], Image.Image]  # its ValueError continues the sentence "FILE ..."

EIGHT_BIT = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"})
FORMAT = 1  # version of the cached files; raise it when decoding or preprocessing changes
BLOCK = 64  # images per task, as 180,000 tasks of one image would take much memory


def require_size(shape: Shape) -> Preprocess:
    """A preprocessing that returns images unchanged, and raises ValueError if their size is wrong."""
    _, height, width = shape

    def check(image: Image.Image) -> Image.Image:
        if image.size != (width, height):
            raise ValueError(f"is {image.width}x{image.height} (width x height), expected {width}x{height}")
        return image

    return check


def read_images(
    folder: Path, names: Sequence[str], shape: Shape, preprocess: Preprocess, preprocessing: str, shown: str = ""
) -> Tensor:
    """Decode image files, or read the array that an earlier call has cached.

    Args:
        folder: folder of the files.
        names: file names relative to `folder`. The images are in this order.
        shape: (C, H, W) of each image. C = 1 means gray, C = 3 means RGB.
        preprocess: function from a decoded image to an image of the right size.
        preprocessing: name of `preprocess`, for the key of the cache.
        shown: prefix of file names in messages.

    Returns:
        Images, uint8, (N, C, H, W).

    Raises:
        DataError: a file is missing or unreadable, or an image has the wrong size.
    """
    prepared = cache_folder() / "prepared" / f"{_key(folder, names, shape, preprocessing, shown)}.npy"
    cached = _read_cache(prepared, (len(names), *shape))
    if cached is None:
        pixels = _decode(folder, names, shape, preprocess, shown)
        _write_cache(pixels, prepared)
        # The file is memory-mapped, so all processes of this machine share gigabytes of pixels.
        cached = _read_cache(prepared, pixels.shape)
        cached = pixels if cached is None else cached
    return torch.from_numpy(cached)


def _key(folder: Path, names: Sequence[str], shape: Shape, preprocessing: str, shown: str) -> str:
    # The path is in the key, as two unpacked archives may agree in all names, sizes and times.
    key = hashlib.sha256(json.dumps([FORMAT, os.path.realpath(folder), shape, preprocessing]).encode())
    for name in names:
        try:
            status = os.stat(folder / name)
        except OSError as error:
            raise DataError(f"cannot read {shown}{name}: {error.strerror}") from error
        key.update(json.dumps([name, status.st_size, status.st_mtime_ns]).encode())
    return key.hexdigest()


def _read_cache(path: Path, shape: tuple[int, ...]) -> Pixels | None:
    """The cached array, or None if it is missing or broken."""
    try:
        # "c" is copy-on-write: changes of the tensor do not change the file.
        pixels = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError, OverflowError):
        return None
    is_valid = isinstance(pixels, np.ndarray) and pixels.shape == shape and pixels.dtype == np.uint8
    return pixels if is_valid else None


def _write_cache(pixels: Pixels, path: Path) -> None:
    """Write the cache atomically. If it cannot be written, do nothing."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            temporary = Path(file.name)
            try:
                np.save(file, pixels, allow_pickle=False)
                file.close()
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)  # exists only after an error


def _decode(folder: Path, names: Sequence[str], shape: Shape, preprocess: Preprocess, shown: str) -> Pixels:
    pixels = np.empty((len(names), *shape), np.uint8)  # filled in place, as stacking would take another 2 GB for CelebA

    def block(start: int) -> None:
        for index in range(start, min(start + BLOCK, len(names))):
            pixels[index] = _read(folder, names[index], shape, preprocess, shown)

    with ThreadPoolExecutor() as pool:  # Pillow releases the interpreter lock while it decodes
        for _ in pool.map(block, range(0, len(names), BLOCK)):
            pass
    return pixels


def _read(folder: Path, name: str, shape: Shape, preprocess: Preprocess, shown: str) -> Pixels:
    try:
        with Image.open(folder / name) as opened:
            mode = opened.mode
            image = opened.convert("L" if shape[0] == 1 else "RGB")  # transparency is dropped
    except UnidentifiedImageError as error:  # without its message, which contains a path of this machine
        raise DataError(f"cannot read {shown}{name}: Pillow does not know its format") from error
    # Broken files raise any of these.
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(f"cannot read {shown}{name}: {error}") from error
    if mode not in EIGHT_BIT:  # Pillow has silently clipped 16-bit values to 255
        raise DataError(f"{shown}{name} has pixels of mode {mode}, expected 8 bits per channel")
    try:
        preprocessed = preprocess(image)
    except ValueError as error:
        raise DataError(f"{shown}{name} {error}") from error
    return np.asarray(preprocessed, np.uint8).reshape(*shape[1:], shape[0]).transpose(2, 0, 1)
