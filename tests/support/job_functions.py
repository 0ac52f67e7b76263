"""Functions that SLURM jobs call.  Jobs import this module, so it imports no torch."""

import os
import signal
import time
from collections.abc import Generator
from pathlib import Path


def leave(x: int, *, folder: Path) -> int:
    """Write the square of x to a file, as a run writes a record."""
    temporary = folder / f"{x}.tmp"
    temporary.write_text(str(x * x))
    temporary.replace(folder / f"{x}.txt")
    return x * x


def die_once(x: int, *, folder: Path) -> int:
    if x == 2 and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return leave(x, folder=folder)


def die(x: int, *, folder: Path) -> int:
    if x == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return leave(x, folder=folder)


def slow(x: int, *, folder: Path) -> int:
    time.sleep(3)
    return leave(x, folder=folder)


def meet_in_turns(x: int, *, folder: Path) -> Generator[bool, None, None]:
    """Wait, in turns, until all three items have started in the same process; then leave the result.

    Leave none if the other two have not started after a minute.
    """
    (folder / f"{x}.{os.getpid()}").touch()
    deadline = time.monotonic() + 60
    while len([*folder.glob(f"*.{os.getpid()}")]) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
        yield False
    if time.monotonic() < deadline:
        leave(x, folder=folder)
