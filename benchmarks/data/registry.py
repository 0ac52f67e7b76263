"""The registry of data sets, `DATASETS`: one row per data set.

This module does not import torch. A row names its reader, which is imported when images are read.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.data.preprocessing import CELEBA, NO_PREPROCESSING, Preprocessing, Shape
from benchmarks.program import program

if TYPE_CHECKING:
    from benchmarks.data.split import Split

FETCH = f"{program()} fetch"
# No public download of CelebA-HQ has a checksum.
PUT_HQ = "put the 30,000 images of 256x256 into the folder celeba-hq of the data root"
TENTH = "ours: the 10 % with the smallest digests are test, unless there are train/ and test/"


class Reader:
    """A function of this package, "module:function", with its first arguments. It is imported when it is called."""

    def __init__(self, function: str, *arguments: str):
        self.function, self.arguments = function, arguments

    def __call__(self, *arguments: Any) -> Any:
        """Call the function."""
        module, _, name = self.function.partition(":")
        return getattr(importlib.import_module(f"benchmarks.data.{module}"), name)(*self.arguments, *arguments)


@dataclass(frozen=True)
class DatasetSpec:
    """One row of `DATASETS`."""

    label: str  # label in tables
    shape: Shape  # (C, H, W)
    nz: int  # latent size
    k: int  # width of the flow's layers
    read: Callable[[Path | None], tuple[Split, Split]]  # data root -> train, test
    preprocessing: Preprocessing  # how files are cropped and resized to this shape
    split: str  # description of the split
    get: str  # how to get the files
    known: tuple[str, str] | None = None  # fingerprints (train, test) of the published pixels; None: unknown
    counts: tuple[int, int] | None = None  # published numbers of images (train, test)
    expected: int | None = None  # training images of a split of our own, for plans that are made without the data
    needs: tuple[str, ...] = ()  # files and folders under the data root
    check: Callable[[Path], list[str]] | None = None  # data root -> further errors, found without reading files
    # Reader with another preprocessing, for `sensitivity`: data root, preprocessing -> train, test
    read_with: Callable[[Path | None, Preprocessing], tuple[Split, Split]] | None = None


def idx_files(folder: str) -> tuple[str, ...]:
    """The four files of MNIST in torchvision's layout."""
    kinds = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    return tuple(f"{folder}/raw/{kind}-ubyte" for kind in kinds)


# nz and k are from Section 4, unless another source is given. Fingerprints are from files with the published checksums
# (mnist), from a shuffled copy of the published pixels (fashion), and from scikit-learn's copy (digits).
# fmt: off
DATASETS: dict[str, DatasetSpec] = {
    #                    label       shape          nz   k
    "digits":    DatasetSpec("digits",    (1, 8, 8),       8,  64, Reader("published:read_digits"),                   # nz, k: ours
                      NO_PREPROCESSING, "ours: 50 of each class with the smallest digests are test: 1,297 train, 500 test",
                      "comes with scikit-learn", counts=(1_297, 500), known=(
                      "fab26dda54cce4fff7beb259f5ffcbbf05a28ccad9f8d8eeb19d01de0421ce86",
                      "67d2e3649206f60d943077876d7333a82a11e1fabd2b1433209ef1bc6cb91308")),
    "mnist":     DatasetSpec("MNIST",     (1, 28, 28),    20,  64, Reader("published:read_mnist", "MNIST", f"{FETCH} mnist"),
                      NO_PREPROCESSING, "official: 60,000 train, 10,000 test",
                      f"{FETCH} mnist", counts=(60_000, 10_000), needs=idx_files("MNIST"), known=(
                      "d8cdcb6698254a03d30ea0dedb64d044634e2bdd730bd0359cabc70ab2c8fc5f",
                      "8d7d51d140f2dee54517eb2d2591fa5fbfdaada4612b0a693ed9618f4df275b8")),
    "fashion":   DatasetSpec("Fashion",   (1, 28, 28),    20,  64, Reader("published:read_mnist", "FashionMNIST", f"{FETCH} fashion"),
                      NO_PREPROCESSING, "official: 60,000 train, 10,000 test",
                      f"{FETCH} fashion", counts=(60_000, 10_000), needs=idx_files("FashionMNIST"), known=(
                      "beac8f98b649568a6490447f694af9b41d594ce932ce98b730c91c5ac1f82061",
                      "23c08867e839cd56ad923039bc0ad8f0fd884b3669f94c9bb45c694fb419213b")),
    "cifar10":   DatasetSpec("CIFAR-10",  (3, 32, 32),    64, 256, Reader("published:read_cifar10", f"{FETCH} cifar10"),
                      NO_PREPROCESSING, "official: 50,000 train, 10,000 test",
                      f"{FETCH} cifar10", counts=(50_000, 10_000), needs=("cifar-10-batches-py",)),
    "celeba":    DatasetSpec("CelebA",    (3, 64, 64),    64, 256, Reader("celeba:read_celeba", f"{FETCH} celeba"),
                      CELEBA, "official: 162,770 train, 19,962 test",                  # App. B; partition file
                      f"{FETCH} celeba", counts=(162_770, 19_962),
                      needs=("celeba/list_eval_partition.txt", "celeba/img_align_celeba"),
                      read_with=Reader("celeba:read_celeba", f"{FETCH} celeba")),
    "celeba-hq": DatasetSpec("CelebA-HQ", (3, 256, 256),  64, 256, Reader("folders:read_celeba_hq"),                # nz, k: ours, as CelebA
                      NO_PREPROCESSING, TENTH, PUT_HQ, needs=("celeba-hq",), expected=27_000, check=Reader("folders:check_celeba_hq")),
}
# fmt: on
