"""Where data and caches are, and the messages about files that are missing.  It imports no torch."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

ROOT = "<data root>"  # how messages name the data root: records must not depend on where data are


class DataError(ValueError):
    """Data that are missing or corrupt: the message names the file and how to get it."""


def cache_folder() -> Path:
    """The cache folder of this project: $AE_BENCH_CACHE, or a folder in the user's cache."""
    from_environment = os.environ.get("AE_BENCH_CACHE")
    return Path(from_environment) if from_environment else user_cache_path("ae-bench", appauthor=False)


def data_root(root: Path | None) -> Path:
    """The data root; None: a folder in the user's cache."""
    return user_cache_path("ae-bench", appauthor=False) / "data" if root is None else root


def find_file(root: Path, name: str) -> Path | None:
    """The file or folder of this name under the data root; an IDX file may be gzipped."""
    names = (name, f"{name}.gz") if name.endswith("-ubyte") else (name,)
    return next((root / name for name in names if (root / name).exists()), None)


def missing(name: str, get: str) -> str:
    """The message for a file that is not under the data root."""
    return f"{ROOT}/{name} is missing. {hint(get)}"


def hint(get: str) -> str:
    """How to get a file: the end of every message about one."""
    return f"Get it: {get}; or name another data root by --data-root or AE_BENCH_DATA"
