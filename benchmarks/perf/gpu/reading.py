"""Read the records of a folder."""

from __future__ import annotations

import warnings
from pathlib import Path

import msgspec

from benchmarks.files.gpu_speed import GpuSpeedRecord
from benchmarks.files.reading import InvalidFile, check, list_files, read_json


def read_record(path: Path) -> GpuSpeedRecord | None:
    """The record in a file; None if there is no file or it is not a valid record."""
    try:
        value = read_json(path)
        check(value, GpuSpeedRecord)
    except FileNotFoundError:
        return None
    except (OSError, InvalidFile) as reason:
        warnings.warn(f"{path}: not a valid record, so it is ignored ({reason})", stacklevel=2)
        return None
    return msgspec.convert(value, GpuSpeedRecord)


def read_records(folder: Path) -> list[GpuSpeedRecord]:
    """All valid records of a folder, sorted by file name.

    Raises:
        OSError: the folder exists and cannot be read.
    """
    found = (read_record(folder / name) for name in list_files(folder, ".json"))
    return [record for record in found if record is not None]
