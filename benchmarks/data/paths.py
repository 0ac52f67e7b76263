"""Folders of data and caches, and messages about missing files. This module does not import torch."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

ROOT = "<data root>"  # the data root in messages, as records must not depend on paths of a machine


class DataError(ValueError):
    """Data are missing or corrupt. The message names the file and says how to get it."""


def cache_folder() -> Path:
    """The cache folder of this project: $AE_BENCH_CACHE, or a folder in the user's cache."""
    from_environment = os.environ.get("AE_BENCH_CACHE")
    return Path(from_environment) if from_environment else user_cache_path("ae-bench", appauthor=False)


def data_root(root: Path | None) -> Path:
    """The data root; None means the folder `data` in the user's cache."""
    return user_cache_path("ae-bench", appauthor=False) / "data" if root is None else root


def find_file(root: Path, name: str) -> Path | None:
    """Find a file or folder under the data root, or return None. An IDX file may be gzipped."""
    names = (name, f"{name}.gz") if name.endswith("-ubyte") else (name,)
    return next((root / name for name in names if (root / name).exists()), None)


def missing(name: str, get: str) -> str:
    """The message for a file that is not under the data root."""
    return f"{ROOT}/{name} is missing. {hint(get)}"


def hint(get: str) -> str:
    """How to get a file, for the end of a message."""
    return f"Get it: {get}. Or set another data root by --data-root or AE_BENCH_DATA"
