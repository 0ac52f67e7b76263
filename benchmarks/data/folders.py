"""Folders of images: find the files, classes and splits in them."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.data.image_files import EXTENSIONS, ImageHeader, read_header
from benchmarks.data.paths import DataError, data_root, hint, shown_path
from benchmarks.data.preprocessing import Shape
from benchmarks.data.readers import BLOCK, read_images, require_size
from benchmarks.data.registry import PUT_HQ
from benchmarks.data.split import Split

SHOWN_KINDS = 6  # kinds of files in messages
NO_RESIZING = ". Resize the files first: images to train on are read as they are"


def find_images(folder: Path) -> Iterator[str]:
    """Names of the image files under a folder, relative to it, in arbitrary order.

    Raises:
        DataError: a folder cannot be read, or has the name of an image file.
    """
    return (name for name in find_files(folder) if is_image_name(name))


def is_image_name(name: str) -> bool:
    """Whether a file has one of `EXTENSIONS`."""
    return os.path.splitext(name)[1].lower() in EXTENSIONS


def find_files(folder: Path) -> Iterator[str]:
    """Names of the files under a folder, relative to it, in arbitrary order.

    Symbolic links are followed. Every folder is read once, so loops of links end. Hidden files are skipped, because
    macOS writes a file `._x.jpg`, which is not an image, next to each x.jpg.
    """
    seen = {os.path.realpath(folder)}
    for current, folders, files in os.walk(folder, onerror=_refuse, followlinks=True):
        subfolders = []
        for name in sorted(folders):
            if is_image_name(name) and not name.startswith("."):
                raise DataError(f"cannot read {Path(current, name)}: it is a folder")
            real = os.path.realpath(os.path.join(current, name))
            if not name.startswith(".") and real not in seen:
                seen.add(real)
                subfolders.append(name)
        folders[:] = subfolders
        for name in files:
            if not name.startswith("."):
                yield Path(current, name).relative_to(folder).as_posix()


def _refuse(error: OSError) -> None:
    # By default, os.walk skips such a folder silently.
    raise DataError(f"cannot read the folder {error.filename}: {error.strerror}") from error


def describe_files(folder: Path) -> str:
    """Which files are read as images, and which ones are in a folder without any."""
    counts = Counter(os.path.splitext(name)[1].lower() or "no extension" for name in find_files(folder))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    common = [f"{suffix[:16]!a} ({n:,})".replace("'", "") for suffix, n in ordered[:SHOWN_KINDS]]
    others = len(counts) - len(common)
    found = ", ".join(common) + (f" and {others:,} more kinds" if others else "") if counts else "no files"
    return f"supported extensions are {' '.join(sorted(EXTENSIONS))}; found: {found}"


def read_image_headers(folder: Path, names: Sequence[str], shown: str) -> list[ImageHeader]:
    """The headers of image files under a folder, whose names follow `shown` in messages.

    Raises:
        DataError: a file cannot be read.
    """

    def block(start: int) -> list[ImageHeader]:
        return [read_header(folder / name, shown + name) for name in names[start : start + BLOCK]]

    with ThreadPoolExecutor() as pool:
        return [*itertools.chain.from_iterable(pool.map(block, range(0, len(names), BLOCK)))]


def read_folder(folder: Path, shape: Shape, shown: str = "") -> tuple[Split, Split]:
    """Read a folder of images of one size.

    If there are subfolders train/ and test/, they are the splits. Otherwise the test split is the 10 % of images with
    the smallest digests, at least one. If all images are in subfolders, these are the classes, numbered by name.
    """
    errors = find_folder_errors(folder, shown)
    if errors:
        raise DataError(errors[0])
    has_splits = (folder / "train").is_dir()
    if has_splits:
        names = [f"{half}/{name}" for half in ("test", "train") for name in sorted(find_images(folder / half))]
    else:
        names = sorted(find_images(folder))
    paths = [name.split("/")[1 if has_splits else 0 :] for name in names]
    labels = None
    if all(len(path) > 1 for path in paths):
        number = {name: index for index, name in enumerate(sorted({path[0] for path in paths}))}
        labels = torch.tensor([number[path[0]] for path in paths])
    everything = Split(read_images(folder, names, shape, require_size(shape, NO_RESIZING), shown=shown), labels)
    if not has_splits:
        order = everything.order()
        n_test = max(1, len(everything) // 10)
        return everything.take(np.sort(order[n_test:])), everything.take(np.sort(order[:n_test]))
    # Slices share memory with the whole array.
    n_test = sum(name.startswith("test/") for name in names)
    return (
        Split(everything.images[n_test:], None if labels is None else labels[n_test:]),
        Split(everything.images[:n_test], None if labels is None else labels[:n_test]),
    )


@dataclass(frozen=True)
class ClassCounts:
    """The classes of a folder of images: its subfolders, or those of train/ and test/.

    Attributes:
        train: class -> number of images; 0 for an empty subfolder. Without train/ and test/, of all images.
        test: likewise; None without train/ and test/.
        stray: an image that is in no subfolder, so that the images have no labels; "" if there is none.
    """

    train: Mapping[str, int]
    test: Mapping[str, int] | None
    stray: str = ""

    @property
    def names(self) -> list[str]:
        """The classes that have images, in the order of their labels."""
        return sorted(name for name in {*self.train, *(self.test or {})} if self._total(name))

    def _total(self, name: str) -> int:
        return self.train.get(name, 0) + (self.test or {}).get(name, 0)


def count_classes(folder: Path) -> ClassCounts:
    """Count the images of each class, without reading them.

    Raises:
        DataError: a folder cannot be read.
    """
    halves = [half for half in ("train", "test") if (folder / half).is_dir()]
    counts: list[Counter[str]] = []
    for half in halves or [""]:
        subfolders = [entry.name for entry in sorted((folder / half).iterdir()) if entry.is_dir()]
        counts.append(Counter({name: 0 for name in subfolders if not name.startswith(".")}))
        for image in find_images(folder / half):
            name, is_in_subfolder, _ = image.partition("/")
            if not is_in_subfolder:
                return ClassCounts({}, None, f"{half}/{image}" if half else image)
            counts[-1][name] += 1
    return ClassCounts(counts[0], counts[1] if halves else None)


def find_folder_errors(folder: Path, shown: str = "") -> list[str]:
    """Errors of a folder of images that can be found without reading an image."""
    name = shown.rstrip("/") or str(folder)
    if not folder.is_dir():
        relative = (
            "" if shown or folder.is_absolute() else f". A relative path starts at the current folder, {Path.cwd()}"
        )
        state = "not a folder" if folder.exists() else "missing"
        return [f"{name} is {state}: it must be a folder of images{relative}"]
    has_splits = [half for half in ("train", "test") if (folder / half).is_dir()]
    if len(has_splits) == 1:
        return [f"{name} has only {has_splits[0]}/: it must have both train/ and test/, or neither"]
    try:
        if has_splits:
            empty = [half for half in has_splits if not any(find_images(folder / half))]
            return [f"no images in {name}/{half}: {describe_files(folder / half)}" for half in empty]
        images = list(itertools.islice(find_images(folder), 2))
        if len(images) < 2:
            count = "only one image" if images else "no images"
            return [f"{count} in {name}, but training and testing need two; {describe_files(folder)}"]
    except DataError as error:
        return [str(error)]
    return []


def read_user_folder(folder: Path, shape: Shape, root: Path | None) -> tuple[Split, Split]:
    """Read a user's folder, with the signature of `DatasetSpec.read`. The data root is not used."""
    return read_folder(folder, shape)


def read_celeba_hq(root: Path | None) -> tuple[Split, Split]:
    """Read the folder celeba-hq under the data root."""
    try:
        return read_folder(data_root(root) / "celeba-hq", (3, 256, 256), shown_path(root, "celeba-hq") + "/")
    except DataError as error:
        raise DataError(f"{error}. {hint(root, PUT_HQ)}") from error


def check_celeba_hq(root: Path) -> list[str]:
    """Errors of the folder celeba-hq under the data root."""
    return find_folder_errors(root / "celeba-hq", shown_path(root, "celeba-hq") + "/")
