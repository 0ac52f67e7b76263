"""Memory of a process that trains on a CPU: freed tensors stay with the process."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import torch

TRAINING_VALUES = {-3: 1 << 28, -1: (1 << 31) - 1, -2: 1 << 26}  # glibc's M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD
DEFAULT_VALUES = {-3: 1 << 25, -1: 1 << 26, -2: 0}  # the largest that glibc sets by itself


@contextmanager
def keep_freed_memory(device: torch.device) -> Iterator[None]:
    """While training on a CPU, freed memory stays with the process; afterwards it is returned to the system.

    By default glibc returns large tensors to the system, and gets them again, page by page, in every step.
    """
    libc = ctypes.CDLL(None) if device.type == "cpu" else None
    if libc is None or not hasattr(libc, "mallopt") or not hasattr(libc, "malloc_trim"):
        yield
        return
    for name, value in TRAINING_VALUES.items():
        libc.mallopt(name, value)
    try:
        yield
    finally:
        for name, value in DEFAULT_VALUES.items():
            libc.mallopt(name, value)
        libc.malloc_trim(0)
