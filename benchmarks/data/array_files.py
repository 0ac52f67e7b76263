"""Read .npy and .npz files, and take images from their arrays.

The files may come from anywhere. Sizes are read from headers and checked before memory is allocated. Nothing in a file
is executed: arrays of objects are refused.
"""

from __future__ import annotations

import lzma
import math
import os
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.data.limits import open_regular, require_memory
from benchmarks.data.paths import DataError
from benchmarks.data.preprocessing import LAYOUTS, Color, Conversion
from benchmarks.data.split import Pixels

Array = NDArray[Any]
ARRAY_SUFFIXES = (".npy", ".npz")
MAGIC = b"\x93NUMPY"  # start of an .npy file
MAX_ARRAYS = 8  # of a file
ENCRYPTED = 1  # flag of a member of a zip file
NUMBERS = "uif"  # kinds of data types that are read: whole numbers and floats
BLOCK = 256  # images that are converted at a time
CHANNELS = (1, 3, 4)  # gray, RGB, RGBA

# What numpy, zipfile and the decompressors raise for broken files.
BROKEN = (
    OSError, ValueError, EOFError, SyntaxError, TypeError, LookupError, ArithmeticError, RuntimeError,
    tokenize.TokenError, zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip


def is_array_file(path: Path) -> bool:
    """Whether a file is one of arrays, by its name."""
    return path.suffix.lower() in ARRAY_SUFFIXES


@contextmanager
def _explain(shown: str) -> Iterator[None]:
    """Turn what the libraries raise into a DataError that names the file. Only their calls stand in its body."""
    try:
        yield
    except DataError:
        raise
    except MemoryError as error:
        raise DataError(f"cannot read {shown}: out of memory") from error
    except BROKEN as error:
        raise DataError(f"cannot read {shown}: {error or type(error).__name__}") from error


def read_arrays(path: Path, shown: str) -> dict[str, Array]:
    """The arrays of an .npz file by name, or that of an .npy file, by the name "".

    Args:
        path: the file.
        shown: its name in messages.

    Raises:
        DataError: it is no such file, is broken, has more than `MAX_ARRAYS` arrays, has values that are not
            numbers, or does not fit in memory.
    """
    with open_regular(path, shown) as file:
        start = file.read(len(MAGIC))
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if start == MAGIC:
            require_memory(_read_header(file, size, shown), shown)
            file.seek(0)
            return {"": _read_array(file, shown)}
        if not start.startswith(b"PK"):
            raise DataError(f"cannot read {shown}: it is neither an .npy nor an .npz file")
        with _explain(shown), zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > MAX_ARRAYS:
                raise DataError(f"cannot read {shown}: it holds {len(members):,} arrays, at most {MAX_ARRAYS} are read")
            if any(member.flag_bits & ENCRYPTED for member in members):
                raise DataError(f"cannot read {shown}: it is encrypted")
            sizes = []
            for member in members:
                with archive.open(member) as stream:
                    sizes.append(_read_header(stream, member.file_size, shown))
            require_memory(sum(sizes), shown)
            arrays = {}
            for member in members:
                with archive.open(member) as stream:
                    arrays[member.filename.removesuffix(".npy")] = _read_array(stream, shown)
                    stream.read(1)  # at the end of the member its checksum is compared
            return arrays


def _read_header(file: IO[bytes], size: int, shown: str) -> int:
    """The bytes of the array in an .npy file of `size` bytes, which its header says."""
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    start = file.read(len(MAGIC) + 2)
    version = tuple(start[len(MAGIC) :])
    if not start.startswith(MAGIC) or version not in readers:
        raise DataError(f"cannot read {shown}: it does not hold an array in version 1 or 2 of the .npy format")
    try:
        shape, _, dtype = readers[version](file)
    except (ValueError, EOFError, SyntaxError, TypeError, LookupError, RecursionError, tokenize.TokenError) as error:
        # Without the message of numpy, which repeats the header.
        raise DataError(f"cannot read {shown}: the header of its array is broken") from error
    if dtype.kind not in NUMBERS:
        raise DataError(f"cannot read {shown}: it holds {_type_name(dtype)}, expected whole numbers or floats")
    needed, held = math.prod(shape) * dtype.itemsize, size - file.tell()
    if needed != held or any(length < 0 for length in shape):
        raise DataError(
            f"cannot read {shown}: the header of its array says {_short(f'{needed:,}')} bytes of data, shape "
            f"{_short(str(shape))}, but there are {held:,} bytes"
        )
    return needed


def _type_name(dtype: np.dtype[Any]) -> str:
    names = {
        "c": "complex numbers",
        "O": "Python objects",
        "b": "truth values",
        "V": "records",
        "U": "text",
        "S": "text",
    }
    return names.get(dtype.kind, str(dtype))


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:60] + "…"


def _read_array(file: IO[bytes], shown: str) -> Array:
    with _explain(shown):
        array: Array = np.lib.format.read_array(file, allow_pickle=False)
        return array


def array_to_images(array: Array, conversion: Conversion, shown: str = "the array") -> Tensor:
    """An array of images as (N, C, H, W) uint8.

    Args:
        array: (N, H, W), (N, H, W, C) or (N, C, H, W) with C of 1, 3 or 4; uint8, or floats in [0, 1], which become
            round(255 x), or deeper whole numbers, which `conversion` scales.
        conversion: what is done about transparent pixels, deeper values and an ambiguous order of dimensions.
        shown: the array's name in messages.

    Raises:
        DataError: these are no such images.
    """
    layout = _find_layout(array.shape, conversion, shown)
    images = array[:, None] if layout == "NHW" else np.moveaxis(array, 3, 1) if layout == "NHWC" else array
    if 0 in images.shape:
        raise DataError(f"{shown} holds no images: its shape is {array.shape}")
    has_alpha = images.shape[1] == 4
    if images.dtype == np.uint8 and images.flags.c_contiguous and images.flags.writeable and not has_alpha:
        return torch.from_numpy(images)
    shape = (len(images), 3 if has_alpha else images.shape[1], *images.shape[2:])
    require_memory(math.prod(shape), f"{shown}: a copy of its images as 8-bit values")
    out = np.empty(shape, np.uint8)
    for start in range(0, len(images), BLOCK):
        block = _to_eight_bits(images[start : start + BLOCK], conversion, shown)
        out[start : start + BLOCK] = _make_opaque(block, conversion, shown) if has_alpha else block
    return torch.from_numpy(out)


def _find_layout(shape: tuple[int, ...], conversion: Conversion, shown: str) -> str:
    """The order of an array's dimensions, from its shape or from the option."""
    fits = []
    if len(shape) == 3:
        fits = ["NHW"]
    elif len(shape) == 4:
        fits = [name for name in ("NCHW", "NHWC") if shape[name.index("C")] in CHANNELS]
    if conversion.layout is not None:
        if conversion.layout not in fits:
            raise DataError(f"{shown} has the shape {_short(str(shape))}, which is not {conversion.layout} (--layout)")
        return conversion.layout
    if not fits:
        raise DataError(
            f"{shown} has the shape {_short(str(shape))}. Images are (N, H, W), (N, H, W, C) or (N, C, H, W) with C of "
            f"{', '.join(map(str, CHANNELS))}"
        )
    if len(fits) == 1 and not (len(shape) == 3 and shape[2] in CHANNELS):
        return fits[0]
    if len(shape) == 3:
        raise DataError(
            f"{shown} has the shape {shape}: {shape[0]:,} gray images of width {shape[2]}, or one color image? "
            f"--layout NHW says the former; a single image needs another dimension in front"
        )
    options = " or ".join(f"--layout {name} ({LAYOUTS[name]})" for name in fits)
    raise DataError(
        f"{shown} has the shape {shape}, whose channels may be its second or last dimension: give {options}"
    )


def _to_eight_bits(images: Array, conversion: Conversion, shown: str) -> Pixels:
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind == "f":
        low, high = images.min(), images.max()
        if not (low >= 0 and high <= 1):  # false of NaN
            raise DataError(f"{shown} has floats from {low:.4g} to {high:.4g}. They must be finite and in [0, 1]")
        rounded: Pixels = np.rint(255 * images).astype(np.uint8)
        return rounded
    if conversion.bit_depth is None:
        advice = "--bit-depth 16 divides by 257" if images.dtype == np.uint16 else "Convert values of 0 to 255 to uint8"
        raise DataError(f"{shown} has values of type {images.dtype}, expected uint8 or floats in [0, 1]. {advice}")
    return scale_to_eight_bits(images, conversion.bit_depth, shown)


def _make_opaque(images: Pixels, conversion: Conversion, shown: str) -> Pixels:
    """RGBA images (N, 4, H, W) as RGB images."""
    if images[:, 3].min() == 255:
        return images[:, :3]
    if conversion.background is None:
        raise DataError(transparency_error(shown, conversion))
    opaque: Pixels = np.moveaxis(composite(np.moveaxis(images, 1, 3), conversion.background), 3, 1)
    return opaque


def scale_to_eight_bits(values: NDArray[Any], bit_depth: int, shown: str) -> Pixels:
    """Scale whole numbers of `bit_depth` bits to 8 bits: round(255 value / (2^bit_depth - 1)), ties away from 0.

    Raises:
        DataError: a value is out of range.
    """
    largest = 2**bit_depth - 1
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    if low < 0 or high > largest:
        found = f"values from {low:,} to {high:,}"
        raise DataError(f"{shown} has {found}, expected 0 to {largest:,} of --bit-depth {bit_depth}")
    scaled: Pixels = ((values.astype(np.uint32) * 510 + largest) // (2 * largest)).astype(np.uint8)
    return scaled


def transparency_error(shown: str, conversion: Conversion) -> str:
    """The message about transparent pixels without a background."""
    return f"{shown} has transparent pixels. " + conversion.advice(
        "--background COLOR puts all images on a color, such as --background white",
        "Put the images on a background, and save them without transparency",
    )


def composite(rgba: Pixels, background: Color) -> Pixels:
    """Put images (..., 4) on a background: (alpha color + (255 - alpha) background) / 255, rounded, (..., 3)."""
    alpha = rgba[..., 3:].astype(np.uint32)
    mixed = alpha * rgba[..., :3] + (255 - alpha) * np.asarray(background, np.uint32)
    opaque: Pixels = ((mixed + 127) // 255).astype(np.uint8)
    return opaque
