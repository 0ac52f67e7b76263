"""One archive of all records and tables of a folder, to be carried from the machine with the GPU."""

from __future__ import annotations

import zipfile
from pathlib import Path

from benchmarks.files.reading import list_files, read_bytes
from benchmarks.files.writing import replacing

ARCHIVE = "speed-gpu.zip"
MAX_BYTES = 16 * 2**20  # of the archive
SUFFIXES = (".md", ".csv", ".json")


def write_archive(folder: Path, max_bytes: int = MAX_BYTES) -> Path:
    """Write FOLDER/speed-gpu.zip with the tables and records of a folder. It has neither times nor users.

    Raises:
        ValueError: the archive would be larger than `max_bytes`. It is not written.
    """
    path = folder / ARCHIVE
    with replacing(path) as temporary:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in (name for suffix in SUFFIXES for name in list_files(folder, suffix)):
                member = zipfile.ZipInfo(name)  # of 1980, so that equal records give an equal archive
                member.compress_type, member.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                archive.writestr(member, read_bytes(folder / name, max_bytes))
        if temporary.stat().st_size > max_bytes:
            raise ValueError(f"{path} would be larger than {max_bytes / 2**20:.0f} MiB, so it is not written")
    return path
