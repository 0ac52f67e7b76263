"""Descriptions of how images are read, cropped and resized. This module does not import torch."""

from __future__ import annotations

from dataclasses import dataclass

Shape = tuple[int, int, int]  # (C, H, W)
Color = tuple[int, int, int]  # red, green, blue; 0 to 255


@dataclass(frozen=True)
class Preprocessing:
    """How an image file is cropped and resized to the size of the data set.

    Attributes:
        crop: side of the central square crop, in pixels; None means no crop.
        resize: a key of `FILTERS`; None means no resizing.
    """

    crop: int | None = None
    resize: str | None = None

    def __str__(self) -> str:
        crop = "" if self.crop is None else f"{self.crop}x{self.crop} centre crop"
        return ", ".join(part for part in (crop, self.resize) if part) or "none"


NO_PREPROCESSING = Preprocessing()

CELEBA = Preprocessing(160, "64x64 antialiased bilinear")  # Appendix B; the filter is our choice


@dataclass(frozen=True)
class Conversion:
    """How images of a user become opaque images of 8 bits and of one size.

    Attributes:
        background: color below transparent pixels; None means that such pixels are an error.
        bit_depth: bits of a deeper value, which becomes round(255 value / (2^bits - 1)); None means that such values
            are an error.
        size: height and width that all images are resized to; None means that all must have one size.
        layout: order of an array's dimensions, a key of `LAYOUTS`; None means that it is told from the shape.
        has_options: whether the command has options for these, so that messages may name them.
    """

    background: Color | None = None
    bit_depth: int | None = None
    size: int | None = None
    layout: str | None = None
    has_options: bool = True

    @property
    def resize(self) -> str | None:
        """The name of the resizing, as metric protocols store it."""
        return None if self.size is None else f"{self.size}x{self.size} antialiased bicubic"

    def to_eight_bits(self) -> str:
        """How deeper values become 8-bit values, for notes."""
        assert self.bit_depth is not None
        divisor, rest = divmod(2**self.bit_depth - 1, 255)
        return f"round(value / {divisor})" if rest == 0 else f"round(255 value / {2**self.bit_depth - 1:,})"

    def advice(self, option: str, otherwise: str) -> str:
        """What to do: the option if the command has it, otherwise what to do with the files."""
        return option if self.has_options else otherwise


NO_CONVERSION = Conversion(has_options=False)  # of data sets and of folders to train on
LAYOUTS = {"NHW": "gray images", "NHWC": "channels last", "NCHW": "channels first"}


def format_color(color: Color) -> str:
    """A color as #rrggbb."""
    return "#" + "".join(f"{value:02x}" for value in color)
