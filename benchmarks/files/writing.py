"""Write files by rename: a reader, or a process that is killed, never sees or leaves half of a file."""

from __future__ import annotations

import json
import math
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from benchmarks.files.reading import check_regular


@contextmanager
def replacing(path: Path, suffix: str = ".tmp", sync: bool = False) -> Iterator[Path]:
    """A temporary path in the same folder, which replaces `path` when the block ends without an error.

    The name is unique on all hosts: a process number is not, as hosts and containers share folders. The file is not
    made by `tempfile`, whose mode 0600 would hide results from the rest of the group.

    Args:
        path: the final path; its folder exists.
        suffix: of the temporary name, for writers that choose a format by it.
        sync: wait until the content is on disk. Otherwise a power failure may leave a renamed file with holes.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}{suffix}")
    try:
        yield temporary
        if sync:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def appending(path: Path, truncate: bool = False) -> Iterator[TextIO]:
    """A text file, UTF-8, opened to add lines, or to write it anew. Never waits: a FIFO without a reader is an error.

    Raises:
        NotRegularFile: the path is something else than a file.
        OSError: it cannot be opened.
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if truncate else os.O_APPEND) | getattr(os, "O_NONBLOCK", 0)
    with open(os.open(path, flags, 0o666), "w", encoding="utf-8", errors="backslashreplace") as file:
        check_regular(path, os.fstat(file.fileno()))
        yield file


def write_text(path: Path, text: str) -> Path:
    r"""Write a text file, UTF-8, by rename; its folder is made where it is missing.

    A lone surrogate, which UTF-8 does not have, is written as ``\udc80``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, sync=True) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
    return path


def write_json(path: Path, value: Mapping[str, Any]) -> Path:
    """Write JSON by rename, as `finite` makes it; other control characters are escaped by JSON itself."""
    return write_text(path, json.dumps(finite(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def finite(value: Any) -> Any:
    r"""The same JSON value in what all JSON has: null for numbers that are not finite, ``\udc80`` for lone surrogates.

    A lone surrogate is a byte of a file name or of a message that is no UTF-8. Readers refuse it.
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, Mapping):
        return {finite(name): finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
