"""Results that are made once in a test run, however many processes it has."""

import os
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def shared_folder(session_folder: Path) -> Path:
    """The folder that all processes of a test run share.

    Args:
        session_folder: pytest's folder of this process; those of pytest-xdist's workers lie side by side.
    """
    return session_folder.parent if "PYTEST_XDIST_WORKER" in os.environ else session_folder


def make_once(folder: Path, make: Callable[[Path], object]) -> Path:
    """The folder, made by the first process that asks for it; the others wait for that one and read only."""
    with FileLock(folder.with_name(folder.name + ".lock")):
        if not folder.exists():
            unfinished = folder.with_name(folder.name + ".unfinished")
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(folder)
    return folder
