"""Images to compare, from a data set, a folder or a file of arrays; or moments from such a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.data import datasets
from benchmarks.data.array_files import ARRAY_SUFFIXES, array_to_images, is_array_file, read_arrays
from benchmarks.data.folders import describe_files, find_images, read_image_headers
from benchmarks.data.image_files import ImageHeader
from benchmarks.data.limits import require_memory
from benchmarks.data.paths import DataError
from benchmarks.data.preprocessing import Conversion, Shape, format_color
from benchmarks.data.readers import read_images, require_size
from benchmarks.data.split import Split
from benchmarks.evaluation import given_moments
from benchmarks.evaluation.metrics import Moments
from zoo.registry import did_you_mean

SPLIT_SUFFIXES = {"": "test", ":test": "test", ":train": "train"}
ARRAY_FILE = f"an {' or '.join(ARRAY_SUFFIXES)} file"
SHOWN_SIZES = 4  # in a message


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes:
        content: its images or their moments.
        notes: what was done to the images, one line each.
        resize: how images were resized; None if none was.
    """

    content: Split | Moments
    notes: tuple[str, ...] = ()
    resize: str | None = None


def is_dataset(text: str) -> bool:
    """Whether a text names a data set, or a split of one as NAME:train."""
    name, colon, split = text.partition(":")
    return name in datasets.DATASETS and colon + split in SPLIT_SUFFIXES


def find_input_error(text: str) -> str | None:
    """Why a text names no images: it is no data set, folder or file of arrays. None if it is one; nothing is read."""
    path = Path(text)
    if is_dataset(text) or path.is_dir() or (is_array_file(path) and path.is_file()):
        return None
    if not path.exists():
        problem = f"was not found{did_you_mean(text, datasets.DATASETS)}"
    else:
        problem = f"is not {ARRAY_FILE}" if path.is_file() else "is not a regular file"
    return (
        f"{text!r} {problem}. Name a data set ({', '.join(datasets.DATASETS)}; NAME:train is its training split), "
        f"a folder of images, or {ARRAY_FILE}"
    )


def load_images(text: str, root: Path | None, conversion: Conversion | None = None) -> Side:
    """Images of a split of a data set, of a folder or of a file of arrays; or moments from such a file.

    Args:
        text: which images.
        root: data root.
        conversion: how images of a user become opaque 8-bit images of one size; None means the default.

    Raises:
        ValueError: it is none of these, or cannot be read.
    """
    conversion = conversion or Conversion()
    if message := find_input_error(text):
        raise ValueError(message)
    path = Path(text)
    if is_dataset(text):
        name, colon, split = text.partition(":")
        side = Side(datasets.load_cached(name, root).split(SPLIT_SUFFIXES[colon + split]))
    elif path.is_dir():
        return read_image_folder(path, text, conversion)
    else:
        side = read_array_file(path, text, conversion)
    return _resize_side(side, text, conversion)


def load_pair(names: tuple[str, str], root: Path | None, conversion: Conversion, errors: list[str]) -> tuple[Side, ...]:
    """Both sides of a comparison, images of one shape; what is wrong with them is added to `errors`."""
    sides: list[Side] = []
    for name in names:
        try:
            sides.append(load_images(name, root, conversion))
        except ValueError as error:
            errors.append(str(error))
    images = [side.content for side in sides if isinstance(side.content, Split)]
    if len(images) < len(names):
        return tuple(sides)
    try:
        matched = match_shapes(names, images)
    except ValueError as error:
        errors.append(str(error))
        return tuple(sides)
    return tuple(Side(split, side.notes, side.resize) for split, side in zip(matched, sides, strict=True))


def image_shape(images: Split) -> Shape:
    """(C, H, W) of images."""
    c, h, w = images.images.shape[1:]
    return int(c), int(h), int(w)


def match_shapes(names: tuple[str, str], sets: Sequence[Split]) -> tuple[Split, Split]:
    """Two sets of images of one shape; RGB images with equal channels become gray if the other side is gray."""
    a, b = (image_shape(images) for images in sets)
    if a[1:] == b[1:] and a[0] != b[0]:
        sets = [_to_gray_if_equal(images) if images.images.shape[1] == 3 else images for images in sets]
        a, b = (image_shape(images) for images in sets)
    if a != b:
        reason = "--resize N resizes both to NxN" if a[1:] != b[1:] else "one side is gray and the other is not"
        raise ValueError(f"{names[0]} has images of {a}, {names[1]} of {b} (C, H, W): {reason}")
    return sets[0], sets[1]


def _to_gray_if_equal(images: Split) -> Split:
    """RGB images as gray ones if all their channels are equal."""
    rgb = images.images
    is_gray = torch.equal(rgb[:, 0], rgb[:, 1]) and torch.equal(rgb[:, 0], rgb[:, 2])
    return Split(rgb[:, :1].contiguous(), images.labels) if is_gray else images


def read_array_file(path: Path, shown: str, conversion: Conversion) -> Side:
    """A file of arrays: one of images, or moments `mu` (d,) and `sigma` (d, d) as pytorch-fid saves them.

    Raises:
        DataError: the file cannot be read, or holds neither.
    """
    arrays = read_arrays(path, shown)
    if {*arrays} == {*given_moments.NAMES}:
        return Side(given_moments.arrays_to_moments(arrays, shown))
    if len(arrays) != 1:
        names = ", ".join(ascii(name) for name in arrays)
        raise DataError(f"cannot take images from {shown}: it holds {len(arrays)} arrays ({names}), not one")
    (array,) = arrays.values()
    images = array_to_images(array, conversion, shown)
    notes = []
    if array.dtype.kind in "iu" and array.dtype != np.uint8:
        notes.append(f"{shown}: values were scaled to 8 bits by {conversion.to_eight_bits()}")
    had_alpha = 3 * array.size == 4 * images.numel()
    if had_alpha and conversion.background is not None:
        notes.append(_background_note(len(images), len(images), shown, conversion))
    return Side(Split(images), tuple(notes))


def read_image_folder(folder: Path, shown: str, conversion: Conversion) -> Side:
    """Images below a folder, of one size: (N, C, H, W) uint8; one channel if all are gray.

    Raises:
        DataError: there are none, one cannot be read, or they have several sizes and `conversion` does not resize them.
    """
    names = sorted(find_images(folder))
    if not names:
        raise DataError(f"{shown} holds no images: {describe_files(folder)}")
    prefix = f"{shown.rstrip('/')}/"
    headers = read_image_headers(folder, names, prefix)
    sizes = Counter(header.size for header in headers)
    is_gray = all(header.is_gray for header in headers)
    if is_gray and any(header.has_alpha for header in headers) and conversion.background is not None:
        is_gray = len({*conversion.background}) == 1
    if conversion.size is not None:
        width = height = conversion.size
    elif len(sizes) > 1:
        raise DataError(_sizes_error(shown, names, headers, sizes))
    else:
        ((width, height),) = sizes
    shape = (1 if is_gray else 3, height, width)
    is_resized = {*sizes} != {(width, height)}
    images = read_images(
        folder,
        names,
        shape,
        _accept_size if is_resized else require_size(shape),
        partial(_resize, size=width) if is_resized else None,
        conversion.resize or "none",
        prefix,
        conversion,
        largest=max(width * height for width, height in sizes),
    )
    notes = _folder_notes(shown, headers, conversion)
    if is_resized:
        notes.append(
            _resize_note(sum(size != (width, height) for size in sizes.elements()), len(names), shown, conversion)
        )
        if distorted := sum(a != b for a, b in sizes.elements()):
            notes.append(
                f"{distorted:,} of {len(names):,} images of {shown} were not square: --resize changed their shape"
            )
    return Side(Split(images), tuple(notes), conversion.resize if is_resized else None)


def _sizes_error(
    shown: str, names: Sequence[str], headers: Sequence[ImageHeader], sizes: Counter[tuple[int, int]]
) -> str:
    examples = {header.size: name for name, header in zip(reversed(names), reversed(headers), strict=True)}
    texts = [f"{w}x{h} ({n:,}, such as {examples[w, h]})" for (w, h), n in sizes.most_common(SHOWN_SIZES)]
    more = f" and {len(sizes) - SHOWN_SIZES:,} more" if len(sizes) > SHOWN_SIZES else ""
    return (
        f"{shown} has images of {len(sizes):,} sizes (width x height): {', '.join(texts)}{more}. "
        f"--resize N resizes all images to NxN (Pillow's antialiased bicubic filter)"
    )


def _folder_notes(shown: str, headers: Sequence[ImageHeader], conversion: Conversion) -> list[str]:
    """What was done to images of a folder while they were read."""
    total = len(headers)
    notes = []
    if rotated := sum(header.is_rotated for header in headers):
        notes.append(
            f"{rotated:,} of {total:,} images of {shown} were turned or flipped as their EXIF orientation says"
        )
    if animated := sum(header.is_animated for header in headers):
        notes.append(f"{animated:,} of {total:,} files of {shown} hold several images: the first was read")
    if deep := sum(header.is_deep for header in headers):
        notes.append(f"{deep:,} of {total:,} images of {shown} were scaled to 8 bits by {conversion.to_eight_bits()}")
    if (with_alpha := sum(header.has_alpha for header in headers)) and conversion.background is not None:
        notes.append(_background_note(with_alpha, total, shown, conversion))
    return notes


def _background_note(count: int, total: int, shown: str, conversion: Conversion) -> str:
    assert conversion.background is not None
    color = format_color(conversion.background)
    return f"{count:,} of {total:,} images of {shown} have an alpha channel, and were put on the color {color}"


def _resize_note(count: int, total: int, shown: str, conversion: Conversion) -> str:
    return f"{count:,} of {total:,} images of {shown} were resized to {conversion.resize}"


def _resize(image: Image.Image, size: int) -> Image.Image:
    return image if image.size == (size, size) else image.resize((size, size), Image.Resampling.BICUBIC)


def _accept_size(size: tuple[int, int]) -> None:
    """Accept images of all sizes."""


def _resize_side(side: Side, shown: str, conversion: Conversion) -> Side:
    """Images of an array or a data set, resized."""
    images = side.content
    if conversion.size is None or isinstance(images, Moments) or image_shape(images)[1:] == (conversion.size,) * 2:
        return side
    resized = Split(resize_images(images.images, conversion.size, shown), images.labels)
    notes = [_resize_note(len(images), len(images), shown, conversion)]
    if image_shape(images)[1] != image_shape(images)[2]:
        notes.append(f"the images of {shown} were not square: --resize changed their shape")
    return Side(resized, (*side.notes, *notes), conversion.resize)


def resize_images(images: Tensor, size: int, shown: str) -> Tensor:
    """Images (N, C, H, W) uint8 as (N, C, size, size), by Pillow's antialiased bicubic filter."""
    n, channels = images.shape[:2]
    require_memory(n * channels * size * size, f"{shown}: its images in the size {size}x{size}")
    out = np.empty((n, channels, size, size), np.uint8)
    for target, image in zip(out, images.numpy(), strict=True):
        for new, old in zip(target, image, strict=True):
            new[:] = np.asarray(_resize(Image.fromarray(old), size))
    return torch.from_numpy(out)
