"""CelebA's aligned faces, split by the published partition, cropped and resized."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.data.limits import open_regular
from benchmarks.data.paths import DataError, data_root, find_file, hint, missing, shown_path
from benchmarks.data.preprocessing import CELEBA, Preprocessing
from benchmarks.data.readers import read_images
from benchmarks.data.split import Split


def read_celeba(get: str, root: Path | None, preprocessing: Preprocessing = CELEBA) -> tuple[Split, Split]:
    """Read CelebA's aligned faces in torchvision's layout, in the order of file names.

    Departs: the paper crops to 160 and resizes to 64 (B), but names no filter. Here it is antialiased bilinear.
    To switch: the command `sensitivity` scores against reference images that are cropped and resized in other ways.
    """
    images = "celeba/img_align_celeba"
    names: dict[str, list[str]] = {"0": [], "1": [], "2": []}  # train, validation, test
    partition = find_file(data_root(root), "celeba/list_eval_partition.txt")
    if partition is None:
        raise DataError(missing(root, "celeba/list_eval_partition.txt", get))
    listing = shown_path(root, "celeba/list_eval_partition.txt")
    try:
        with open_regular(partition, listing) as file:
            lines = file.read().decode("ascii").splitlines()
    except (OSError, UnicodeError) as error:
        raise DataError(f"cannot read {listing}: {error}. {hint(root, get)}") from error
    for line_number, line in enumerate(lines, 1):
        fields = line.split()
        if len(fields) != 2 or fields[1] not in names or "/" in fields[0]:
            expected_line = "NAME.jpg and 0, 1 or 2"
            raise DataError(f"{listing}, line {line_number}: expected {expected_line}, got {line!r}. {hint(root, get)}")
        names[fields[1]].append(fields[0])
    expected = sorted(names["0"] + names["2"])
    if not names["0"] or not names["2"]:
        raise DataError(
            f"{listing} lists {len(names['0'])} training and {len(names['2'])} test images. {hint(root, get)}"
        )
    folder, preprocess = data_root(root) / images, partial(crop_celeba, preprocessing=preprocessing)
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    absent = [name for name in expected if name not in present]
    if absent:
        raise DataError(
            f"{len(absent):,} of {len(expected):,} listed images are missing; first: {folder.absolute()}/{absent[0]}. "
            + hint(root, get)
        )
    try:
        train, test = (
            Split(
                read_images(
                    folder,
                    sorted(names[number]),
                    (3, 64, 64),
                    require_celeba_size,
                    preprocess,
                    str(preprocessing),
                    f"{folder.absolute()}/",
                )
            )
            for number in ("0", "2")
        )
    except DataError as error:
        raise DataError(f"{error}. {hint(root, get)}") from error
    return train, test


def require_celeba_size(size: tuple[int, int]) -> None:
    """Raise ValueError unless this is the width and height of aligned faces."""
    if size != (178, 218):
        raise ValueError(f"is {size[0]}x{size[1]} (width x height), but CelebA's aligned images are 178x218")


def crop_celeba(image: Image.Image, preprocessing: Preprocessing = CELEBA) -> Image.Image:
    """Crop a square from the center and resize it to 64x64 (Appendix B)."""
    side = preprocessing.crop or min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return FILTERS[preprocessing.resize](image.crop((left, top, left + side, top + side)))


def _plain_bilinear(image: Image.Image) -> Image.Image:
    """Resize without antialiasing, the default of TensorFlow and torch. Pillow always antialiases."""
    pixels = torch.from_numpy(np.asarray(image, np.float32)).permute(2, 0, 1)[None]
    small = torch.nn.functional.interpolate(pixels, (64, 64), mode="bilinear", align_corners=False)
    return Image.fromarray(small[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy())


FILTERS: dict[str | None, Callable[[Image.Image], Image.Image]] = {
    "64x64 antialiased bilinear": lambda image: image.resize((64, 64), Image.Resampling.BILINEAR),
    "64x64 antialiased bicubic": lambda image: image.resize((64, 64), Image.Resampling.BICUBIC),
    "64x64 plain bilinear": _plain_bilinear,
}
