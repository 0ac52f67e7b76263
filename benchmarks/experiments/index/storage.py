"""The index on disk: a zip file of arrays per kind of rows, of which single columns can be read.

A column has its values and a mask of the rows that have one. A column that does not only hold numbers has its distinct
values as JSON, and indices into them.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.experiments.index.columns import Array, Column
from benchmarks.experiments.index.rows import Rows
from benchmarks.files.reading import check_regular
from benchmarks.files.writing import replacing

FORMAT = 2  # of this file's arrays
COMPRESSION_LEVEL = 1  # of zlib; higher levels take longer and gain little
Stamp = tuple[int, int, int]  # of a file: times of modification and of metadata change (ns), and size
Scalars = list[bool | int | float | str | None]


class Head(msgspec.Struct):
    """What an index begins with: the version of its rows, and the stamp of each file."""

    version: str
    files: dict[str, Stamp]


def index_path(folder: Path, kind: str) -> Path:
    """The index of one kind of rows."""
    return folder / f".index-{kind}.npz"


def save_kind(folder: Path, version: str, kind: str, files: Mapping[str, Stamp], rows: Rows) -> bool:
    """Write the index of one kind of rows, whole or not at all.

    Args:
        folder: of the index.
        version: of the rows.
        kind: of the rows.
        files: name -> stamp of the files that the rows are from, in their order.
        rows: of these files.

    Returns:
        Whether it was written: the folder may be read-only, or the disk full.
    """
    try:
        with replacing(index_path(folder, kind)) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            head = {"version": f"{FORMAT} {version}", "files": files}
            _write(archive, "head", _bytes(head))
            _write(archive, "counts", rows.counts)
            for part in ("shared", "own"):
                columns: dict[str, Column] = getattr(rows, part)
                _write(archive, part, _bytes([*columns]))
                for i, column in enumerate(columns.values()):
                    _write_column(archive, f"{part}-{i}", column)
    except OSError:
        return False
    return True


def load_kind(
    folder: Path, version: str, kind: str, wanted: Callable[[str], bool] | None = None
) -> tuple[dict[str, Stamp], Rows] | None:
    """Load the index of one kind of rows.

    Args:
        folder: of the index.
        version: of the rows.
        kind: of the rows.
        wanted: which columns to load; None: all.

    Returns:
        Stamp of each file, and the rows of all files; None if the index is missing, broken or of another version.
    """
    try:
        path = index_path(folder, kind)
        check_regular(path, path.stat())
        with np.load(path, allow_pickle=False) as arrays:
            head = msgspec.json.decode(arrays["head"].tobytes(), type=Head)
            if head.version != f"{FORMAT} {version}":
                return None
            counts = _check(arrays["counts"], "i")
            if len(counts) != len(head.files) or bool((counts < 0).any()):
                return None
            parts = [
                {
                    name: _read_column(arrays, f"{part}-{i}", n)
                    for i, name in enumerate(msgspec.json.decode(arrays[part].tobytes(), type=list[str]))
                    if wanted is None or wanted(name)
                }
                for part, n in (("shared", len(counts)), ("own", int(counts.sum())))
            ]
    except Exception:  # numpy and zipfile raise many kinds for a broken file
        return None
    return head.files, Rows(counts, *parts)


def _write_column(archive: zipfile.ZipFile, name: str, column: Column) -> None:
    _write(archive, f"{name}-values", column.values)
    if column.known is not None:
        _write(archive, f"{name}-known", column.known)
    if column.uniques is not None:
        _write(archive, f"{name}-uniques", _bytes(column.uniques))


def _read_column(arrays: Any, name: str, length: int) -> Column:
    known = arrays.get(f"{name}-known")
    uniques = None
    if f"{name}-uniques" in arrays:
        uniques = msgspec.json.decode(arrays[f"{name}-uniques"].tobytes(), type=Scalars)
    values = _check(arrays[f"{name}-values"], "if" if uniques is None else "i")
    column = Column(known, values, uniques, length)
    if len(values) != (length if known is None else int(column.mask.sum())):
        raise ValueError(f"{name} has {len(values)} values")
    if uniques is not None and len(values) and not 0 <= values.min() <= values.max() < len(uniques):
        raise ValueError(f"{name} has a value that is not among the different ones")
    return column


def _check(array: Array, kinds: str) -> Array:
    """Raise ValueError unless an array has one axis and a type of these kinds, as `numpy.dtype.kind` names them."""
    if array.ndim != 1 or array.dtype.kind not in kinds:
        raise ValueError(f"an array of {array.dtype} with {array.ndim} axes")
    return array


def _write(archive: zipfile.ZipFile, name: str, array: Array) -> None:
    with io.BytesIO() as file:
        np.lib.format.write_array(file, array, allow_pickle=False)
        # Measured numbers have too many digits to shrink
        method = zipfile.ZIP_STORED if array.dtype == np.float64 else zipfile.ZIP_DEFLATED
        archive.writestr(f"{name}.npy", file.getvalue(), method, COMPRESSION_LEVEL)


def _bytes(value: Any) -> Array:
    return np.frombuffer(json.dumps(value).encode(), dtype=np.uint8)
