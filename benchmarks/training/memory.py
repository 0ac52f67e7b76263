"""Keep the memory of freed tensors in the process while it trains on a CPU."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import torch

TRAINING_VALUES = {-3: 1 << 28, -1: (1 << 31) - 1, -2: 1 << 26}  # glibc's M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD
DEFAULT_VALUES = {-3: 1 << 25, -1: 1 << 26, -2: 0}  # the largest values that glibc sets by itself


@contextmanager
def keep_freed_memory(device: torch.device) -> Iterator[None]:
    """On a CPU, keep freed memory in the process during the block. Afterwards, return it to the system.

    By default, glibc returns the memory of large tensors to the system and requests it again, page by page, every step.
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
