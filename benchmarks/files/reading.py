"""Read files that anybody may have written: regular files only, of bounded size, checked against their definition."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

MAX_JSON_BYTES = 64 * 2**20  # a record of 100,000 epochs takes 30 MiB
KINDS = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a FIFO",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}


class InvalidFile(ValueError):
    """A file whose content is not what its kind of file holds."""


class NotRegularFile(OSError):
    """A path that should be a file and is a folder, a FIFO, a socket or a device."""


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """The content of a regular file. Never waits: a FIFO without a writer is an error.

    Args:
        path: the file, or a link to it.
        max_bytes: the largest size that is read.

    Raises:
        FileNotFoundError: there is no such file.
        NotRegularFile: it is something else than a file.
        OSError: it cannot be read.
        InvalidFile: it is larger than `max_bytes`.
    """
    with open_regular(path) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise InvalidFile(f"larger than {max_bytes / 2**20:.0f} MiB")
    return content


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading, without ever waiting for it.

    Raises:
        FileNotFoundError: there is no such file.
        NotRegularFile: it is something else than a file.
        OSError: it cannot be opened.
    """
    check_regular(path, os.stat(path))  # before it is opened, as opening a device may have effects
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    file = os.fdopen(handle, "rb")
    try:
        check_regular(path, os.fstat(handle))  # it may have been replaced since
    except NotRegularFile:
        file.close()
        raise
    return file


def check_regular(path: Path, status: os.stat_result) -> None:
    """Raise `NotRegularFile` if a path, with the result of `os.stat` on it, is no regular file."""
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for is_kind, name in KINDS.items() if is_kind(status.st_mode)), "something else")
        raise NotRegularFile(errno.EINVAL, f"it is {kind}, expected a file", str(path))


def read_json(path: Path) -> Any:
    """The value in a JSON file.

    Raises:
        InvalidFile: it is not JSON, is nested too deeply, or has a number out of range; the message is the reason.
        OSError, InvalidFile: as `read_bytes`.
    """
    return decode_json(read_bytes(path, MAX_JSON_BYTES))


def decode_json(content: bytes | str) -> Any:
    """The value of a JSON text. Raises `InvalidFile` as `read_json` does."""
    try:
        return msgspec.json.decode(content)
    except RecursionError:
        raise InvalidFile("nested too deeply") from None
    except ValueError as reason:
        raise InvalidFile(str(reason)) from None


def check(value: Any, kind: Any) -> None:
    """Raise `InvalidFile` if a JSON value is not of a kind, which is a type of msgspec."""
    try:
        msgspec.convert(value, kind)
    except RecursionError:
        raise InvalidFile("nested too deeply") from None
    except ValueError as reason:  # msgspec.ValidationError: "Expected `int`, got `str` - at `$.seed`"
        raise InvalidFile(
            re.sub(r"`str` matching regex '.*?'(?= - at|$)", "a name of the allowed form", str(reason))
        ) from None


def list_files(folder: Path, suffix: str) -> list[str]:
    """Names of the visible entries of a folder that end with a suffix, sorted; [] if there is no folder.

    Raises:
        OSError: the folder exists and cannot be read. It must not be taken for an empty one.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.name.endswith(suffix) and entry.name[0] != ".")
    except FileNotFoundError:
        return []
