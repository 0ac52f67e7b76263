"""Memory of a training process on a CPU: freed tensors stay with the process."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import torch

KEEP = {-3: 1 << 28, -1: (1 << 31) - 1, -2: 1 << 26}  # glibc's M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD
USUAL = {-3: 1 << 25, -1: 1 << 26, -2: 0}  # where glibc's own adaptation ends


@contextmanager
def keep_freed_memory(device: torch.device) -> Iterator[None]:
    """While training on a CPU, freed memory stays with the process; afterwards what is free is given back.

    By default glibc gives large tensors back to the system and fetches them anew, page by page, in every step.
    """
    libc = ctypes.CDLL(None) if device.type == "cpu" else None
    if libc is None or not hasattr(libc, "mallopt") or not hasattr(libc, "malloc_trim"):
        yield
        return
    for name, value in KEEP.items():
        libc.mallopt(name, value)
    try:
        yield
    finally:
        for name, value in USUAL.items():
            libc.mallopt(name, value)
        libc.malloc_trim(0)
