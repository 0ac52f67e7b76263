"""Engines: how training steps run, and in which precision.

An engine changes only the speed. All engines give the same run within float tolerance. Models do not depend on engines.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

ENGINES = ("auto", "eager", "compiled", "graph")
PRECISIONS = ("fp32", "tf32", "bf16")


@dataclass(frozen=True)
class Engine:
    """An engine and its options.

    Attributes:
        kind: "eager"; "compiled" (losses by torch.compile, and on a GPU the whole step in a CUDA graph); "graph" (the
            whole step in a CUDA graph); or "auto" (graph on a GPU, eager on a CPU, where compiling is not faster).
        precision: "fp32"; "tf32" (matrix products on a GPU); or "bf16" (losses under autocast; weights and modules
            with `fp32_only` stay in fp32).
        channels_last: whether images and convolutions use the memory format channels_last.
        limit: maximum number of bytes of training data on the device. More data are streamed from the host. None means
            half of the device's free memory.
    """

    kind: str = "auto"
    precision: str = "fp32"
    channels_last: bool = False
    limit: int | None = None

    def resolve(self, device: torch.device) -> str:
        """The engine that `kind` selects on a device: eager, compiled or graph.

        Raises:
            ValueError: the engine or the precision is unknown, or the device does not support it.
        """
        errors = find_engine_errors(self.kind, self.precision, device)
        if errors:
            raise ValueError("; ".join(errors))
        return self.kind if self.kind != "auto" else "graph" if device.type == "cuda" else "eager"


def find_engine_errors(kind: str, precision: str, device: torch.device | None) -> list[str]:
    """Errors of --engine and --precision on a device. None stands for a device that is not known yet."""
    errors = []
    may_be_gpu = device is None or device.type == "cuda"
    if kind not in ENGINES:
        errors.append(f"unknown engine {kind!r}. Known: {', '.join(ENGINES)} (benchmarks/training/engine.py)")
    elif kind == "graph" and not may_be_gpu:
        errors.append("--engine graph needs a GPU")
    if precision not in PRECISIONS:
        errors.append(
            f"unknown precision {precision!r}. Known: {', '.join(PRECISIONS)} (benchmarks/training/engine.py)"
        )
    elif precision == "tf32" and not may_be_gpu:
        errors.append("--precision tf32 needs a GPU")
    elif precision == "bf16" and not may_be_gpu:
        errors.append("--precision bf16 needs a GPU: many CPUs are ten times slower in it than in fp32")
    return errors
