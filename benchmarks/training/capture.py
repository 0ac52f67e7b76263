"""Helpers for compiling and capturing a step: undo the changes of a warm-up, and forbid waiting for the GPU."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from zoo.base import LatentModel
from zoo.flows import Flow


def use_static_learning_rates(optimizers: Sequence[torch.optim.Adam], device: torch.device) -> None:
    """Replace learning rates by tensors on the device. A captured step reads them at every replay."""
    dtype = torch.float32 if device.type == "cuda" else torch.float64  # the type that the fused Adam reads
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = torch.tensor(float(group["lr"]), dtype=dtype, device=device)
            group["capturable"] = True


def compute_flows_by_layer(model: LatentModel) -> None:
    """Do not compute flows by `zoo.flow_gradient`: torch.compile can fuse their layers, but not that function.

    This also holds if compiling fails and another engine is used.
    """
    for module in model.modules():
        if isinstance(module, Flow):
            module.fused = False


@contextmanager
def no_synchronization() -> Iterator[None]:
    """Raise a RuntimeError if code in the block waits for the GPU."""
    before = torch.cuda.get_sync_debug_mode()
    try:
        with warnings.catch_warnings():  # torch warns that this mode is a prototype
            warnings.filterwarnings("ignore", "Synchronization debug mode", UserWarning)
            torch.cuda.set_sync_debug_mode("error")
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


@contextmanager
def undo_changes(model: LatentModel, optimizers: Sequence[torch.optim.Adam], device: torch.device) -> Iterator[None]:
    """After the block, restore parameters, buffers, optimizer states and random states in place."""
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
                        for name, tensor in state.items():  # states that the block has created start at zero
                            tensor.copy_(saved[p][name]) if p in saved else tensor.zero_()
