"""Run code without the privileges of root, who may read and write everything."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def without_privileges(folder: Path) -> Iterator[None]:
    """In the block, this process may not do more than the owner of a folder, also if it is root's.

    Modules that the block needs must have been imported: another user may not read this checkout.
    """
    if os.geteuid():
        yield
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
