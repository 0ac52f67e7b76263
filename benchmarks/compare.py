"""`run evaluate`: the metrics on anybody's images, a folder, an array or a data set on either side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks import codecs, datasets
from benchmarks.features import Extractor, extractor
from benchmarks.images import DataError, Part, Shape, exactly, find_images, read_images
from benchmarks.metrics import FD, METRICS, Moments, frechet
from benchmarks.reals import Features, kept
from benchmarks.trial import loaded

SPLITS = {"": "test", ":test": "test", ":train": "train"}


@dataclass(frozen=True)
class Comparison:
    """What was compared, and how.

    Attributes:
        n: images of the real and of the fake kind.
        extractor: of features.
        values: metric -> value; the Fréchet distance is named after the features.
    """

    n: tuple[int, int]
    extractor: Extractor
    values: dict[str, float]


def compare(
    real: str,
    fake: str,
    features: str,
    root: Path | None,
    device: torch.device,
    *,
    metrics: Sequence[str] = tuple(METRICS),
    images: int | None = None,
    allow_few: bool = False,
) -> Comparison:
    """Measure one set of images against another.

    Images of both sides are cut to one number, those with the smallest digests, so no metric sees more of one.
    A side may also be an .npz file of moments as pytorch-fid saves them (`mu`, `sigma`): then the Fréchet
    distance alone can be had.

    Args:
        real: a data set's name (its test part; NAME:train for the other), a folder of images, or an .npz file.
        fake: likewise; generated images.
        features: as `--features` takes it; "classifier" needs a data set, or classifier:NAME.
        root: data root.
        device: where features are computed.
        metrics: keys of `METRICS`.
        images: of each kind, at most; None: all that both have.
        allow_few: accept no more images than features, where a Fréchet distance is biased.

    Raises:
        ValueError: sources that cannot be read, images of two shapes, or too few for the features.
    """
    unknown = [repr(name) for name in metrics if name not in METRICS]
    if unknown:
        raise ValueError(f"unknown metric {', '.join(unknown)}. Known: {', '.join(METRICS)} (benchmarks/metrics.py)")
    sides = [source(real, root), source(fake, root)]
    parts = [side for side in sides if isinstance(side, Part)]
    shapes: list[Shape] = [(int(c), int(h), int(w)) for c, h, w in (part.images.shape[1:] for part in parts)]
    if len(set(shapes)) == 2:
        raise ValueError(f"{real} has images of {shapes[0]}, {fake} of {shapes[1]} (C, H, W): resize one of them")
    if len(parts) < 2:
        return _of_moments(real, fake, sides, features, device, metrics, images, allow_few)
    n = min(len(part) for part in parts) if images is None else min(images, *map(len, parts))
    row = next((s.partition(":")[0] for s in (real, fake) if _row(s)), "images that are no data set")
    found = extractor(features, row, shapes[0], device)
    a, b = (_features(part, n, found, allow_few) for part in parts)
    values: dict[str, float] = {}
    for metric in metrics:
        values |= METRICS[metric].call(a, b)[0]
    return Comparison((n, n), found, {found.metric if name == FD else name: v for name, v in values.items()})


def _features(part: Part, n: int, found: Extractor, allow_few: bool) -> Features:
    """From the cache of real images: a set of images that was seen before costs nothing."""
    part = part.canonical(n)
    what = {"part": part.fingerprint, "n": n, "reals": codecs.RAW, "input": next(iter(found.inputs))}
    return kept(what, found, lambda: found(part.images), allow_few)


def _of_moments(
    real: str,
    fake: str,
    sides: list[Part | Moments],
    features: str,
    device: torch.device,
    metrics: Sequence[str],
    images: int | None,
    allow_few: bool,
) -> Comparison:
    """The Fréchet distance where one side, or both, are known by their moments."""
    more = [name for name in metrics if name != FD]
    if more and tuple(metrics) != tuple(METRICS):  # all of them is the default, not a wish
        raise ValueError(f"{', '.join(more)} cannot be had from moments: they need images on both sides")
    part = next((side for side in sides if isinstance(side, Part)), None)
    c, h, w = (3, 299, 299) if part is None else (int(i) for i in part.images.shape[1:])
    row = next((s.partition(":")[0] for s in (real, fake) if _row(s)), "moments")
    found = extractor(features, row, (c, h, w), device)
    known = []
    for name, side in zip((real, fake), sides, strict=True):
        if isinstance(side, Part):
            known.append(_features(side, min(len(side), images or len(side)), found, allow_few).moments)
        elif len(side.mean) != found.dims:
            raise ValueError(f"{name} holds moments of {len(side.mean)} features, {found.name} has {found.dims}")
        else:
            known.append(side)
    a, b = known
    value, _ = frechet(a.mean, a.cov, b.mean, b.cov)
    return Comparison((a.n, b.n), found, {found.metric: value})


def _row(text: str) -> bool:
    name, colon, split = text.partition(":")
    return name in datasets.DATASETS and colon + split in SPLITS


def source(text: str, root: Path | None) -> Part | Moments:
    """Images of a part of a data set, a folder or an .npz file; or moments from such a file.

    Raises:
        ValueError: it is none of these, or cannot be read.
    """
    if _row(text):
        name, colon, split = text.partition(":")
        return loaded(name, root).part(SPLITS[colon + split])
    path = Path(text)
    if path.suffix == ".npz" and path.is_file():
        return from_array(path)
    if path.is_dir():
        return Part(from_folder(path))
    raise ValueError(
        f"{text!r} is neither a data set ({', '.join(datasets.DATASETS)}, each also with :train), a folder nor an "
        f".npz file"
    )


def from_folder(folder: Path) -> Tensor:
    """Images below a folder, all of the first one's size: (N, C, H, W) uint8, gray ones with one channel."""
    names = sorted(find_images(folder))
    if not names:
        raise DataError(f"{folder} holds no images")
    with Image.open(folder / names[0]) as first:
        shape = (1 if first.mode in ("1", "L") else 3, first.height, first.width)
    return read_images(folder, names, shape, exactly(shape), "none")


def from_array(path: Path) -> Part | Moments:
    """An .npz file: one array of images, or moments `mu` (d,) and `sigma` (d, d) as pytorch-fid saves them.

    Images are (N, H, W), (N, H, W, C) or (N, C, H, W), uint8, or floats in [0, 1], which become round(255 x).
    Nothing in the file is executed: arrays of objects are refused.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            if {*file.files} == {"mu", "sigma"}:
                mean, cov = file["mu"].astype(np.float64), file["sigma"].astype(np.float64)
                if mean.ndim != 1 or cov.shape != (len(mean), len(mean)):
                    raise ValueError(f"mu is {mean.shape} and sigma {cov.shape}, not (d,) and (d, d)")
                return Moments(mean, cov, 0)
            if len(file.files) != 1:
                raise ValueError(f"it holds {len(file.files)} arrays ({', '.join(file.files)}), not one")
            array: Any = file[file.files[0]]
        return Part(to_images(array))
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"cannot take images from {path.name}: {error}") from error


def to_images(array: Any) -> Tensor:
    """An array of images as (N, C, H, W) uint8."""
    if array.ndim == 3:
        array = array[:, None]
    if array.ndim != 4 or not ({1, 3} & {array.shape[1], array.shape[3]}):
        raise ValueError(f"images are (N, H, W), (N, H, W, C) or (N, C, H, W) with C of 1 or 3, not {array.shape}")
    if array.shape[1] not in (1, 3):
        array = np.moveaxis(array, 3, 1)
    if np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
            raise ValueError("floats must be finite and in [0, 1]")
        array = np.rint(255 * array).astype(np.uint8)
    if array.dtype != np.uint8:
        raise ValueError(f"images are uint8 or floats in [0, 1], not {array.dtype}")
    return torch.from_numpy(np.ascontiguousarray(array))
