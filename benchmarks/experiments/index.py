"""Many JSON files as frames, fast: what was made of each file is kept, in columns, for as long as the file stays.

The files are the truth.  An index is made from them, is never the only copy of anything, and may be deleted, be
broken or be forbidden to be written: reading then takes longer, and gives the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame

FORMAT = 1  # of this file's arrays
WORTH = 200  # new files from which on an index is written: a small folder needs none, and stays as it is
CHUNK = 2000  # files that are turned into a frame at a time
FILE = "_file"  # column: number of the file that a row came from
Row = dict[str, Any]
Array = np.ndarray[Any, Any]
Stamp = tuple[int, ...]  # of a file: modified and changed, ns, and size


def frames(
    folder: Path,
    version: str,
    kinds: Sequence[str],
    rows: Callable[[Path], dict[str, list[Row]] | None],
    wanted_kinds: Sequence[str],
    anew: bool = False,
) -> dict[str, DataFrame]:
    """The wanted kinds of rows of all files of a folder, in the order of the file names.

    Args:
        folder: where the *.json files lie; the index lies beside them, hidden.
        version: of what `rows` makes; an index of another version is not used.
        kinds: of rows that there are.
        rows: file -> its rows of each kind, or None for a file that is no use.
        wanted_kinds: some of the kinds.
        anew: do not use the index that is there.

    Raises:
        Whatever `rows` raises.
    """
    files = _files(folder)
    order = {name: position for position, name in enumerate(files)}
    old = None if anew else _old(folder, version, wanted_kinds, order)
    stamps = old[0] if old else {}
    fresh = [name for name, stamp in files.items() if stamps.get(name) != stamp]
    parts, made = _make(folder, fresh, order, kinds, rows)
    write = len(fresh) >= WORTH and len(made) >= max(WORTH, len(files) // 50)
    if old and write and len(wanted_kinds) < len(kinds):
        old = _old(folder, version, kinds, order)
        if old is None or old[0] != stamps:  # half an index, or one that somebody else has just written
            return frames(folder, version, kinds, rows, wanted_kinds, anew=True)
    for kind, frame in (old[1] if old else {}).items():
        stale = np.isin(frame[FILE], [order[name] for name in fresh])
        parts[kind].insert(0, frame[(frame[FILE].to_numpy() >= 0) & ~stale])
    if write:
        joined = {kind: _join(parts[kind]) for kind in kinds}
        useless = {*fresh} - {*made}
        _save(
            folder,
            version,
            {n: stamp for n, stamp in files.items() if n not in useless},
            order,
            joined,
        )
    else:
        joined = {kind: _join(parts[kind]) for kind in wanted_kinds}
    return {kind: joined[kind].drop(columns=FILE) for kind in wanted_kinds}


def _old(
    folder: Path, version: str, kinds: Sequence[str], order: dict[str, int]
) -> tuple[dict[str, Stamp], dict[str, DataFrame]] | None:
    """What is in the index: files with their stamps, and rows by the files' present places, -1 for files gone."""
    found = {kind: _load(folder, version, kind) for kind in kinds}
    there = [one for one in found.values() if one is not None]
    if len(there) < len(kinds) or any(one[0] != there[0][0] for one in there):
        return None
    files = there[0][0]
    places = np.array([order.get(name, -1) for name in files], dtype=np.int64)
    for _, frame in there:
        frame[FILE] = places[frame[FILE].to_numpy()]
    return files, dict(zip(kinds, (frame for _, frame in there), strict=True))


def _files(folder: Path) -> dict[str, Stamp]:
    """Name -> stamp of every JSON file that is not hidden, by name; copying may set the first of its times back."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.endswith(".json") and entry.name[0] != "."]
    except OSError:
        return {}
    found: dict[str, Stamp] = {}
    for name in sorted(names):
        try:
            stat = os.stat(f"{folder}/{name}")
        except OSError:  # removed meanwhile, or a dangling link
            continue
        found[name] = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size)
    return found


def _make(
    folder: Path,
    fresh: Sequence[str],
    order: dict[str, int],
    kinds: Sequence[str],
    rows: Callable[[Path], dict[str, list[Row]] | None],
) -> tuple[dict[str, list[DataFrame]], list[str]]:
    parts: dict[str, list[DataFrame]] = {kind: [] for kind in kinds}
    made = []
    for at in range(0, len(fresh), CHUNK):
        chunk: dict[str, list[Row]] = {kind: [] for kind in kinds}
        for name in fresh[at : at + CHUNK]:
            found = rows(folder / name)
            if found is None:
                continue
            made.append(name)
            for kind in kinds:
                chunk[kind] += [{**row, FILE: order[name]} for row in found[kind]]
        for kind in kinds:
            parts[kind].append(DataFrame(chunk[kind]))
    return parts, made


def _join(parts: list[DataFrame]) -> DataFrame:
    """Rows of all parts by file, columns in the order in which rows first have a value in them."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return DataFrame({FILE: np.array([], dtype=np.int64)})
    whole = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
    numbers = whole[FILE].to_numpy()
    if bool((np.diff(numbers) < 0).any()):
        whole = whole.iloc[np.argsort(numbers, kind="stable")]
    whole = whole.reset_index(drop=True)
    first = {name: _first(whole[name]) for name in whole}
    order = sorted(whole, key=lambda name: first[name])
    return whole if order == [*whole] else whole[order]


def _first(values: pd.Series[Any]) -> int:
    """The first row that has a value; the number of rows where none has."""
    for rows in (values.iloc[:1], values):  # nearly always the first row
        there = rows.notna().to_numpy()
        if there.any():
            return int(there.argmax())
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
                except TypeError:  # lists: nothing that a record's columns hold today
                    return
                arrays[f"c{i}"] = codes.astype(np.int32)
            columns.append(name)
        head = {"version": f"{FORMAT} {version}", "columns": columns, "files": files}
        temporary = folder / f".index-{kind}.{os.getpid()}.tmp"
        try:
            with temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays, head=_bytes(head))
            temporary.replace(_path(folder, kind))
        except OSError:  # read-only, or full: there is none, then
            return
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def _load(folder: Path, version: str, kind: str) -> tuple[dict[str, Stamp], DataFrame] | None:
    try:
        with np.load(_path(folder, kind), allow_pickle=False) as there:
            head = json.loads(there["head"].tobytes())
            if head["version"] != f"{FORMAT} {version}":
                return None
            columns: dict[str, Any] = {}
            for i, name in enumerate(head["columns"]):
                values = there[f"c{i}"]
                if f"u{i}" in there:
                    uniques = json.loads(there[f"u{i}"].tobytes())
                    values = np.array([*uniques, None], dtype=object)[values]
                columns[name] = values
            files = {name: tuple(map(int, stamp)) for name, stamp in head["files"].items()}
            return files, DataFrame(columns)
    except Exception:  # numpy and zipfile raise many kinds for a broken file
        return None


def _bytes(value: Any) -> Array:
    return np.frombuffer(json.dumps(value).encode(), dtype=np.uint8)
