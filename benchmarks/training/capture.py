"""Helpers for compiling and capturing a step: undo what a warm-up changes, and forbid waiting for the GPU."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from zoo.base import LatentModel


def use_static_learning_rates(optimizers: Sequence[torch.optim.Adam], device: torch.device) -> None:
    """Replace learning rates by tensors on the device, which a captured step reads at every replay."""
    dtype = torch.float32 if device.type == "cuda" else torch.float64  # as the fused Adam of each reads them
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = torch.tensor(float(group["lr"]), dtype=dtype, device=device)
            group["capturable"] = True


@contextmanager
def no_synchronization() -> Iterator[None]:
    """Raise a RuntimeError if code in the block waits for the GPU."""
    before = torch.cuda.get_sync_debug_mode()
    try:
        with warnings.catch_warnings():  # torch warns that the mode is a prototype; the warning must not be an error
            warnings.filterwarnings("ignore", "Synchronization debug mode", UserWarning)
            torch.cuda.set_sync_debug_mode("error")
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


@contextmanager
def undo_changes(model: LatentModel, optimizers: Sequence[torch.optim.Adam], device: torch.device) -> Iterator[None]:
    """Restore parameters, buffers, optimizers and random states in place after the block."""
    tensors = [*model.parameters(), *model.buffers()]
    before = [tensor.detach().clone() for tensor in tensors]
    moments = [{p: {k: v.clone() for k, v in s.items()} for p, s in o.state.items()} for o in optimizers]
    devices = [torch.cuda.current_device() if device.index is None else device.index] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            with torch.no_grad():
                for tensor, value in zip(tensors, before, strict=True):
                    tensor.copy_(value)
                for optimizer, saved in zip(optimizers, moments, strict=True):
                    for p, state in optimizer.state.items():
                        for name, tensor in state.items():  # a new tensor starts as zeros
                            tensor.copy_(saved[p][name]) if p in saved else tensor.zero_()
