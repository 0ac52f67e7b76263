"""Limits for data files that somebody else wrote: regular files only, and only as large as memory allows.

This module does not import torch.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from benchmarks.data.paths import DataError
from benchmarks.files import reading
from benchmarks.files.reading import check_regular

CGROUPS = Path("/sys/fs/cgroup")


def require_regular(status: os.stat_result, shown: str) -> None:
    """Raise DataError unless this is the status of a regular file: reading a FIFO could wait forever."""
    try:
        check_regular(Path(shown), status)
    except OSError as error:
        raise DataError(f"cannot read {shown}: {error.strerror}") from error


def open_regular(path: Path, shown: str = "") -> BinaryIO:
    """Open a regular file for reading, without ever waiting for it.

    Args:
        path: the file; links are followed.
        shown: its name in messages; the path if it is empty.

    Raises:
        DataError: it cannot be opened, or is no regular file.
    """
    try:
        return reading.open_regular(path)
    except (OSError, ValueError) as error:  # a path with a null character is a ValueError
        raise DataError(f"cannot read {shown or path}: {getattr(error, 'strerror', None) or error}") from error


def available_memory() -> int | None:
    """Bytes that this process may still allocate: of the machine, its control group and its limits. None if unknown."""
    limits = [limit for limit in (_free_memory(), _free_in_control_group(), _free_address_space()) if limit is not None]
    return min(limits, default=None)


def require_memory(needed: int, shown: str) -> None:
    """Raise DataError if an array of `needed` bytes does not fit in memory.

    Args:
        needed: bytes.
        shown: the subject of the message.
    """
    available = available_memory()
    if available is not None and needed > available:
        raise DataError(f"{shown} needs {_gigabytes(needed)} of memory, but {_gigabytes(available)} are available")


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size < 10**18 else f"{size // 10**9:.1e} GB".replace("e+", "e")


def _free_memory() -> int | None:
    """The memory of the machine that is free or can be freed."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def _free_in_control_group() -> int | None:
    """What the limits of the control groups of this process leave, as SLURM and containers set them."""
    try:
        groups = [
            line.split(":", 2)
            for line in Path("/proc/self/cgroup").read_text(encoding="ascii", errors="replace").splitlines()
        ]
    except OSError:
        return None
    free = []
    for _, controllers, name in (group for group in groups if len(group) == 3):
        if controllers not in ("", "memory"):
            continue
        root, limit, used = (
            (CGROUPS / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
            if controllers
            else (CGROUPS, "memory.max", "memory.current")
        )
        folder = root / name.lstrip("/")
        for group in (folder, *folder.parents):
            if not group.is_relative_to(root):
                break
            try:
                maximum = int(
                    (group / limit).read_text(encoding="ascii", errors="replace")
                )  # "max" is no number: no limit
                cached = dict(
                    line.split()
                    for line in (group / "memory.stat").read_text(encoding="ascii", errors="replace").splitlines()
                )
                free.append(
                    maximum
                    - int((group / used).read_text(encoding="ascii", errors="replace"))
                    + int(cached.get("inactive_file", 0))
                )
            except (OSError, ValueError):
                continue
    return max(0, min(free)) if free else None


def _free_address_space() -> int | None:
    """What `ulimit -v` leaves."""
    try:
        import resource  # not on Windows

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        used = (
            int(Path("/proc/self/statm").read_text(encoding="ascii", errors="replace").split()[0])
            * resource.getpagesize()
        )
    except (ImportError, OSError, ValueError):
        return None
    return None if limit == resource.RLIM_INFINITY else max(0, limit - used)
