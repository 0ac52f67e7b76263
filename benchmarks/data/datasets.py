"""Load a data set of the registry, or a user's folder, as a train and a test split."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

from benchmarks.data.folders import find_folder_errors, read_user_folder
from benchmarks.data.paths import DataError, data_root, find_file, missing_dataset
from benchmarks.data.preprocessing import NO_PREPROCESSING, Preprocessing
from benchmarks.data.registry import DATASETS, TENTH, DatasetSpec
from benchmarks.data.split import Split
from zoo.registry import did_you_mean

__all__ = [
    "DATASETS",
    "DataError",
    "Dataset",
    "DatasetSpec",
    "ImageFolder",
    "Split",
    "dataset_spec",
    "find_errors",
    "load",
    "load_cached",
]

REGISTRY_FILE = "benchmarks/data/registry.py"


@dataclass(frozen=True)
class ImageFolder:
    """A folder of images. It uses the image size, latent size and protocols of the row `like` of `DATASETS`."""

    path: Path
    name: str
    like: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """A loaded data set. `row` is the row of `DATASETS` whose protocols it uses; `root` is the data root."""

    name: str
    spec: DatasetSpec
    train: Split
    test: Split
    warnings: tuple[str, ...]
    row: str
    root: Path | None = None

    def split(self, name: str, preprocessing: Preprocessing | None = None) -> Split:
        """The train or the test split. `preprocessing` None means the data set's own.

        Raises:
            ValueError: the split is unknown, or the data set does not support the preprocessing.
            DataError: files of the data set have been removed.
        """
        if name not in ("train", "test"):
            raise ValueError(f"unknown split {name!r} of {self.name}. Known: train, test")
        if preprocessing is None or preprocessing == self.spec.preprocessing:
            return self.train if name == "train" else self.test
        if self.spec.read_with is None:
            raise ValueError(
                f"{self.name} cannot be preprocessed by {preprocessing}: its images have one size ({REGISTRY_FILE})"
            )
        return self.spec.read_with(self.root, preprocessing)[name == "test"]


def dataset_spec(dataset: str | ImageFolder) -> DatasetSpec:
    """The row of a data set.

    Raises:
        ValueError: there is no such row, or the name of a folder is invalid.
    """
    row = dataset.like if isinstance(dataset, ImageFolder) else dataset
    if row not in DATASETS:
        known = ", ".join(DATASETS)
        if isinstance(dataset, ImageFolder):
            raise ValueError(f"unknown data set {row!r} in --like. Known: {known} ({REGISTRY_FILE})")
        raise ValueError(
            f"unknown data set {row!r}{did_you_mean(row, DATASETS)}. Known: {known}, folder:PATH ({REGISTRY_FILE})"
        )
    if not isinstance(dataset, ImageFolder):
        return DATASETS[row]
    if dataset.name in DATASETS:
        # Otherwise, recompressed CIFAR-10 images under the name cifar10 would be compared with the paper's numbers.
        raise ValueError(f"the name {dataset.name!r} belongs to a published data set: give another --name")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", dataset.name):
        raise ValueError(f"the name {dataset.name[:80]!r} does not fit into a file name: --name takes letters, digits, "
                         ". _ -, at most 64 of them, and begins with one of the first two")  # fmt: skip
    like = DATASETS[row]
    return replace(
        like,
        label=dataset.name,
        read=partial(read_user_folder, dataset.path, like.shape),
        preprocessing=NO_PREPROCESSING,
        read_with=None,
        split="as given: train/ and test/" if (dataset.path / "train").is_dir() else TENTH,
        get="--on folder:PATH",
        known=None,
        counts=None,
        needs=(),
        check=None,
    )


def load(dataset: str | ImageFolder, root: Path | None) -> Dataset:
    """Read a data set.

    Args:
        dataset: name of a row of `DATASETS`, or a folder.
        root: data root; None means the default of `paths.data_root`.

    Raises:
        ValueError: the data set is unknown.
        DataError: a file is missing or corrupt, or an image has the wrong size.
    """
    row = dataset_spec(dataset)
    train, test = row.read(root)
    warnings = []
    for index, (name, split) in enumerate([("train", train), ("test", test)]):
        if row.known is not None and split.fingerprint != row.known[index]:
            warnings.append(
                f"pixels of the {name} split are not the published ones: fingerprint {split.fingerprint}, "
                f"expected {row.known[index]} ({REGISTRY_FILE})"
            )
        if row.counts is not None and len(split) != row.counts[index]:
            published = f"{row.counts[index]:,} ({REGISTRY_FILE})"
            warnings.append(f"the {name} split has {len(split):,} images, the published one {published}")
    if isinstance(dataset, ImageFolder):
        return Dataset(dataset.name, row, train, test, tuple(warnings), dataset.like, root)
    return Dataset(dataset, row, train, test, tuple(warnings), dataset, root)


def find_errors(dataset: str | ImageFolder, root: Path | None) -> list[str]:
    """Errors of a data set that can be found without reading its files; [] if there are none."""
    try:
        row = dataset_spec(dataset)
    except ValueError as error:
        return [str(error)]
    if isinstance(dataset, ImageFolder):
        return find_folder_errors(dataset.path)
    absent = [name for name in row.needs if find_file(data_root(root), name) is None]
    if absent:
        return [missing_dataset(dataset, root, absent, row.get)]
    return row.check(data_root(root)) if row.check is not None else []


@lru_cache(maxsize=2)
def load_cached(dataset: str | ImageFolder, root: Path | None) -> Dataset:
    """Like `load`, but cached for later runs in this process."""
    return load(dataset, root)
