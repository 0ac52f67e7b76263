"""Deterministic algorithms on a GPU: the same seed, GPU model and versions give the same bits."""

from __future__ import annotations

import os
import warnings
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
    nothing changes, as a run there has one thread. An operation without a deterministic algorithm causes a warning; see
    `note_nondeterministic_operations`.

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
    torch.use_deterministic_algorithms(wanted, warn_only=True)
    torch.backends.cudnn.deterministic = wanted
    settings.fill_uninitialized_memory = False  # it fills every new tensor: one more kernel each
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(mode, warn_only=is_warning)
        torch.backends.cudnn.deterministic = cudnn
        settings.fill_uninitialized_memory = fill


@contextmanager
def note_nondeterministic_operations(found: set[str]) -> Iterator[None]:
    """Add the operations in the block that have no deterministic algorithm to `found`; warn of each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for one in caught:
        name, text, _ = str(one.message).partition(" does not have a deterministic implementation")
        if not text:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        elif name not in found:
            found.add(name)
            warnings.warn(
                f"{name} has no deterministic algorithm: two runs may differ in their last bits", stacklevel=3
            )
