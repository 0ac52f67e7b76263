"""Many JSON files as frames, fast: what was made of each file is kept, in columns, for as long as the file stays.

The files are the truth.  An index is made from them, is never the only copy of anything, and may be deleted, be
broken or be forbidden to be written: reading then takes longer, and gives the same.
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

FORMAT = 1  # of this file's arrays
WORTH = 200  # new files from which on an index is written: a small folder needs none, and stays as it is
CHUNK = 2000  # files that are turned into a frame at a time
FILE = "_file"  # column: number of the file that a row came from
Row = dict[str, Any]
Array = np.ndarray[Any, Any]


def frames(
    folder: Path, version: str, names: Sequence[str], rows: Callable[[Path], dict[str, list[Row]] | None], wanted: str
) -> DataFrame:
    """One kind of rows of all files of a folder, in the order of the file names.

    Args:
        folder: where the *.json files lie; the index lies beside them, hidden.
        version: of what `rows` makes; an index of another version is not used.
        names: the kinds of rows.
        rows: file -> its rows of each kind, or None for a file that is no use.
        wanted: which kind.

    Raises:
        Whatever `rows` raises.
    """
    files = _files(folder)
    old = _load(folder, version, wanted)
    known = {name: (i, *stamp) for i, (name, stamp) in enumerate(old[0].items())} if old else {}
    fresh = [name for name, stamp in files.items() if known.get(name, (None,))[1:] != stamp]
    order = {name: position for position, name in enumerate(files)}
    parts, made = _make(folder, fresh, order, names, rows)
    if old:
        # Rows of files that are unchanged, renumbered; those of files that changed or are gone fall out.
        changed = set(fresh)
        numbers = np.array([-1 if n in changed else order.get(n, -1) for n in old[0]], dtype=np.int64)
        kept = old[1]
        kept[FILE] = numbers[kept[FILE].to_numpy()] if len(kept) else []
        if changed or len(numbers) != len(files):
            kept = kept[kept[FILE] >= 0]
        parts[wanted].insert(0, kept)
    found = _join(parts[wanted])
    if old is None and len(made) >= WORTH:
        _save(folder, version, {n: files[n] for n in made}, order, {kind: _join(parts[kind]) for kind in names})
    elif old and len(fresh) >= max(WORTH, len(files) // 50):
        # Kinds that were not asked for are read from their own columns only now that they must be written.
        for name in [n for n in names if n != wanted]:
            other = _load(folder, version, name)
            if other is None:
                return found.drop(columns=FILE)
            other[1][FILE] = numbers[other[1][FILE].to_numpy()] if len(other[1]) else []
            parts[name].insert(0, other[1][other[1][FILE] >= 0])
        good = {n: stamp for n, stamp in files.items() if n not in set(fresh) - set(made)}
        _save(folder, version, good, order, {kind: _join(parts[kind]) for kind in names})
    return found.drop(columns=FILE)


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """Name -> (modification time, size) of every JSON file that is not hidden, by name."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.endswith(".json") and entry.name[0] != "."]
    except OSError:
        return {}
    found = {}
    for name in sorted(names):
        try:
            stat = os.stat(f"{folder}/{name}")
        except OSError:  # removed meanwhile, or a dangling link
            continue
        found[name] = (stat.st_mtime_ns, stat.st_size)
    return found


def _make(
    folder: Path,
    fresh: Sequence[str],
    order: dict[str, int],
    names: Sequence[str],
    rows: Callable[[Path], dict[str, list[Row]] | None],
) -> tuple[dict[str, list[DataFrame]], list[str]]:
    parts: dict[str, list[DataFrame]] = {kind: [] for kind in names}
    made = []
    for at in range(0, len(fresh), CHUNK):
        chunk: dict[str, list[Row]] = {kind: [] for kind in names}
        for name in fresh[at : at + CHUNK]:
            found = rows(folder / name)
            if found is None:
                continue
            made.append(name)
            for kind in names:
                chunk[kind] += [{**row, FILE: order[name]} for row in found[kind]]
        for kind in names:
            parts[kind].append(DataFrame(chunk[kind]))
    return parts, made


def _join(parts: list[DataFrame]) -> DataFrame:
    """Rows of all parts by file, columns in the order in which rows first have a value in them."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return DataFrame({FILE: np.array([], dtype=np.int64)})
    whole = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
    numbers = whole[FILE].to_numpy()
    if (np.diff(numbers) < 0).any():
        whole = whole.iloc[np.argsort(numbers, kind="stable")]
    whole = whole.reset_index(drop=True)
    if len(parts) > 1:
        first = {name: position for name in whole if (position := whole[name].first_valid_index()) is not None}
        whole = whole[sorted(whole, key=lambda name: first.get(name, len(whole)))]
    return whole


# --- on disk: one .npz per kind; numbers as they are, everything else as codes into a list of JSON values


def _path(folder: Path, kind: str) -> Path:
    return folder / f".index-{kind}.npz"


def _save(
    folder: Path,
    version: str,
    files: dict[str, tuple[int, int]],
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
                np.savez(file, head=_bytes(head), **arrays)
            temporary.replace(_path(folder, kind))
        except OSError:  # read-only, or full: there is none, then
            return
        finally:
            try:
                temporary.unlink(missing_ok=True)
            except OSError:
                pass


def _load(folder: Path, version: str, kind: str) -> tuple[dict[str, tuple[int, int]], DataFrame] | None:
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
            files = {name: (int(time), int(size)) for name, (time, size) in head["files"].items()}
            return files, DataFrame(columns)
    except Exception:  # numpy and zipfile raise many kinds for a broken file
        return None


def _bytes(value: Any) -> Array:
    return np.frombuffer(json.dumps(value).encode(), dtype=np.uint8)
