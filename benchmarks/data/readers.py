"""Image files decoded into one array.

Decoding 180,000 JPEG files takes minutes, so the array is kept in the user's cache folder.
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

Preprocess = Callable[[Image.Image], Image.Image]  # raises ValueError, whose text says what the image is and must be

EIGHT_BIT = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"})
FORMAT = 1  # of a prepared file: raise it when decoding or preprocessing changes
BLOCK = 64  # images per task: 180,000 tasks of one would cost memory


def require_size(shape: Shape) -> Preprocess:
    """Preprocessing that changes nothing, but raises a ValueError for images of another size."""
    _, height, width = shape

    def check(image: Image.Image) -> Image.Image:
        if image.size != (width, height):
            raise ValueError(f"is {image.width}x{image.height} (width x height), needed is {width}x{height}")
        return image

    return check


def read_images(
    folder: Path, names: Sequence[str], shape: Shape, preprocess: Preprocess, preprocessing: str, shown: str = ""
) -> Tensor:
    """Decode image files, or read the array that an earlier call has cached.

    Args:
        folder: where the files are.
        names: files relative to `folder`; the images keep this order.
        shape: (C, H, W) of each image; C decides between grey and RGB.
        preprocess: from the decoded image to one of the right size.
        preprocessing: its name, a part of the cache key.
        shown: what messages write before a file's name.

    Returns:
        Images, uint8, (N, C, H, W).

    Raises:
        DataError: a file is missing, unreadable, or not of the right size.
    """
    prepared = cache_folder() / "prepared" / f"{_key(folder, names, shape, preprocessing, shown)}.npy"
    cached = _read_cache(prepared, (len(names), *shape))
    if cached is None:
        pixels = _decode(folder, names, shape, preprocess, shown)
        _write_cache(pixels, prepared)
        # Mapped from the disk, gigabytes of pixels are shared by all processes of this machine.
        cached = _read_cache(prepared, pixels.shape)
        cached = pixels if cached is None else cached
    return torch.from_numpy(cached)


def _key(folder: Path, names: Sequence[str], shape: Shape, preprocessing: str, shown: str) -> str:
    # The path is in the key: two folders unpacked from archives may agree in all names, sizes and times.
    key = hashlib.sha256(json.dumps([FORMAT, os.path.realpath(folder), shape, preprocessing]).encode())
    for name in names:
        try:
            status = os.stat(folder / name)
        except OSError as error:
            raise DataError(f"cannot read {shown}{name}: {error.strerror}") from error
        key.update(json.dumps([name, status.st_size, status.st_mtime_ns]).encode())
    return key.hexdigest()


def _read_cache(path: Path, shape: tuple[int, ...]) -> Pixels | None:
    """The cached array; None if there is none, or a broken one."""
    try:
        # "c": changes of the tensor stay in memory.
        pixels = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError, OverflowError):
        return None
    is_valid = isinstance(pixels, np.ndarray) and pixels.shape == shape and pixels.dtype == np.uint8
    return pixels if is_valid else None


def _write_cache(pixels: Pixels, path: Path) -> None:
    """Write by rename. A cache that cannot be written is not an error."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            temporary = Path(file.name)
            try:
                np.save(file, pixels, allow_pickle=False)
                file.close()
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)  # there only if something went wrong


def _decode(folder: Path, names: Sequence[str], shape: Shape, preprocess: Preprocess, shown: str) -> Pixels:
    pixels = np.empty((len(names), *shape), np.uint8)  # CelebA is 2 GB: written in place, never stacked

    def block(start: int) -> None:
        for index in range(start, min(start + BLOCK, len(names))):
            pixels[index] = _read(folder, names[index], shape, preprocess, shown)

    with ThreadPoolExecutor() as pool:  # Pillow decodes without holding the interpreter lock
        for _ in pool.map(block, range(0, len(names), BLOCK)):
            pass
    return pixels


def _read(folder: Path, name: str, shape: Shape, preprocess: Preprocess, shown: str) -> Pixels:
    try:
        with Image.open(folder / name) as opened:
            mode = opened.mode
            image = opened.convert("L" if shape[0] == 1 else "RGB")  # transparency is dropped
    except UnidentifiedImageError as error:  # its message contains a path of this machine
        raise DataError(f"cannot read {shown}{name}: not an image that Pillow knows") from error
    # Broken files raise all of these.
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(f"cannot read {shown}{name}: {error}") from error
    if mode not in EIGHT_BIT:  # Pillow has clipped 16 bits to 255 silently
        raise DataError(f"{shown}{name} has pixels of mode {mode}, needed are 8 bits a channel")
    try:
        preprocessed = preprocess(image)
    except ValueError as error:
        raise DataError(f"{shown}{name} {error}") from error
    return np.asarray(preprocessed, np.uint8).reshape(*shape[1:], shape[0]).transpose(2, 0, 1)
