"""The lock of a run: a file in runs/KEY with its owner and a heartbeat. A stale lock is taken over.

Launchers, workers and requeued jobs on several nodes share only a file system, so the lock is a file there. filelock
does not replace it. Its FileLock relies on flock, which some cluster file systems lack or keep to one node, and a
suspended owner holds it for ever. Its SoftFileLock needs no flock, but was still held 80 s after its owner was killed.
This lock is free at once after a kill on the same host, and after `STALE_SECONDS` in all other cases (60 s measured for
an owner on another host, killed or suspended).
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.experiments.process import process_identity, process_space, start_time

HEARTBEAT_SECONDS = 5.0  # seconds between two signs of life
STALE_SECONDS = 60.0  # seconds without one after which a claim is anybody's
LOCK_FILE = "claim.json"


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Hold the claim on a folder, which is made, while the block runs; False where somebody else holds it.

    The file names host, process, SLURM job and time; its modification time is the heartbeat.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK_FILE
    me = {**process_identity(), "token": uuid.uuid4().hex, "since": time.time()}
    if not _take(path, me):
        yield False
        return

    def ours() -> bool:  # it may have been taken over meanwhile, and that one beats for itself
        return bool((read(path) or {}).get("token") == me["token"])

    try:
        with heartbeat(path, ours):
            yield True
    finally:
        if ours():
            path.unlink(missing_ok=True)


@contextmanager
def heartbeat(path: Path, ours: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Show with a file's modification time, while the block runs, that this process is alive."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT_SECONDS):
            if ours():
                with suppress(OSError):
                    os.utime(path)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def read(path: Path) -> dict[str, Any] | None:
    """A claim as it was written, {} for one that is just being written, None where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def is_locked(folder: Path, now: float | None = None) -> bool:
    """Whether somebody is at work in a folder at this moment.

    Args:
        folder: runs/KEY.
        now: the file system's time, seconds, from `clock`; asked for where it is not given.
    """
    path = folder / LOCK_FILE
    owner = read(path)
    return owner is not None and is_owner_alive(path, owner, now)


def is_owner_alive(path: Path, owner: Mapping[str, Any], now: float | None = None) -> bool:
    """Whether a process lives that keeps a file `beating`.

    Args:
        path: the file.
        owner: the process, as its `whoami` said.
        now: as `alive`.
    """
    if has_owner_ended(owner):
        return False
    if _here(owner):  # alive for certain, though it may be suspended
        return True
    with suppress(OSError):
        return (clock(path.parent) if now is None else now) - path.stat().st_mtime < STALE_SECONDS
    return False


def has_owner_ended(owner: Mapping[str, Any]) -> bool:
    """Whether a process is known to have ended: it was on this host, or in an earlier run of this SLURM job."""
    if _here(owner):
        return bool(start_time(int(owner["pid"])) != owner["born"])
    me = process_identity()
    return owner.get("job") is not None and owner["job"] == me["job"] and owner.get("restart", 0) < me["restart"]


def _here(owner: Mapping[str, Any]) -> bool:
    """Whether a process was started where its number can be looked up."""
    return bool(owner.get("host") == socket.gethostname() and owner.get("space") == process_space())


def clock(folder: Path) -> float:
    """The time by the clock that stamps this folder's files, which need not be this machine's; seconds."""
    probe = folder / f".clock.{uuid.uuid4().hex}.tmp"
    try:
        probe.touch()
        return probe.stat().st_mtime
    except OSError:  # nothing can be written here
        return time.time()
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)


def _take(path: Path, me: Mapping[str, Any]) -> bool:
    if _create(path, me):
        return True
    # One at a time judges and removes a stale claim, or the second would remove the claim of the first.
    with (path.parent / ".claim.lock").open("a") as lock:
        # Where there are no locks, two takers within one millisecond are the risk left.
        with suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists() and not is_locked(path.parent):
            path.unlink(missing_ok=True)
        return _create(path, me)


def _create(path: Path, me: Mapping[str, Any]) -> bool:
    try:
        with path.open("x", encoding="utf-8") as file:
            json.dump(me, file)
    except FileExistsError:
        return False
    return True
