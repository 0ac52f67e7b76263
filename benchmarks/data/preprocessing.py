"""A description of how images are cropped and resized. This module does not import torch."""

from __future__ import annotations

from dataclasses import dataclass

Shape = tuple[int, int, int]  # (C, H, W)


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
