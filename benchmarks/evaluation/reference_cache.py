"""Features and moments of real images, computed once on a machine and kept by content.

The key holds all that the numbers depend on, the device and the thread count included: what is read is what
would have been computed, bit for bit.  Many jobs may want the same file at once: one computes, the others wait.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from numpy.typing import NDArray

from benchmarks.data.fingerprint import digest
from benchmarks.data.readers import cache_folder
from benchmarks.evaluation.extractors import Extractor
from benchmarks.evaluation.metrics import Moments, moments
from benchmarks.training.device import device_name

FORMAT = 1  # of a kept file: raise it when features or moments are computed in another way


@dataclass(frozen=True, eq=False)
class Features:
    """Features of one set of images, and their moments on demand.

    Attributes:
        features: (n, d) float32.
        allow_few: accept n <= d, where the Fréchet distance is biased.
    """

    features: NDArray[np.float32]
    allow_few: bool = False

    @cached_property
    def moments(self) -> Moments:
        """Mean and covariance, float64."""
        return moments(self.features, allow_few=self.allow_few)

    def first(self, n: int) -> Features:
        """The first n of them."""
        return self if n == len(self.features) else Features(self.features[:n], self.allow_few)


def kept(
    what: dict[str, Any], extractor: Extractor, compute: Callable[[], NDArray[np.float32]], allow_few: bool = False
) -> Features:
    """Features from the user's cache, or computed and kept there.

    Args:
        what: JSON values that name the images and how they were prepared.
        extractor: of features; its name and weights become part of the key.
        compute: called where they are not there.
        allow_few: as `Features`.
    """
    versions = [torch.__version__, np.__version__, PIL.__version__]  # Pillow decodes, resizes and compresses
    place = [device_name(extractor.device), torch.get_num_threads(), *versions]
    key = digest([FORMAT, what, extractor.name, extractor.backend, extractor.weights, extractor.dims, place])
    path = cache_folder() / "features" / f"{key}.npz"
    found = _read(path, extractor.dims, allow_few)
    if found is not None:
        return found
    with _alone(path):
        found = _read(path, extractor.dims, allow_few)  # another process may have been faster
        if found is not None:
            return found
        made = Features(compute(), allow_few)
        _write(path, made, what)
        return made


def _read(path: Path, dims: int, allow_few: bool) -> Features | None:
    """What is kept; None where there is none, or a broken one."""
    try:
        with np.load(path, allow_pickle=False) as file:  # a zip: each array is checked against its checksum
            features, mean, cov = file["features"], file["mean"], file["cov"]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None
    if features.ndim != 2 or features.shape[1] != dims or mean.shape != (dims,) or cov.shape != (dims, dims):
        return None
    found = Features(features, allow_few)
    found.__dict__["moments"] = Moments(mean, cov, len(features))  # where cached_property looks
    return found


def _write(path: Path, made: Features, what: dict[str, Any]) -> None:
    """By rename, so that nobody reads half a file; a cache that cannot be written is no error."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            temporary = Path(file.name)
            try:
                m = made.moments
                about = np.frombuffer(json.dumps(what, sort_keys=True).encode(), np.uint8)  # for people who look
                np.savez(file, features=made.features, mean=m.mean, cov=m.cov, about=about)
                file.close()
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)  # there only if something went wrong


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock on a file to be; without one where the file system or the machine has none.

    A lock ends with its process, however that ends; at worst two processes compute the same file.
    """
    try:
        import fcntl  # not on Windows

        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o666)
    except (ImportError, OSError):
        yield
        return
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
