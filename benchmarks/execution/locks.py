"""The lock of a run: a file in runs/KEY with its owner and a heartbeat. A stale lock is taken over.

Launchers, workers and requeued jobs on several nodes share only a file system, so the lock is a file there. The package
filelock does not replace it. Its FileLock relies on flock, which some cluster file systems do not have or keep to one
node, and a suspended owner holds it forever. Its SoftFileLock needs no flock, but was still held 80 s after its owner
was killed. After a kill on the same host, this lock is free at once.  Otherwise it is free after `STALE_SECONDS`; 60 s
were measured for an owner on another host that was killed or suspended.
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
from benchmarks.files import reading
from benchmarks.files.launch import Claim
from benchmarks.files.writing import appending

HEARTBEAT_SECONDS = 5.0  # between two updates of a lock file
STALE_SECONDS = 60.0  # without an update, after which a lock is stale
LOCK_FILE = "claim.json"


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Make a folder and hold its lock while the block runs. Yields False if another process holds the lock.

    The lock file names host, process, SLURM job and time. Its modification time is the heartbeat.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK_FILE
    process = {**process_identity(), "token": uuid.uuid4().hex, "since": time.time()}
    if not _take_lock(path, process):
        yield False
        return

    def is_ours() -> bool:  # another process may have taken it over
        return bool((read(path) or {}).get("token") == process["token"])

    try:
        with heartbeat(path, is_ours):
            yield True
    finally:
        if is_ours():
            path.unlink(missing_ok=True)


@contextmanager
def heartbeat(path: Path, is_ours: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Show with a file's modification time, while the block runs, that this process is alive."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT_SECONDS):
            if is_ours():
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
    """The owner in a lock file; {} if the file is being written or is not valid, None if there is none."""
    try:
        owner = reading.read_json(path)
        reading.check(owner, Claim)
    except FileNotFoundError:
        return None
    except (OSError, reading.InvalidFile):
        return {}
    return dict(owner)


def is_locked(folder: Path, now: float | None = None) -> bool:
    """Whether a process works in a folder now.

    Args:
        folder: runs/KEY.
        now: the file system's time in seconds, from `clock`; None: ask for it.
    """
    path = folder / LOCK_FILE
    owner = read(path)
    return owner is not None and is_owner_alive(path, owner, now)


def is_owner_alive(path: Path, owner: Mapping[str, Any], now: float | None = None) -> bool:
    """Whether the process that owns a file with a `heartbeat` is alive.

    Args:
        path: the file.
        owner: the process, as `process_identity` describes it.
        now: as for `is_locked`.
    """
    if has_owner_ended(owner):
        return False
    if _is_on_this_host(owner):  # it is alive, but may be suspended
        return True
    with suppress(OSError):
        return (clock(path.parent) if now is None else now) - path.stat().st_mtime < STALE_SECONDS
    return False


def has_owner_ended(owner: Mapping[str, Any]) -> bool:
    """Whether a process is known to have ended: one of this host, or of an earlier start of this SLURM job."""
    if _is_on_this_host(owner):
        return bool(start_time(int(owner["pid"])) != owner["born"])
    process = process_identity()
    return (
        owner.get("job") is not None and owner["job"] == process["job"] and owner.get("restart", 0) < process["restart"]
    )


def _is_on_this_host(owner: Mapping[str, Any]) -> bool:
    """Whether a process is one of this host, so that its number can be looked up."""
    return bool(owner.get("host") == socket.gethostname() and owner.get("space") == process_space())


def clock(folder: Path) -> float:
    """The time in seconds by the clock that stamps this folder's files. It may differ from this machine's clock."""
    probe = folder / f".clock.{uuid.uuid4().hex}.tmp"
    try:
        probe.touch()
        return probe.stat().st_mtime
    except OSError:  # nothing can be written here
        return time.time()
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)


def _take_lock(path: Path, process: Mapping[str, Any]) -> bool:
    if _create_lock_file(path, process):
        return True
    # Only one process at a time may remove a stale lock, or one would remove the new lock of another.
    with appending(path.parent / ".claim.lock") as lock:
        # Without flock, two processes that do this within a millisecond may both succeed.
        with suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists() and not is_locked(path.parent):
            path.unlink(missing_ok=True)
        return _create_lock_file(path, process)


def _create_lock_file(path: Path, process: Mapping[str, Any]) -> bool:
    try:
        with path.open("x", encoding="utf-8") as file:
            json.dump(process, file)
    except FileExistsError:
        return False
    return True
