"""Precision: losses in bf16, matrix products in TF32, and reproducible arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from benchmarks.training.determinism import deterministic_algorithms
from zoo.base import LatentModel
from zoo.losses import FP32_ONLY


def find_loss_errors(model: str, recon: object, precision: str) -> list[str]:
    """Errors of training a model with the reconstruction loss `recon` at a precision; [] if there are none."""
    if precision != "bf16" or recon not in FP32_ONLY:
        return []
    return [f"{model} cannot be trained at --precision bf16: its reconstruction loss, {recon}, needs fp32 or tf32"]


class Autocast:
    """A callable that returns a context in which the model's losses are computed at a precision.

    In bf16, modules whose attribute `fp32_only` is true are computed in fp32, from inputs that are cast to fp32.
    """

    def __init__(self, model: LatentModel, precision: str):
        self.is_bf16, self.device = precision == "bf16", model.device.type
        fp32_modules = (
            [module for module in model.modules() if getattr(module, "fp32_only", False)] if self.is_bf16 else []
        )
        self.forwards = [(module, self._in_fp32(module.forward)) for module in fp32_modules]

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """The context."""
        if not self.is_bf16:
            yield
            return
        for module, forward in self.forwards:
            module.forward = forward
        try:
            # No cache of casts, as a captured graph must not read tensors that were created outside of it.
            with torch.autocast(self.device, torch.bfloat16, cache_enabled=False):
                yield
        finally:
            for module, _ in self.forwards:
                del module.forward  # restores the method of the class

    def _in_fp32(self, forward: Callable[..., object]) -> Callable[..., object]:
        def call(*inputs: object) -> object:
            with torch.autocast(self.device, enabled=False):
                return forward(*(x.float() if isinstance(x, Tensor) else x for x in inputs))

        return call


@contextmanager
def reproducible_arithmetic(device: torch.device, deterministic: bool = True) -> Iterator[None]:
    """Use one CPU thread, no denormals and no TF32 in the block, and restore all three afterwards.

    On a GPU, also use deterministic algorithms, if they are wanted.
    """
    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)  # with more threads, sums differ in their last bits
    torch.set_flush_denormal(True)
    try:
        with threadpool_limits(1), matmul_precision("fp32"), deterministic_algorithms(device, deterministic):
            yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)


@contextmanager
def matmul_precision(precision: str) -> Iterator[None]:
    """Use TF32 in the block if `precision` is "tf32". Use it for training only: metrics and sampling need fp32."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
