"""Read many JSON files as data frames, fast: an index keeps the rows of each file until the file changes.

The index is a cache. If it is deleted, broken or cannot be written, reading takes longer and gives the same frames.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame

from benchmarks.files.reading import list_files
from benchmarks.files.writing import replacing

FORMAT = 1  # of this file's arrays
MIN_NEW_FILES = 200  # with fewer new files no index is written: a small folder needs none
CHUNK = 2000  # files that are turned into a frame at a time
FILE = "_file"  # column: number of the file that a row came from
Row = dict[str, Any]
Array = np.ndarray[Any, Any]
Stamp = tuple[int, ...]  # of a file: times of modification and of metadata change (ns), and size


def frames(
    folder: Path,
    version: str,
    kinds: Sequence[str],
    rows: Callable[[Path], dict[str, list[Row]] | None],
    requested_kinds: Sequence[str],
    rebuild: bool = False,
) -> dict[str, DataFrame]:
    """Rows of some kinds of all files of a folder, in the order of the file names.

    Args:
        folder: folder of the *.json files; the index is written into it, hidden.
        version: of the rows; an index of another version is not used.
        kinds: all kinds of rows.
        rows: file -> its rows of each kind, or None if the file cannot be used.
        requested_kinds: kinds to return.
        rebuild: do not use an existing index.

    Raises:
        OSError: the folder exists and cannot be read.
        Whatever `rows` raises.
    """
    files = _files(folder)
    order = {name: position for position, name in enumerate(files)}
    loaded = None if rebuild else _load_index(folder, version, requested_kinds, order)
    stamps = loaded[0] if loaded else {}
    changed = [name for name, stamp in files.items() if stamps.get(name) != stamp]
    parts, used = _read_files(folder, changed, order, kinds, rows)
    write = len(changed) >= MIN_NEW_FILES and len(used) >= max(MIN_NEW_FILES, len(files) // 50)
    if loaded and write and len(requested_kinds) < len(kinds):
        loaded = _load_index(folder, version, kinds, order)
        if loaded is None or loaded[0] != stamps:  # incomplete, or written by another process just now
            return frames(folder, version, kinds, rows, requested_kinds, rebuild=True)
    for kind, frame in (loaded[1] if loaded else {}).items():
        stale = np.isin(frame[FILE], [order[name] for name in changed])
        parts[kind].insert(0, frame[(frame[FILE].to_numpy() >= 0) & ~stale])
    if write:
        joined = {kind: _join(parts[kind]) for kind in kinds}
        unused = {*changed} - {*used}
        _save(
            folder,
            version,
            {n: stamp for n, stamp in files.items() if n not in unused},
            order,
            joined,
        )
    else:
        joined = {kind: _join(parts[kind]) for kind in requested_kinds}
    return {kind: joined[kind].drop(columns=FILE) for kind in requested_kinds}


def _load_index(
    folder: Path, version: str, kinds: Sequence[str], order: dict[str, int]
) -> tuple[dict[str, Stamp], dict[str, DataFrame]] | None:
    """Load the index: stamps by file, and rows with the current number of their file (-1 if it was removed)."""
    loaded = [entry for kind in kinds if (entry := _load_kind(folder, version, kind)) is not None]
    if len(loaded) < len(kinds) or any(files != loaded[0][0] for files, _ in loaded):
        return None
    files = loaded[0][0]
    numbers = np.array([order.get(name, -1) for name in files], dtype=np.int64)
    for _, frame in loaded:
        frame[FILE] = numbers[frame[FILE].to_numpy()]
    return files, dict(zip(kinds, (frame for _, frame in loaded), strict=True))


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
    folder: Path,
    changed: Sequence[str],
    order: dict[str, int],
    kinds: Sequence[str],
    rows: Callable[[Path], dict[str, list[Row]] | None],
) -> tuple[dict[str, list[DataFrame]], list[str]]:
    parts: dict[str, list[DataFrame]] = {kind: [] for kind in kinds}
    used = []
    for start in range(0, len(changed), CHUNK):
        chunk: dict[str, list[Row]] = {kind: [] for kind in kinds}
        for name in changed[start : start + CHUNK]:
            rows_by_kind = rows(folder / name)
            if rows_by_kind is None:
                continue
            used.append(name)
            for kind in kinds:
                chunk[kind] += [{**row, FILE: order[name]} for row in rows_by_kind[kind]]
        for kind in kinds:
            parts[kind].append(DataFrame(chunk[kind]))
    return parts, used


def _join(parts: list[DataFrame]) -> DataFrame:
    """Concatenate parts, with rows in the order of files, and columns in the order in which rows first have a value."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return DataFrame({FILE: np.array([], dtype=np.int64)})
    joined = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
    numbers = joined[FILE].to_numpy()
    if bool((np.diff(numbers) < 0).any()):
        joined = joined.iloc[np.argsort(numbers, kind="stable")]
    joined = joined.reset_index(drop=True)
    first = {name: _first_row_with_value(joined[name]) for name in joined}
    order = sorted(joined, key=lambda name: first[name])
    return joined if order == [*joined] else joined[order]


def _first_row_with_value(values: pd.Series[Any]) -> int:
    """The first row that has a value; the number of rows if none has."""
    for rows in (values.iloc[:1], values):  # nearly always the first row
        has_value = rows.notna().to_numpy()
        if has_value.any():
            return int(has_value.argmax())
    return len(values)


# --- on disk: one .npz per kind; numbers as they are, everything else as codes into a list of JSON values


def _path(folder: Path, kind: str) -> Path:
    return folder / f".index-{kind}.npz"


def _save(
    folder: Path,
    version: str,
    files: dict[str, Stamp],
    order: dict[str, int],
    kinds: dict[str, DataFrame],
) -> None:
    numbers = np.full(len(order), -1, dtype=np.int64)
    numbers[[order[name] for name in files]] = np.arange(len(files))
    for kind, frame in kinds.items():
        columns = []
        arrays: dict[str, Array] = {}
        for i, name in enumerate(frame):
            values = frame[name]
            if name == FILE:
                arrays[f"c{i}"] = numbers[values.to_numpy()]
            elif values.dtype.kind in "ifb":
                arrays[f"c{i}"] = values.to_numpy()
            else:
                try:
                    codes, uniques = pd.factorize(values)
                    arrays[f"u{i}"] = _bytes([*uniques])
                except TypeError:  # lists, which no column holds at present
                    return
                arrays[f"c{i}"] = codes.astype(np.int32)
            columns.append(name)
        head = {"version": f"{FORMAT} {version}", "columns": columns, "files": files}
        try:
            with replacing(_path(folder, kind)) as temporary, temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays, head=_bytes(head))
        except OSError:  # a read-only folder, or a full disk
            return


def _load_kind(folder: Path, version: str, kind: str) -> tuple[dict[str, Stamp], DataFrame] | None:
    try:
        with np.load(_path(folder, kind), allow_pickle=False) as arrays:
            head = json.loads(arrays["head"].tobytes())
            if head["version"] != f"{FORMAT} {version}":
                return None
            columns: dict[str, Any] = {}
            for i, name in enumerate(head["columns"]):
                values = arrays[f"c{i}"]
                if f"u{i}" in arrays:
                    uniques = json.loads(arrays[f"u{i}"].tobytes())
                    values = np.array([*uniques, None], dtype=object)[values]
                columns[name] = values
            files = {name: tuple(map(int, stamp)) for name, stamp in head["files"].items()}
            return files, DataFrame(columns)
    except Exception:  # numpy and zipfile raise many kinds for a broken file
        return None


def _bytes(value: Any) -> Array:
    return np.frombuffer(json.dumps(value).encode(), dtype=np.uint8)
