"""Identify a process across hosts."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any


def process_identity() -> dict[str, Any]:
    """Host, process space, process number and start time of this process, and its SLURM job."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    job = f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID")
    restart = os.environ.get("SLURM_RESTART_COUNT", "")
    return {"host": socket.gethostname(), "space": process_space(), "pid": os.getpid(), "born": start_time(os.getpid()),
            "job": job, "restart": int(restart) if restart.isascii() and restart.isdigit() else 0}  # fmt: skip


@lru_cache
def process_space() -> str:
    """Boot and process name space: a process number means something only within them."""
    parts = []
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
    with suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def start_time(pid: int) -> str | None:
    """Start time of a process of this host in kernel ticks, as process numbers are reused; None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]  # a zombie has ended
