"""Decode image files into one array.

Decoding 180,000 JPEG files takes minutes, so the array is cached in the user's cache folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.data.image_files import decode_image
from benchmarks.data.limits import available_memory, require_memory, require_regular
from benchmarks.data.paths import DataError, cache_folder
from benchmarks.data.preprocessing import NO_CONVERSION, Conversion, Shape
from benchmarks.data.split import Pixels

CheckSize = Callable[[tuple[int, int]], None]  # of width and height; its ValueError continues the sentence "FILE ..."
Preprocess = Callable[[Image.Image], Image.Image]

FORMAT = 2  # version of the cached files; raise it when decoding or preprocessing changes
DECODING = 20  # bytes for each pixel of an image while it is decoded and converted, at most
BLOCK = 64  # images per task, as 180,000 tasks of one image would take much memory


def require_size(shape: Shape, advice: str = "") -> CheckSize:
    """A check that raises ValueError if an image has another size."""
    _, height, width = shape

    def check(size: tuple[int, int]) -> None:
        if size != (width, height):
            raise ValueError(f"is {size[0]}x{size[1]} (width x height), expected {width}x{height}{advice}")

    return check


def read_images(
    folder: Path,
    names: Sequence[str],
    shape: Shape,
    check_size: CheckSize,
    preprocess: Preprocess | None = None,
    preprocessing: str = "none",
    shown: str = "",
    conversion: Conversion = NO_CONVERSION,
    largest: int = 0,
) -> Tensor:
    """Decode image files, or read the array that an earlier call has cached.

    Args:
        folder: folder of the files.
        names: file names relative to `folder`. The images are in this order.
        shape: (C, H, W) of each image. C = 1 means gray, C = 3 means RGB.
        check_size: called with the size of each file before it is decoded.
        preprocess: function from a decoded image to an image of the right size; None if all have it.
        preprocessing: name of `preprocess`, for the key of the cache.
        shown: prefix of file names in messages.
        conversion: what is done about transparent pixels and those of more than 8 bits.
        largest: number of pixels of the largest file, if files may be larger than `shape`.

    Returns:
        Images, uint8, (N, C, H, W).

    Raises:
        DataError: a file is missing or unreadable, an image has the wrong size, or there is too little memory.
    """
    key = _key(folder, names, [shape, preprocessing, conversion.background, conversion.bit_depth], shown)
    prepared = cache_folder() / "prepared" / f"{key}.npy"
    cached = _read_cache(prepared, (len(names), *shape))
    if cached is None:
        require_memory(len(names) * math.prod(shape), f"{shown or folder}: an array of {len(names):,} images")

        def read(name: str) -> Pixels:
            image = decode_image(folder / name, f"{shown}{name}", shape[0] == 1, conversion, check_size)
            pixels = np.asarray(image if preprocess is None else preprocess(image), np.uint8)
            return pixels.reshape(*shape[1:], shape[0]).transpose(2, 0, 1)

        pixels = _decode(names, shape, read, max(largest, math.prod(shape[1:])))
        _write_cache(pixels, prepared)
        # The file is memory-mapped, so all processes of this machine share gigabytes of pixels.
        cached = _read_cache(prepared, pixels.shape)
        cached = pixels if cached is None else cached
    return torch.from_numpy(cached)


def _key(folder: Path, names: Sequence[str], parts: Sequence[object], shown: str) -> str:
    # The path is in the key, as two unpacked archives may agree in all names, sizes and times.
    key = hashlib.sha256(json.dumps([FORMAT, os.path.realpath(folder), *parts]).encode())
    for name in names:
        try:
            status = os.stat(folder / name)
        except OSError as error:
            raise DataError(f"cannot read {shown}{name}: {error.strerror}") from error
        require_regular(status, f"{shown}{name}")
        key.update(json.dumps([name, status.st_size, status.st_mtime_ns]).encode())
    return key.hexdigest()


def _read_cache(path: Path, shape: tuple[int, ...]) -> Pixels | None:
    """The cached array, or None if it is missing or broken."""
    if not path.is_file():
        return None
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


def _decode(names: Sequence[str], shape: Shape, read: Callable[[str], Pixels], largest: int) -> Pixels:
    pixels = np.empty((len(names), *shape), np.uint8)  # filled in place, as stacking would take another 2 GB for CelebA

    def block(start: int) -> None:
        for index in range(start, min(start + BLOCK, len(names))):
            pixels[index] = read(names[index])

    # Pillow releases the interpreter lock while it decodes.
    with ThreadPoolExecutor(_count_threads(largest)) as pool:
        for _ in pool.map(block, range(0, len(names), BLOCK)):
            pass
    return pixels


def _count_threads(largest: int) -> int:
    """As many threads as `ThreadPoolExecutor` starts, but fewer if so many large images do not fit in memory."""
    available = available_memory()
    threads = min(32, (os.cpu_count() or 1) + 4)
    return threads if available is None else max(1, min(threads, available // (DECODING * largest)))
