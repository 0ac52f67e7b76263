"""Download data sets and weights, and check every file against its published checksum.

Only this module and the submission of SLURM jobs use the network.
"""

import hashlib
import http.client
import shutil
import tarfile
import tempfile
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from pytorch_fid.inception import FID_WEIGHTS_URL
from torchvision.datasets import CIFAR10, MNIST, CelebA, FashionMNIST
from torchvision.models import VGG16_Weights

from benchmarks.data.fingerprint import DINOV2_SHA256, INCEPTION_SHA256
from benchmarks.data.paths import data_root
from zoo.perceptual import VGG16

THIS_FILE = "benchmarks/data/download.py"
TIMEOUT = 30  # seconds to wait for an answer
CHUNK = 1 << 20  # bytes
DINOV2_URL = "https://dl.fbaipublicfiles.com/dinov2/{0}/{0}_pretrain.pth"


class FetchError(Exception):
    """A file could not be downloaded; the message says which one and why."""


@dataclass(frozen=True)
class File:
    """One file to download."""

    name: str  # name in messages
    urls: tuple[str, ...]  # mirrors, tried in order
    checksum: str  # "md5:HEX" or "sha256:HEX"
    path: str  # path under the data root or, for weights, in torch.hub's cache
    base: Literal["data", "hub"] = "data"
    members: tuple[tuple[str, str], ...] = ()  # files in an archive: path under the data root, checksum


def mnist_files(source: type[MNIST]) -> list[File]:
    """The four gzipped files of MNIST or Fashion-MNIST. They are read without unpacking."""
    return [
        File(name, tuple(mirror + name for mirror in source.mirrors), f"md5:{md5}", f"{source.__name__}/raw/{name}")
        for name, md5 in source.resources
    ]


def hub_file(url: str, checksum: str) -> File:
    """A file of weights in torch.hub's cache."""
    name = url.rsplit("/", 1)[1]
    return File(name, (url,), checksum, name, "hub")


FETCH: dict[str, list[File]] = {
    "mnist": mnist_files(MNIST),
    "fashion": mnist_files(FashionMNIST),
    "cifar10": [
        File(
            CIFAR10.filename,
            (CIFAR10.url,),
            f"md5:{CIFAR10.tgz_md5}",
            CIFAR10.filename,
            members=tuple(
                (f"{CIFAR10.base_folder}/{name}", f"md5:{md5}")
                for name, md5 in [
                    *CIFAR10.train_list,
                    *CIFAR10.test_list,
                    (CIFAR10.meta["filename"], CIFAR10.meta["md5"]),
                ]
            ),
        )
    ],
    "celeba": [],  # on Google Drive; torchvision and gdown download it, see fetch_celeba
    "inception": [hub_file(FID_WEIGHTS_URL, f"sha256:{INCEPTION_SHA256}")],
    "vgg16": [hub_file(VGG16_Weights.IMAGENET1K_V1.url, f"sha256:{VGG16.published_sha256}")],
    **{
        name.replace("_", "-"): [hub_file(DINOV2_URL.format(name), f"sha256:{sha256}")]
        for name, sha256 in DINOV2_SHA256.items()
    },
}


def fetch(
    names: Iterable[str], root: Path | None, report: Callable[[str], None] = lambda line: None
) -> tuple[list[str], list[str]]:
    """Download data sets and weights.

    Args:
        names: keys of `FETCH`.
        root: data root; None means the default of `data_root`.
        report: called with one line before each download, as a download may take minutes.

    Returns:
        Messages about files that were downloaded or exist, and errors; one line per file.
    """
    done, errors = [], []
    for name in names:
        if name not in FETCH:
            errors.append(f"cannot fetch {name!r}. Known: {', '.join(FETCH)} ({THIS_FILE})")
            continue
        jobs = [partial(fetch_file, file) for file in FETCH[name]] or [partial(fetch_celeba)]
        for job in jobs:
            try:
                done.append(f"{name}: {job(data_root(root), report)}")
            except FetchError as error:
                errors.append(f"{name}: {error}")
    return done, errors


def fetch_file(file: File, root: Path, report: Callable[[str], None] = lambda line: None) -> str:
    """Download one file unless it exists, and unpack it if it is an archive.

    Returns:
        A message that says what was done.

    Raises:
        FetchError: no mirror has the file, its checksum is wrong, or it cannot be written.
    """
    target = (root if file.base == "data" else Path(torch.hub.get_dir()) / "checkpoints") / file.path
    try:
        if file.members and all(matches(root / path, checksum) for path, checksum in file.members):
            return f"{file.name} was already unpacked in {root}"
        is_present = matches(target, file.checksum)
        if not is_present:
            target.parent.mkdir(parents=True, exist_ok=True)
            _download(file, target, report)
        if file.members:
            _unpack(file, target, root)
    except OSError as error:
        raise FetchError(f"cannot write {target}: {error}") from error
    return f"{target} was already there" if is_present else f"downloaded {target}"


def matches(path: Path, checksum: str) -> bool:
    """Whether the file exists and has this checksum."""
    return path.is_file() and _digest(path, checksum) == checksum.partition(":")[2]


def _digest(path: Path, checksum: str) -> str:
    with path.open("rb") as file:
        # Without the flag, md5 fails on machines in FIPS mode.
        return hashlib.file_digest(
            file, partial(hashlib.new, checksum.partition(":")[0], usedforsecurity=False)
        ).hexdigest()


def _download(file: File, target: Path, report: Callable[[str], None]) -> None:
    """Download `target` from the first mirror that has the right file. It appears only when it is complete."""
    errors = []
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as folder:
        part = Path(folder) / "part"
        for url in file.urls:
            report(f"{file.name}: downloading {url}")
            try:
                _copy(url, part)
            # An interrupted download raises HTTPException; a malformed address raises ValueError.
            except (OSError, http.client.HTTPException, ValueError) as error:
                errors.append(f"could not download {url}: {error}")
                continue
            if not matches(part, file.checksum):
                errors.append(
                    f"{url} gave a file with a wrong checksum, which was discarded: "
                    f"expected {file.checksum}, got {_digest(part, file.checksum)}"
                )
                continue
            part.replace(target)
            return
    raise FetchError(f"{file.name}: " + "; ".join(errors))


def _copy(url: str, path: Path) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "ae-bench"})  # some mirrors reject Python's default
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response, path.open("wb") as part:
        shutil.copyfileobj(response, part, CHUNK)


def _unpack(file: File, archive: Path, root: Path) -> None:
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(root, filter="data")  # rejects paths outside the folder, devices and links
    except tarfile.TarError as error:
        raise FetchError(f"cannot unpack {archive}: {error}") from error
    broken = [path for path, checksum in file.members if not matches(root / path, checksum)]
    if broken:
        raise FetchError(f"{archive} was unpacked, but these files are missing or corrupt: {', '.join(broken)}")


def fetch_celeba(root: Path, report: Callable[[str], None] = lambda line: None) -> str:
    """Download CelebA from Google Drive. torchvision and gdown download, check and unpack it."""
    report("celeba: downloading 1.4 GB from Google Drive")
    try:
        CelebA(root, split="all", download=True)
    # gdown and its HTTP library raise their own types, which can only be imported if they are installed.
    except Exception as error:
        raise FetchError(
            f"could not download CelebA ({error}). It needs gdown: pip install ae-bench[celeba]. Google Drive also "
            f"limits downloads per day; or put img_align_celeba/ and list_eval_partition.txt into {root / 'celeba'}"
        ) from error
    # If the folder exists, torchvision assumes that it is complete.
    listed = len((root / "celeba" / "list_eval_partition.txt").read_text("ascii").split()) // 2
    present = sum(1 for _ in (root / "celeba" / "img_align_celeba").iterdir())
    if present < listed:
        raise FetchError(f"celeba/img_align_celeba has {present:,} of {listed:,} images: remove it and fetch again")
    return f"{root / 'celeba'} is complete"
