"""The data sets: uint8 images from disk, with their published splits. One row of `DATASETS` each."""

import gzip
import math
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.data.readers import (
    AS_IT_IS,
    CELEBA,
    ROOT,
    TENTH,
    DataError,
    Part,
    Pixels,
    Preparation,
    Shape,
    data_root,
    default_root,
    find_file,
    folder_problems,
    hint,
    missing,
    read_celeba,
    read_folder,
)
from zoo.named import meant

__all__ = [
    "DATASETS",
    "DataError",
    "DataSet",
    "Folder",
    "Part",
    "Spec",
    "default_root",
    "load",
    "load_cached",
    "problems",
    "spec",
]

HERE = "benchmarks/data/datasets.py"


@dataclass(frozen=True)
class Spec:
    """One row of `DATASETS`."""

    label: str  # as tables print it
    shape: Shape  # (C, H, W)
    nz: int  # latent size
    k: int  # width of the flow's layers
    read: Callable[[Path | None], tuple[Part, Part]]  # data root -> train, test
    preparation: Preparation  # how a file becomes an image of this shape
    split: str
    get: str  # how to get it
    known: tuple[str, str] | None = None  # fingerprints (train, test) of the published pixels; None: not known here
    counts: tuple[int, int] | None = None  # published numbers of images (train, test)
    needs: tuple[str, ...] = ()  # files and folders under the data root
    check: Callable[[Path], list[str]] | None = None  # data root -> what else is wrong with it, by file names
    # The same images prepared in other ways, for `run sensitivity`: data root, preparation -> train, test
    prepare: Callable[[Path | None, Preparation], tuple[Part, Part]] | None = None

    @property
    def preprocessing(self) -> str:
        """The preparation in words."""
        return str(self.preparation)


@dataclass(frozen=True)
class Folder:
    """A folder of images, with the size, the latent size and the protocols of a row of `DATASETS`."""

    path: Path
    name: str
    like: str


@dataclass(frozen=True, eq=False)
class DataSet:
    """Loaded images; `row` is the row of `DATASETS` whose protocols they use, `root` where they lie."""

    name: str
    spec: Spec
    train: Part
    test: Part
    warnings: tuple[str, ...]
    row: str
    root: Path | None = None

    def part(self, split: str, preparation: Preparation | None = None) -> Part:
        """The train or the test part, prepared as asked; None is the data set's own preparation.

        Raises:
            ValueError: an unknown split, or a preparation that this data set cannot have.
            DataError: its files have gone.
        """
        if split not in ("train", "test"):
            raise ValueError(f"unknown split {split!r} of {self.name}. Known: train, test")
        if preparation is None or preparation == self.spec.preparation:
            return self.train if split == "train" else self.test
        if self.spec.prepare is None:
            raise ValueError(f"{self.name} comes in one size: it cannot be prepared by {preparation} ({HERE})")
        return self.spec.prepare(self.root, preparation)[split == "test"]


def spec(dataset: str | Folder) -> Spec:
    """The row of a data set.

    Raises:
        ValueError: no such row, or a folder with an unusable name.
    """
    row = dataset.like if isinstance(dataset, Folder) else dataset
    if row not in DATASETS:
        known = ", ".join(DATASETS)
        if isinstance(dataset, Folder):
            raise ValueError(f"unknown data set {row!r} in --like. Known: {known} ({HERE})")
        raise ValueError(f"unknown data set {row!r}{meant(row, DATASETS)}. Known: {known}, folder:PATH ({HERE})")
    if not isinstance(dataset, Folder):
        return DATASETS[row]
    if dataset.name in DATASETS:
        # Re-compressed CIFAR-10 under the name cifar10 would enter the paper's table.
        raise ValueError(f"the name {dataset.name!r} belongs to a published data set: give another --name")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", dataset.name):
        raise ValueError(f"the name {dataset.name!r} is no part of a file name: --name takes letters, digits, . _ -")
    like = DATASETS[row]
    return replace(
        like,
        label=dataset.name,
        read=partial(read_given, dataset.path, like.shape),
        preparation=AS_IT_IS,
        prepare=None,
        split="as given: train/ and test/" if (dataset.path / "train").is_dir() else TENTH,
        get="--on folder:PATH",
        known=None,
        counts=None,
        needs=(),
        check=None,
    )


def load(dataset: str | Folder, root: Path | None) -> DataSet:
    """Read a data set.

    Args:
        dataset: name of a row of `DATASETS`, or a folder.
        root: data root; None is `default_root()`.

    Raises:
        ValueError: unknown data set.
        DataError: a file is missing or corrupt, or images have another size.
    """
    row = spec(dataset)
    train, test = row.read(root)
    warnings = []
    for index, (name, part) in enumerate([("train", train), ("test", test)]):
        if row.known is not None and part.fingerprint != row.known[index]:
            warnings.append(
                f"pixels of the {name} part are not the published ones: fingerprint {part.fingerprint}, "
                f"published {row.known[index]} ({HERE})"
            )
        if row.counts is not None and len(part) != row.counts[index]:
            published = f"{row.counts[index]:,} ({HERE})"
            warnings.append(f"the {name} part has {len(part):,} images, the published one {published}")
    if isinstance(dataset, Folder):
        return DataSet(dataset.name, row, train, test, tuple(warnings), dataset.like, root)
    return DataSet(dataset, row, train, test, tuple(warnings), dataset, root)


def problems(dataset: str | Folder, root: Path | None) -> list[str]:
    """What `load` would stumble over, as far as names of files tell; [] if it can be expected to work."""
    try:
        row = spec(dataset)
    except ValueError as error:
        return [str(error)]
    if isinstance(dataset, Folder):
        return folder_problems(dataset.path)
    found = [missing(name, row.get) for name in row.needs if find_file(data_root(root), name) is None]
    return row.check(data_root(root)) if row.check is not None and not found else found


def _part(pixels: Pixels, labels: object = None) -> Part:
    """A part from pixels (N, C, H, W) and labels."""
    images = torch.from_numpy(np.ascontiguousarray(pixels))
    return Part(images, None if labels is None else torch.as_tensor(labels, dtype=torch.int64))


# Digits ------------------------------------------------------------------------------------------------------


def read_digits(root: Path | None = None) -> tuple[Part, Part]:
    """The digits that come with scikit-learn, (N, 1, 8, 8); they have no published split.

    Test is 50 images of each class, those with the smallest digests: stratified, whatever the order.
    """
    from sklearn.datasets import load_digits  # here: importing it takes a second

    digits = load_digits()
    pixels = np.rint(digits.images * 255 / 16).astype(np.uint8)  # published in 0 ... 16
    part = _part(pixels[:, None], digits.target)
    order = part.order()
    labels = digits.target[order]
    test = np.sort(np.concatenate([order[labels == label][:50] for label in range(10)]))
    return part.take(np.setdiff1d(np.arange(len(part)), test)), part.take(test)


# MNIST and Fashion-MNIST -------------------------------------------------------------------------------------


def read_mnist(folder: str, get: str, root: Path | None) -> tuple[Part, Part]:
    """Read `folder`/raw in torchvision's layout, its four files as they are or gzipped."""
    parts = []
    for prefix in ("train", "t10k"):
        images_name, labels_name = (f"{folder}/raw/{prefix}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1"))
        images = read_idx(data_root(root), images_name, 3, get)
        labels = read_idx(data_root(root), labels_name, 1, get)
        if images.shape[1:] != (28, 28):
            height, width = images.shape[1:]
            raise DataError(f"{ROOT}/{images_name} has images of {height}x{width}, not 28x28. {hint(get)}")
        if len(images) != len(labels):
            raise DataError(f"{ROOT}/{images_name} has {len(images)} images but {len(labels)} labels. {hint(get)}")
        parts.append(_part(images[:, None], labels))
    return parts[0], parts[1]


def read_idx(root: Path, name: str, dims: int, get: str) -> Pixels:
    """Read a file of unsigned bytes in the IDX format, gzipped or not.

    The format: two zero bytes, 8 (unsigned byte), the number of dimensions; each dimension in four bytes, the
    highest first; the data.
    """
    path = find_file(root, name)
    if path is None:
        raise DataError(missing(name, get))
    shown = f"{ROOT}/{path.relative_to(root).as_posix()}"
    try:
        raw = path.read_bytes()
        data = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {shown}: {error}. {hint(get)}") from error
    start = 4 + 4 * dims
    if len(data) < start or data[:4] != bytes([0, 0, 8, dims]):
        raise DataError(f"{shown} is not an IDX file of unsigned bytes with {dims} dimensions. {hint(get)}")
    shape = [int.from_bytes(data[at : at + 4]) for at in range(4, start, 4)]
    if len(data) - start != math.prod(shape):
        held = f"{len(data) - start} bytes where its header says {math.prod(shape)}"
        raise DataError(f"{shown} holds {held}. {hint(get)}")
    # A copy, because torch wants memory that it may write.
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape).copy()


# CIFAR-10 ----------------------------------------------------------------------------------------------------


def read_cifar10(get: str, root: Path | None) -> tuple[Part, Part]:
    """Read cifar-10-batches-py through torchvision.

    The files are pickles, which can run code: torchvision opens them only if their md5 is the published one.
    """
    from torchvision.datasets import CIFAR10

    parts = []
    for train in (True, False):
        try:
            cifar = CIFAR10(data_root(root), train=train, download=False)
        except (RuntimeError, OSError) as error:
            raise DataError(f"{ROOT}/{CIFAR10.base_folder} is missing or corrupt ({error}). {hint(get)}") from error
        parts.append(channels_first(cifar.data, cifar.targets))
    return parts[0], parts[1]


def channels_first(pixels: Pixels, labels: object) -> Part:
    """A part from torchvision's array, (N, H, W, C)."""
    return _part(np.moveaxis(pixels, 3, 1), labels)


# The table ---------------------------------------------------------------------------------------------------

FETCH = "python -m benchmarks.run fetch"
PUT_HQ = "put the 30,000 images of 256x256 into <data root>/celeba-hq"  # no public download has a checksum to go by


def idx_files(folder: str) -> tuple[str, ...]:
    """The four files of MNIST in torchvision's layout."""
    kinds = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    return tuple(f"{folder}/raw/{kind}-ubyte" for kind in kinds)


def read_given(folder: Path, shape: Shape, root: Path | None) -> tuple[Part, Part]:
    """Read a user's folder, which lies where it lies: the data root does not matter."""
    return read_folder(folder, shape)


def read_celeba_hq(root: Path | None) -> tuple[Part, Part]:
    """Read the folder celeba-hq under the data root, as any folder."""
    try:
        return read_folder(data_root(root) / "celeba-hq", (3, 256, 256), f"{ROOT}/celeba-hq/")
    except DataError as error:
        raise DataError(f"{error}. {hint(PUT_HQ)}") from error


def check_celeba_hq(root: Path) -> list[str]:
    """Whether the folder celeba-hq can be read as one of images."""
    return folder_problems(root / "celeba-hq", f"{ROOT}/celeba-hq/")


# nz and k: Sec. 4, where no other source is given. Fingerprints are those of files with the published checksums
# (mnist), of the published pixels in a shuffled order (fashion), of scikit-learn's copy (digits).
# The formatter would break the columns.
# fmt: off
DATASETS: dict[str, Spec] = {
    #                    label       shape          nz   k
    "digits":    Spec("digits",    (1, 8, 8),       8,  64, read_digits,                    # nz, k: ours
                      AS_IT_IS, "ours: 50 of each class with the smallest digests are test: 1,297 train, 500 test",
                      "comes with scikit-learn", counts=(1_297, 500), known=(
                      "fab26dda54cce4fff7beb259f5ffcbbf05a28ccad9f8d8eeb19d01de0421ce86",
                      "67d2e3649206f60d943077876d7333a82a11e1fabd2b1433209ef1bc6cb91308")),
    "mnist":     Spec("MNIST",     (1, 28, 28),    20,  64, partial(read_mnist, "MNIST", f"{FETCH} mnist"),
                      AS_IT_IS, "official: 60,000 train, 10,000 test",
                      f"{FETCH} mnist", counts=(60_000, 10_000), needs=idx_files("MNIST"), known=(
                      "d8cdcb6698254a03d30ea0dedb64d044634e2bdd730bd0359cabc70ab2c8fc5f",
                      "8d7d51d140f2dee54517eb2d2591fa5fbfdaada4612b0a693ed9618f4df275b8")),
    "fashion":   Spec("Fashion",   (1, 28, 28),    20,  64, partial(read_mnist, "FashionMNIST", f"{FETCH} fashion"),
                      AS_IT_IS, "official: 60,000 train, 10,000 test",
                      f"{FETCH} fashion", counts=(60_000, 10_000), needs=idx_files("FashionMNIST"), known=(
                      "beac8f98b649568a6490447f694af9b41d594ce932ce98b730c91c5ac1f82061",
                      "23c08867e839cd56ad923039bc0ad8f0fd884b3669f94c9bb45c694fb419213b")),
    "cifar10":   Spec("CIFAR-10",  (3, 32, 32),    64, 256, partial(read_cifar10, f"{FETCH} cifar10"),
                      AS_IT_IS, "official: 50,000 train, 10,000 test",
                      f"{FETCH} cifar10", counts=(50_000, 10_000), needs=("cifar-10-batches-py",)),
    "celeba":    Spec("CelebA",    (3, 64, 64),    64, 256, partial(read_celeba, f"{FETCH} celeba"),
                      CELEBA, "official: 162,770 train, 19,962 test",                  # App. B; partition file
                      f"{FETCH} celeba", counts=(162_770, 19_962),
                      needs=("celeba/list_eval_partition.txt", "celeba/img_align_celeba"),
                      prepare=partial(read_celeba, f"{FETCH} celeba")),
    "celeba-hq": Spec("CelebA-HQ", (3, 256, 256),  64, 256, read_celeba_hq,                 # nz, k: ours, as CelebA
                      AS_IT_IS, TENTH, PUT_HQ, needs=("celeba-hq",), check=check_celeba_hq),
}
# fmt: on


@lru_cache(maxsize=2)
def load_cached(dataset: str | Folder, root: Path | None) -> DataSet:
    """A data set, kept for the process's next trial."""
    return load(dataset, root)
