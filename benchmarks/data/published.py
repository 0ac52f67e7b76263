"""Readers of published data sets whose files are arrays: digits, MNIST, Fashion-MNIST, CIFAR-10."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path

import numpy as np
import torch

from benchmarks.data.limits import open_regular, require_memory
from benchmarks.data.paths import DataError, data_root, find_file, hint, missing, shown_path
from benchmarks.data.split import Pixels, Split

DEFLATE_RATIO = 1040  # a byte of gzipped data holds fewer bytes than this


def _make_split(pixels: Pixels, labels: object = None) -> Split:
    """Make a split from pixels, (N, C, H, W), and labels."""
    images = torch.from_numpy(np.ascontiguousarray(pixels))
    return Split(images, None if labels is None else torch.as_tensor(labels, dtype=torch.int64))


def read_digits(root: Path | None = None) -> tuple[Split, Split]:
    """Read scikit-learn's digits, (N, 1, 8, 8). They have no published split.

    The test split is the 50 images of each class with the smallest digests. So it is stratified, and it does not depend
    on the order of the images.
    """
    from sklearn.datasets import load_digits  # here: importing it takes a second

    digits = load_digits()
    pixels = np.rint(digits.images * 255 / 16).astype(np.uint8)  # the published values are 0 to 16
    split = _make_split(pixels[:, None], digits.target)
    order = split.order()
    labels = digits.target[order]
    test = np.sort(np.concatenate([order[labels == label][:50] for label in range(10)]))
    return split.take(np.setdiff1d(np.arange(len(split)), test)), split.take(test)


def read_mnist(folder: str, get: str, root: Path | None) -> tuple[Split, Split]:
    """Read the four files in `folder`/raw, in torchvision's layout, gzipped or not."""
    splits = []
    for prefix in ("train", "t10k"):
        images_name, labels_name = (f"{folder}/raw/{prefix}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1"))
        images = read_idx(data_root(root), images_name, 3, get)
        labels = read_idx(data_root(root), labels_name, 1, get)
        if images.shape[1:] != (28, 28):
            height, width = images.shape[1:]
            raise DataError(
                f"{shown_path(root, images_name)} has images of {height}x{width}, expected 28x28. {hint(root, get)}"
            )
        if len(images) != len(labels):
            raise DataError(
                f"{shown_path(root, images_name)} has {len(images)} images but {len(labels)} labels. {hint(root, get)}"
            )
        splits.append(_make_split(images[:, None], labels))
    return splits[0], splits[1]


def read_idx(root: Path, name: str, dims: int, get: str) -> Pixels:
    """Read a file of unsigned bytes in the IDX format, gzipped or not.

    The format: two zero bytes; the byte 8, which means unsigned bytes; the number of dimensions, in one byte; the
    dimensions, as big-endian 4-byte integers; the data.
    """
    path = find_file(root, name)
    if path is None:
        raise DataError(missing(root, name, get))
    shown = str(path.absolute())
    start = 4 + 4 * dims
    try:
        with open_regular(path, shown) as compressed, gzip.open(compressed) if is_gzip(path) else compressed as file:
            head = file.read(start)
            if len(head) < start or head[:4] != bytes([0, 0, 8, dims]):
                raise DataError(f"{shown} is not an IDX file of unsigned bytes with {dims} dimensions")
            shape = [int.from_bytes(head[at : at + 4]) for at in range(4, start, 4)]
            size = math.prod(shape)
            largest = os.fstat(compressed.fileno()).st_size * (DEFLATE_RATIO if is_gzip(path) else 1)
            if size > largest:
                raise DataError(f"the header of {shown} says {size:,} bytes of data, more than the file can hold")
            require_memory(2 * size, f"{shown}: an array of {size:,} bytes")
            data = file.read(size + 1)  # one byte more shows whether the file goes on
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {shown}: {error}. {hint(root, get)}") from error
    except DataError as error:
        raise DataError(f"{error}. {hint(root, get)}") from error
    if len(data) != size:
        held = f"{len(data):,} bytes" if len(data) < size else f"more than {size:,} bytes"
        raise DataError(f"{shown} has {held} of data, but its header says {size:,}. {hint(root, get)}")
    # A copy, because torch needs writable memory.
    return np.frombuffer(data, np.uint8).reshape(shape).copy()


def is_gzip(path: Path) -> bool:
    """Whether a file is gzipped, by its name."""
    return path.suffix == ".gz"


def read_cifar10(get: str, root: Path | None) -> tuple[Split, Split]:
    """Read cifar-10-batches-py through torchvision.

    The files are pickles, which can execute code. torchvision opens them only if their md5 is the published one.
    """
    from torchvision.datasets import CIFAR10

    for name, _ in [*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], "")]:
        file = data_root(root) / CIFAR10.base_folder / name
        if file.exists():  # torchvision would wait for a FIFO; it reports missing files
            try:
                open_regular(file).close()
            except DataError as error:
                raise DataError(f"{error}. {hint(root, get)}") from error
    splits = []
    for train in (True, False):
        try:
            cifar = CIFAR10(data_root(root), train=train, download=False)
        except (RuntimeError, OSError) as error:
            raise DataError(
                f"{shown_path(root, CIFAR10.base_folder)} is missing or corrupt ({error}). {hint(root, get)}"
            ) from error
        splits.append(channels_first(cifar.data, cifar.targets))
    return splits[0], splits[1]


def channels_first(pixels: Pixels, labels: object) -> Split:
    """Make a split from torchvision's array, (N, H, W, C)."""
    return _make_split(np.moveaxis(pixels, 3, 1), labels)
