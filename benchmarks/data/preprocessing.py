"""How an image file becomes an image of a data set's size, as a value.  It imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

Shape = tuple[int, int, int]  # (C, H, W)


@dataclass(frozen=True)
class Preprocessing:
    """How an image file becomes an image of the data set's size.

    Attributes:
        crop: side of a square cut from the centre, in pixels; None: no crop.
        resize: a key of `FILTERS`; None: no resize.
    """

    crop: int | None = None
    resize: str | None = None

    def __str__(self) -> str:
        crop = "" if self.crop is None else f"{self.crop}x{self.crop} centre crop"
        return ", ".join(part for part in (crop, self.resize) if part) or "none"


NO_PREPROCESSING = Preprocessing()

CELEBA = Preprocessing(160, "64x64 antialiased bilinear")  # App. B; the filter: ours
