"""Open and decode one image file. All image files of this project are opened by `open_image`.

The files may come from anywhere. So only the formats of `FORMATS` are decoded, only regular files are opened, and the
size is checked before memory is allocated.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from benchmarks.data.array_files import composite, scale_to_eight_bits, transparency_error
from benchmarks.data.limits import open_regular
from benchmarks.data.paths import DataError
from benchmarks.data.preprocessing import Conversion
from benchmarks.data.split import Pixels

# Formats of Pillow, and the file name extensions that are looked for.  A file's content says which format it has.
FORMATS = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "PPM": (".ppm", ".pgm"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
EXTENSIONS = frozenset(extension for extensions in FORMATS.values() for extension in extensions)
MAX_PIXELS = 8192 * 8192  # of one image

EIGHT_BIT = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"})
DEEP_RAW_MODE = re.compile(r";16[BLN]")  # of files whose values Pillow cuts to 8 bits; not "BGR;16", 16 bits per pixel

# What Pillow raises for broken files.
BROKEN = (
    OSError, ValueError, SyntaxError, EOFError, ArithmeticError, LookupError, TypeError, AttributeError, AssertionError,
    RuntimeError, MemoryError, struct.error, zlib.error,
)  # fmt: skip
Transpose = Image.Transpose
ORIENTATIONS = {
    2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM, 5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270, 7: Transpose.TRANSVERSE, 8: Transpose.ROTATE_90,
}  # fmt: skip
ORIENTATION_TAG = 0x0112  # of EXIF
MAX_EXIF = 1 << 16  # bytes

# Images with more than MAX_PIXELS are errors here; Pillow warns about larger ones only.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)


@dataclass(frozen=True)
class ImageHeader:
    """What the header of an image file says.

    Attributes:
        size: width and height, after the orientation is applied.
        is_gray: whether it has one channel.
        has_alpha: whether pixels may be transparent.
        is_deep: whether it has more than 8 bits per channel.
        is_rotated: whether the orientation in its EXIF data is not the default.
        is_animated: whether it holds more than one image. The first is read.
    """

    size: tuple[int, int]
    is_gray: bool
    has_alpha: bool
    is_deep: bool
    is_rotated: bool
    is_animated: bool


@contextlib.contextmanager
def _explain(shown: str) -> Iterator[None]:
    """Turn what Pillow raises into a DataError that names the file. Only calls of Pillow stand in its body."""
    try:
        yield
    except DataError:
        raise
    except UnidentifiedImageError as error:  # its message contains the address of an object
        raise DataError(f"cannot read {shown}: it is not an image in {', '.join(FORMATS)} format") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"cannot read {shown}: it has more than {MAX_PIXELS:,} pixels") from error
    except BROKEN as error:
        reason = "out of memory" if isinstance(error, MemoryError) else str(error) or type(error).__name__
        raise DataError(f"cannot read {shown}: {reason}") from error


@contextlib.contextmanager
def open_image(source: Path | BinaryIO, shown: str = "") -> Iterator[Image.Image]:
    """Open an image file; nothing is decoded until its pixels are used.

    Args:
        source: the file, or an open one.
        shown: its name in messages.

    Raises:
        DataError: it is no regular file, has another format or too many pixels, or is broken.
    """
    shown = shown or str(source)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(open_regular(source, shown)) if isinstance(source, Path) else source
        with _explain(shown):
            image = stack.enter_context(Image.open(file, formats=[*FORMATS]))
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise DataError(f"cannot read {shown}: it has more than {MAX_PIXELS:,} pixels ({width:,} x {height:,})")
        yield image


def read_header(path: Path, shown: str) -> ImageHeader:
    """Read the header of an image file, without decoding its pixels.

    Raises:
        DataError: as `open_image`.
    """
    with open_image(path, shown) as image, _explain(shown):
        return _header(image)


def read_pixels(source: Path | BinaryIO, shown: str = "", mode: str | None = None) -> Pixels:
    """Decode an image file of our own, (H, W) or (H, W, C).

    Args:
        source: the file, or an open one.
        shown: its name in messages.
        mode: a mode of Pillow, such as RGB; None means the file's own.

    Raises:
        DataError: as `open_image`.
    """
    with open_image(source, shown) as image, _explain(shown or str(source)):
        image.load()
        return np.asarray(image if mode is None else image.convert(mode))


def decode_image(
    path: Path, shown: str, is_gray: bool, conversion: Conversion, check_size: Callable[[tuple[int, int]], None]
) -> Image.Image:
    """Decode an image file to 8 bits per channel, opaque, in the orientation that its EXIF data say.

    Args:
        path: the file.
        shown: its name in messages.
        is_gray: whether the result has mode L; otherwise it has mode RGB.
        conversion: what is done about deep and transparent pixels.
        check_size: called with width and height before memory is allocated; its ValueError continues the sentence
            "FILE ...".

    Raises:
        DataError: the file cannot be read, or holds what `conversion` does not allow.
    """
    with open_image(path, shown) as image:
        with _explain(shown):
            header = _header(image)
            # Pillow itself turns TIFF images while it decodes them.
            turn = ORIENTATIONS.get(_orientation(image)) if image.format != "TIFF" else None
        try:
            check_size(header.size)
        except ValueError as error:
            raise DataError(f"{shown} {error}") from error
        opaque = _decode_deep(image, path, shown, conversion) if header.is_deep else image
        with _explain(shown):
            opaque.load()
        if opaque.has_transparency_data:
            opaque = _make_opaque(opaque, shown, conversion)
        with _explain(shown):
            opaque = opaque.convert("L" if is_gray else "RGB")
            return opaque if turn is None else opaque.transpose(turn)


def _header(image: Image.Image) -> ImageHeader:
    is_deep = _is_deep(image)
    orientation = _orientation(image)
    size = image.size
    if orientation >= 5 and image.format != "TIFF":  # quarter turns; Pillow has swapped the sides of a TIFF image
        size = size[::-1]
    return ImageHeader(
        size=size,
        is_gray=image.mode in ("1", "L") or image.mode[0] in "IF",
        has_alpha=image.has_transparency_data,
        is_deep=is_deep,
        is_rotated=orientation != 1,
        is_animated=bool(getattr(image, "is_animated", False)),
    )


def _is_deep(image: Image.Image) -> bool:
    """Whether the file has more than 8 bits per channel. Pillow cuts those of color images to 8 bits."""
    if image.mode not in EIGHT_BIT:
        return True
    if image.format == "TIFF":
        bits = getattr(image, "tag_v2", {}).get(258, (8,))  # BitsPerSample
        return any(isinstance(depth, int) and depth > 8 for depth in (bits if isinstance(bits, tuple) else (bits,)))
    for tile in getattr(image, "tile", ()):
        largest = tile[3][-1] if image.format == "PPM" and isinstance(tile[3], tuple) else 0
        if DEEP_RAW_MODE.search(_raw_mode(tile)) or (isinstance(largest, int) and largest > 255):
            return True
    return False


def _orientation(image: Image.Image) -> int:
    """The orientation in the EXIF data, 1 to 8. Broken EXIF data count as none, as in other programs."""
    try:
        if image.format == "PNG" and "exif" not in image.info:
            _read_late_exif(image)
        # The method of the base class, because that of PNG decodes all pixels to find EXIF data behind them.
        orientation = Image.Image.getexif(image).get(ORIENTATION_TAG, 1)
    except BROKEN:
        return 1
    return orientation if isinstance(orientation, int) and orientation in ORIENTATIONS else 1


def _read_late_exif(image: Image.Image) -> None:
    """Find the EXIF data of a PNG file that stand behind its pixels, where exiftool writes them."""
    file: BinaryIO = image.fp  # type: ignore[attr-defined]
    position = file.tell()
    file.seek(8)
    while len(start := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", start)
        if kind == b"eXIf":
            image.info["exif"] = b"Exif\0\0" + file.read(min(length, MAX_EXIF))
            break
        file.seek(length + 4, os.SEEK_CUR)
    file.seek(position)


def _decode_deep(image: Image.Image, path: Path, shown: str, conversion: Conversion) -> Image.Image:
    """Decode an image of more than 8 bits per channel, and scale it to 8."""
    if image.mode == "F":
        floats = "with floats in [0, 1] give them as one array, a .npy or .npz file"
        raise DataError(
            f"{shown} has floats as pixels, expected 8 bits per channel. Their range is not known. "
            + conversion.advice(f"For images {floats}", "Convert the images to 8 bits per channel")
        )
    if conversion.bit_depth is None:
        convert = "Convert the images to 8 bits per channel: round(value / 257)"
        raise DataError(
            f"{shown} has more than 8 bits per channel (mode {image.mode}). "
            + conversion.advice("--bit-depth 16 divides the values by 257, and --bit-depth 12 by 4095 / 255", convert)
        )
    if image.format == "PPM" and image.mode in EIGHT_BIT:
        return image  # Pillow divides by the largest value, which the file names
    if "transparency" in image.info:
        raise DataError(f"{shown} has 16 bits per channel and a transparent color, which cannot be read")
    with _explain(shown):
        image.load()  # otherwise numpy hides some errors, and makes an array of an object
        values = np.asarray(image) if image.mode not in EIGHT_BIT else _decode_deep_colors(image, path, shown)
    depth = 16 if image.format == "PPM" else conversion.bit_depth  # Pillow scales PPM values to 16 bits
    return Image.fromarray(scale_to_eight_bits(values, depth, shown))


def _decode_deep_colors(image: Image.Image, path: Path, shown: str) -> NDArray[np.uint16]:
    """Decode 16 bits per channel, (H, W, C).

    Pillow keeps the high byte of each value, or the low byte if it is told the other byte order. So it decodes twice.
    """
    other_order = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
    with open_image(path, shown) as again:
        for index, tile in enumerate(again.tile):  # type: ignore[attr-defined]
            raw_mode = _raw_mode(tile)
            if not re.fullmatch(r"RGBA?;16[BLN]", raw_mode):
                raise DataError(f"cannot read {shown}: its 16-bit channels are stored as {raw_mode}. Save it as RGB")
            swapped = raw_mode[:-1] + other_order[raw_mode[-1]]
            arguments = (swapped, *tile[3][1:]) if isinstance(tile[3], tuple) else swapped
            parts = (*tile[:3], arguments)
            again.tile[index] = type(tile)(*parts) if hasattr(tile, "args") else parts  # type: ignore[attr-defined]
        again.load()
        high, low = np.asarray(image), np.asarray(again)
    values: NDArray[np.uint16] = 256 * high.astype(np.uint16) + low
    return values


def _raw_mode(tile: Any) -> str:
    """How the pixels of a part of a file are stored, such as RGB;16B."""
    return str(tile[3][0] if isinstance(tile[3], tuple) else tile[3])


def _make_opaque(image: Image.Image, shown: str, conversion: Conversion) -> Image.Image:
    """An image without its alpha channel."""
    with _explain(shown):
        rgba = image.convert("LA" if image.mode == "La" else "RGBA").convert("RGBA")
        lowest = rgba.getchannel("A").getextrema()[0]
    if lowest == 255:
        return rgba.convert("RGB")
    if conversion.background is None:
        raise DataError(transparency_error(shown, conversion))
    return Image.fromarray(composite(np.asarray(rgba), conversion.background))
