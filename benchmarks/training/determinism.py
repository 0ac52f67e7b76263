"""Deterministic algorithms on a GPU: the same seed, GPU model and versions give the same bits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
WORKSPACE_SIZE = ":4096:8"  # with it, cuBLAS gives the same bits; read when the first matrix product is computed


@contextmanager
def deterministic_algorithms(device: torch.device, wanted: bool = True) -> Iterator[None]:
    """Use deterministic algorithms in the block, and restore the settings afterwards.

    By default, cuDNN's gradients of convolutions and torch's gradients of indexing add in an order that differs from
    run to run. The deterministic ones were 7 % slower on MNIST and 13 % slower on CelebA's shape on an H100. On a CPU
    nothing changes, as a run there has one thread.

    Args:
        device: device of the run.
        wanted: whether to use them. If not, cuDNN may choose any algorithm.
    """
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault(WORKSPACE, WORKSPACE_SIZE)
    mode, is_warning = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    settings: Any = torch.utils.deterministic  # mypy does not know its attribute
    cudnn, fill = torch.backends.cudnn.deterministic, settings.fill_uninitialized_memory
    torch.use_deterministic_algorithms(wanted)
    torch.backends.cudnn.deterministic = wanted
    settings.fill_uninitialized_memory = False  # it fills every new tensor: one more kernel each
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(mode, warn_only=is_warning)
        torch.backends.cudnn.deterministic = cudnn
        settings.fill_uninitialized_memory = fill


def is_nondeterministic_operation(error: BaseException) -> bool:
    """Whether torch raised an error because an operation has no deterministic algorithm."""
    return isinstance(error, RuntimeError) and "deterministic" in str(error) and "torch.use_deterministic" in str(error)
