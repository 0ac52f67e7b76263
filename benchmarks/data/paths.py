"""Folders of data and caches, and messages about missing files. This module does not import torch."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from platformdirs import user_cache_path

from benchmarks import environment


class DataError(ValueError):
    """Data are missing or corrupt. The message names the file and says how to get it."""


def cache_folder() -> Path:
    """The cache folder of this project: $AE_BENCH_CACHE, or a folder in the user's cache."""
    return environment.cache_folder() or user_cache_path("ae-bench", appauthor=False)


def find_cache_problem() -> str | None:
    """Why nothing can be written into the cache folder; None if it can. Runs do without a cache, but take longer."""
    folder = cache_folder().absolute()
    nearest = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if os.path.isdir(nearest) and os.access(nearest, os.W_OK | os.X_OK):
        return None
    reason = f"no permission in {nearest}" if os.path.isdir(nearest) else f"{nearest} is not a folder"
    return (f"the cache folder {folder} cannot be written: {reason}. Each process computes features "
            "of reference images and prepared images again. "
            f"Set {environment.CACHE_VARIABLE} to another folder")  # fmt: skip


def data_root(root: Path | None) -> Path:
    """The data root; None means the folder `data` in the user's cache."""
    return user_cache_path("ae-bench", appauthor=False) / "data" if root is None else root


def find_file(root: Path, name: str) -> Path | None:
    """Find a file or folder under the data root, or return None. An IDX file may be gzipped."""
    names = (name, f"{name}.gz") if name.endswith("-ubyte") else (name,)
    return next((root / name for name in names if (root / name).exists()), None)


def shown_path(root: Path | None, name: str = "") -> str:
    """The absolute path of a file under the data root, for messages; `Job.without_paths` keeps it out of records."""
    return str(data_root(root).absolute() / name)


def missing(root: Path | None, name: str, get: str) -> str:
    """The message for a file that is not under the data root."""
    return f"{shown_path(root, name)} is missing. {hint(root, get)}"


def missing_dataset(dataset: str, root: Path | None, absent: Sequence[str], get: str) -> str:
    """The message for a data set of which some files are not under the data root."""
    files = f"{absent[0]} and {len(absent) - 1} more are" if len(absent) > 1 else f"{absent[0]} is"
    return f"the data set {dataset} is not in {shown_path(root)}: {files} missing. {hint(root, get)}"


def hint(root: Path | None, get: str) -> str:
    """How to get the files of a data set: the end of every message about one."""
    is_default = root is None or environment.data_folder() == root
    option = "" if is_default or " fetch " not in get else f" --data-root {shlex.quote(shown_path(root))}"
    return f"Get it: {get}{option}; or name another data root by --data-root or AE_BENCH_DATA"
