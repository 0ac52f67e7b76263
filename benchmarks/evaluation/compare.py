"""`run evaluate`: the metrics on anybody's images, a folder, an array or a data set on either side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from benchmarks.data import datasets
from benchmarks.data.readers import AS_IT_IS, DataError, Part, Shape, exactly, find_images, read_images
from benchmarks.evaluation import image_ops
from benchmarks.evaluation.extractors import Extractor, extractor
from benchmarks.evaluation.metrics import FD, METRICS, Moments, frechet
from benchmarks.evaluation.reference_cache import Features, kept
from benchmarks.evaluation.scoring import MetricProtocol

SPLITS = {"": "test", ":test": "test", ":train": "train"}


@dataclass(frozen=True)
class Comparison:
    """What was compared, and how.

    Attributes:
        protocol: all that the values depend on beside the fakes; None where moments were given, of which nobody
            knows how they were made.
        n: images of the real and of the fake kind; None where their moments were given.
        values: metric -> value; the Fréchet distance is named after the features.
    """

    protocol: MetricProtocol | None
    n: tuple[int | None, int | None]
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
    distance alone can be had, and it is called `fd_moments`, as nobody knows what features they are of.

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
        raise ValueError(
            f"unknown metric {', '.join(unknown)}. Known: {', '.join(METRICS)} (benchmarks/evaluation/metrics.py)"
        )
    sides = [source(real, root), source(fake, root)]
    row = next((text.partition(":")[0] for text in (real, fake) if _row(text)), "images that are no data set")
    if any(isinstance(side, Moments) for side in sides):
        if metrics and {*metrics} not in ({FD}, {*METRICS}):  # all of them is the default, not a wish
            more = ", ".join(name for name in metrics if name != FD)
            raise ValueError(f"{more} cannot be had from moments: they need images on both sides")
        return _of_moments((real, fake), sides, features, row, device, images, allow_few)
    a, b = _alike((real, fake), [side for side in sides if isinstance(side, Part)])
    n = min(len(a), len(b)) if images is None else min(images, len(a), len(b))
    a, b = a.canonical(n), b.canonical(n)
    found = extractor(features, row, _shape(a), device)
    protocol = described(real, a, found)
    reals, fakes = kept_features(a, found, allow_few), Features(found(b.images), allow_few)
    values: dict[str, float] = {}
    for metric in metrics:
        values |= METRICS[metric].call(reals, fakes)[0]
    return Comparison(protocol, (n, n), {found.metric if name == FD else name: v for name, v in values.items()})


def _shape(part: Part) -> Shape:
    c, h, w = part.images.shape[1:]
    return int(c), int(h), int(w)


def _alike(names: tuple[str, str], parts: list[Part]) -> tuple[Part, Part]:
    """Two sets of images of one shape; colour images without a colour are gray where the others are."""
    a, b = (_shape(part) for part in parts)
    if a[1:] == b[1:] and a[0] != b[0]:
        parts = [_gray(part) if part.images.shape[1] == 3 else part for part in parts]
        a, b = (_shape(part) for part in parts)
    if a != b:
        how = "resize one of them" if a[1:] != b[1:] else "the one is gray, the other is not"
        raise ValueError(f"{names[0]} has images of {a}, {names[1]} of {b} (C, H, W): {how}")
    return parts[0], parts[1]


def _gray(part: Part) -> Part:
    colours = part.images
    equal = torch.equal(colours[:, 0], colours[:, 1]) and torch.equal(colours[:, 0], colours[:, 2])
    return Part(colours[:, :1].contiguous(), part.labels) if equal else part


def described(real: str, part: Part, found: Extractor) -> MetricProtocol:
    """The metric protocol of a comparison with these images, which are all compared with."""
    name, _, split = real.partition(":")
    own = datasets.DATASETS[name].preparation if _row(real) else AS_IT_IS
    return MetricProtocol(
        metric=found.metric,
        extractor=found.name,
        weights=found.weights,
        dims=found.dims,
        backend=found.backend,
        input=next(iter(found.inputs)),
        split=(split or "test") if _row(real) else "as given",
        real=part.fingerprint,
        n_real=len(part),
        n_fake=len(part),
        crop=own.crop,
        resize=own.resize,
    )


def kept_features(part: Part, found: Extractor, allow_few: bool) -> Features:
    """Features of real images: a set that was seen before costs nothing."""
    return kept(what(part, found), found, lambda: found(part.images), allow_few)


def what(part: Part, found: Extractor) -> dict[str, Any]:
    """What the cache calls the features of real images."""
    return {"part": part.fingerprint, "n": len(part), "reals": image_ops.RAW, "input": next(iter(found.inputs))}


def _of_moments(
    names: tuple[str, str],
    sides: list[Part | Moments],
    features: str,
    row: str,
    device: torch.device,
    images: int | None,
    allow_few: bool,
) -> Comparison:
    """The Fréchet distance where one side, or both, are known by their moments."""
    known: list[Moments] = []
    for side in sides:
        if isinstance(side, Moments):
            known.append(side)
        else:
            found = extractor(features, row, _shape(side), device)
            known.append(kept_features(side.canonical(images), found, allow_few).moments)
    a, b = known
    if len(a.mean) != len(b.mean):
        raise ValueError(f"{names[0]} has {len(a.mean)} features, {names[1]} {len(b.mean)}: they cannot be compared")
    return Comparison(None, (a.n or None, b.n or None), {"fd_moments": frechet(a.mean, a.cov, b.mean, b.cov)[0]})


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
        return datasets.load_cached(name, root).part(SPLITS[colon + split])
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
    gray = True  # if all are; one gray image among colours is a colour image
    for name in reversed(names):
        try:
            with Image.open(folder / name) as image:
                gray, size = gray and image.mode in ("1", "L"), image.size
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            reason = "not an image that Pillow knows" if isinstance(error, UnidentifiedImageError) else error
            raise DataError(f"cannot read {name}: {reason}") from error
    shape = (1 if gray else 3, size[1], size[0])
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
                check_covariance(mean, cov)
                return Moments(mean, cov, 0)
            if len(file.files) != 1:
                raise ValueError(f"it holds {len(file.files)} arrays ({', '.join(file.files)}), not one")
            array: Any = file[file.files[0]]
        return Part(to_images(array))
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"cannot take images from {path.name}: {error}") from error


def check_covariance(mean: Any, cov: Any) -> None:
    """Raise ValueError unless these are finite, and the second symmetric without a negative variance."""
    if not (np.isfinite(mean).all() and np.isfinite(cov).all()):
        raise ValueError("mu and sigma must be finite")
    scale = np.abs(cov).max()
    if not np.allclose(cov, cov.T, atol=1e-6 * scale):
        raise ValueError("sigma is not symmetric: it is no covariance")
    if np.linalg.eigvalsh(cov)[0] < -1e-6 * scale:
        raise ValueError("sigma has negative eigenvalues: it is no covariance")


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
