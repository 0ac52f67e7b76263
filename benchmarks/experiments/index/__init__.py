"""Read many JSON files as data frames, fast: an index keeps the rows of each file until the file changes.

The index is a cache. If it is deleted, broken or cannot be written, reading takes longer and gives the same frames.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.experiments.index.building import RowsBuilder
from benchmarks.experiments.index.rows import Rows, join_rows
from benchmarks.experiments.index.storage import Stamp, load_kind, save_kind
from benchmarks.files.reading import list_files

__all__ = ["MIN_NEW_FILES", "Rows", "SharedAndOwn", "Wanted", "read_rows"]

MIN_NEW_FILES = 200  # with fewer new files no index is written: a small folder needs none
SharedAndOwn = tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]  # what all rows of a file have, and its rows
ReadFile = Callable[[Path], Mapping[str, SharedAndOwn] | None]
Wanted = Callable[[str], bool] | None  # which columns; None: all


def read_rows(
    folder: Path,
    version: str,
    kinds: Sequence[str],
    read_file: ReadFile,
    requested: Mapping[str, Wanted],
    rebuild: bool = False,
) -> dict[str, Rows]:
    """Rows of some kinds of all files of a folder, in the order of the file names.

    Args:
        folder: folder of the *.json files; the index is written into it, hidden.
        version: of the rows; an index of another version is not used.
        kinds: all kinds of rows.
        read_file: file -> its rows of each kind, or None if the file cannot be used.
        requested: kind to return -> which of its columns are needed. Others may be returned, too.
        rebuild: do not use an existing index.

    Raises:
        OSError: the folder exists and cannot be read.
        Whatever `read_file` raises.
    """
    files = _files(folder)
    loaded = None if rebuild else _load_index(folder, version, requested)
    stamps = loaded[0] if loaded else {}
    changed = [name for name, stamp in files.items() if stamps.get(name) != stamp]
    used, new = _read_files(folder, changed, kinds, read_file)
    write = len(changed) >= MIN_NEW_FILES and len(used) >= max(MIN_NEW_FILES, len(files) // 50)
    if loaded and write:  # the new index needs all columns of the old one
        loaded = _load_index(folder, version, dict.fromkeys(kinds))
        if loaded is None or loaded[0] != stamps:  # incomplete, or written by another process just now
            return read_rows(folder, version, kinds, read_file, requested, rebuild=True)
    unchanged = {*stamps} & {*files} - {*changed}
    kept = np.array([i for i, name in enumerate(stamps) if name in unchanged], dtype=np.int64)
    names = [*(name for name in stamps if name in unchanged), *used]
    order = np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64)
    rows = {}
    for kind in kinds if write else requested:
        parts = [loaded[1].pop(kind).take(kept)] if loaded else []
        if used or not parts:
            parts.append(new.pop(kind))
        rows[kind] = join_rows(parts).take(order)
    if write:
        _save_index(folder, version, {names[i]: files[names[i]] for i in order}, rows)
    return {kind: rows[kind] for kind in requested}


def _load_index(
    folder: Path, version: str, requested: Mapping[str, Wanted]
) -> tuple[dict[str, Stamp], dict[str, Rows]] | None:
    """Load the index of some kinds: stamps by file, and the rows of all files."""
    loaded = {kind: entry for kind, wanted in requested.items()
              if (entry := load_kind(folder, version, kind, wanted)) is not None}  # fmt: skip
    if len(loaded) < len(requested):
        return None
    stamps = [files for files, _ in loaded.values()]
    if any(files != stamps[0] for files in stamps):
        return None
    return stamps[0], {kind: rows for kind, (_, rows) in loaded.items()}


def _files(folder: Path) -> dict[str, Stamp]:
    """Name -> stamp of every visible JSON file, by name. Copying a file may set its modification time back."""
    stamps: dict[str, Stamp] = {}
    for name in list_files(folder, ".json"):
        try:
            stat = os.stat(f"{folder}/{name}")
        except OSError:  # removed meanwhile, or a dangling link
            continue
        stamps[name] = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size)
    return stamps


def _read_files(
    folder: Path, changed: Sequence[str], kinds: Sequence[str], read_file: ReadFile
) -> tuple[list[str], dict[str, Rows]]:
    """The files that can be used, and their rows of each kind."""
    builders = {kind: RowsBuilder() for kind in kinds}
    used = []
    for name in changed:
        rows_by_kind = read_file(folder / name)
        if rows_by_kind is None:
            continue
        used.append(name)
        for kind, builder in builders.items():
            builder.add(*rows_by_kind[kind])
    return used, {kind: builder.finish() for kind, builder in builders.items()}


def _save_index(folder: Path, version: str, files: Mapping[str, Stamp], rows: Mapping[str, Rows]) -> None:
    """Write the index of all kinds; without one, nothing is lost but time."""
    for kind, some in rows.items():
        if not save_kind(folder, version, kind, files, some):
            return
