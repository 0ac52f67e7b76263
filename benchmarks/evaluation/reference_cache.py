"""Features and moments of reference images, computed once per machine and cached by content.

The key holds everything that the numbers depend on, including the device and the number of threads.  So a cached array
equals the computed one, bit for bit.  If several jobs need the same file at once, one computes it and the others wait.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from numpy.typing import NDArray

from benchmarks.data.array_files import read_arrays
from benchmarks.data.fingerprint import digest
from benchmarks.data.paths import DataError, cache_folder
from benchmarks.evaluation.extractors import Extractor
from benchmarks.evaluation.metrics import FeatureSet, Moments
from benchmarks.training.device import device_name

FORMAT = 2  # of a cache file: raise it when features or moments are computed in another way


def cached_features(
    image_key: dict[str, Any],
    extractor: Extractor,
    compute: Callable[[], NDArray[np.float32]],
    allow_few: bool = False,
) -> FeatureSet:
    """Features from the user's cache, or computed and cached.

    Args:
        image_key: JSON values that identify the images and how they were transformed.
        extractor: of features; its name and weights are part of the key.
        compute: called if the cache does not hold the features.
        allow_few: as `FeatureSet`.
    """
    versions = [torch.__version__, np.__version__, PIL.__version__]  # Pillow decodes, resizes and compresses
    environment = [device_name(extractor.device), torch.get_num_threads(), *versions]
    parts = [FORMAT, image_key, extractor.name, extractor.backend, extractor.weights, extractor.dims, environment]
    path = cache_folder() / "features" / f"{digest(parts)}.npz"
    features = _read(path, extractor.dims, allow_few)
    if features is not None:
        return features
    with file_lock(path.with_suffix(".lock")):
        features = _read(path, extractor.dims, allow_few)  # another process may have been faster
        if features is None:
            features = FeatureSet(compute(), allow_few)
            _write(path, features, image_key)
    return features


def _read(path: Path, dims: int, allow_few: bool) -> FeatureSet | None:
    """The content of a cache file; None if there is none, or a broken one."""
    try:
        arrays = read_arrays(path, path.name)  # a zip: each array is checked against its checksum
        features, mean, cov = arrays["features"], arrays["mean"], arrays["cov"]
    except (DataError, KeyError):
        return None
    if features.ndim != 2 or features.shape[1] != dims or mean.shape != (dims,) or cov.shape != (dims, dims):
        return None
    feature_set = FeatureSet(features, allow_few)
    feature_set.__dict__["moments"] = Moments(mean, cov, len(features))  # where cached_property looks
    return feature_set


def _write(path: Path, features: FeatureSet, image_key: dict[str, Any]) -> None:
    """Write by rename, so that nobody reads half a file.  A cache that cannot be written is no error."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            temporary = Path(file.name)
            try:
                m = features.moments
                description = np.frombuffer(json.dumps(image_key, sort_keys=True).encode(), np.uint8)  # for people
                np.savez(file, features=features.features, mean=m.mean, cov=m.cov, image_key=description)
                file.close()
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)  # it exists only after an error


@contextlib.contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold a lock. Without locks on the file system or the machine, two processes may compute the same.

    The kernel releases the lock when its process ends, however that ends. The package filelock calls the same flock(2),
    but polls for it. On file systems without flock its versions differ: they raise an error, or leave a marker file
    that outlives a killed process. Guarding against both takes as much code as this.
    """
    try:
        import fcntl  # not on Windows

        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    except (ImportError, OSError):
        yield
        return
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
