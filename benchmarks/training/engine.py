"""Engines: how training steps run, and in which precision.

An engine changes only the speed. All engines give the same run within float tolerance. Models do not depend on engines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch

ENGINES = ("auto", "eager", "compiled", "graph")
PRECISIONS = ("fp32", "tf32", "bf16")

# Measured on an H100 with torch 2.11, in tf32: compiling a stage took 3 to 24 s, and saved 113 to 388 us per step.
COMPILE_SECONDS = 24.0
SAVED_SECONDS_PER_STEP = 113e-6

# Largest number of values of an image (C x H x W) -> default of --runs-per-gpu. An H100 trained eight runs of GLF on
# MNIST, 28x28x1, twice as fast as one after the other, in 3 GB. A step on 32x32x3 took nearly as long (2.4 ms against
# 1.9 ms), so such runs should overlap as well; this was not measured. For larger images nothing was measured.
RUNS_PER_GPU = {32 * 32 * 3: 8}

# (engine, device) -> what is tried if it fails, best first
FALLBACKS = {
    ("compiled", "cuda"): ("graph", "eager"),
    ("graph", "cuda"): ("eager",),
    ("compiled", "cpu"): ("eager",),
    ("graph", "cpu"): ("eager",),  # all but the capture, in tests
}
COMPILE_OPTIONS: dict[str, str | int | bool | Callable[..., Any]] = {
    "fallback_random": True,  # draw the random numbers of eager steps, not those of inductor
    "shape_padding": False,  # inductor decides on it by timing, so the bits would differ from process to process
    "layout_optimization": False,  # with it, inductor fails on a GPU: for images of one channel, layouts are ambiguous
}
MAX_COMPILATIONS = 1000  # of a loss in one process, for different settings and sizes


@dataclass(frozen=True)
class Engine:
    """An engine and its options.

    Attributes:
        kind: "eager"; "compiled" (losses by torch.compile, and on a GPU the whole step in a CUDA graph); "graph" (the
            whole step in a CUDA graph); or "auto" (on a GPU, compiled for long stages and graph for others; eager on
            a CPU, where compiling is not faster).
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

    def resolve(self, device: torch.device, steps: int = 0) -> str:
        """The engine of a stage: eager, compiled or graph.

        Args:
            device: device of the model.
            steps: steps of the whole stage, for "auto". They are those of an uninterrupted run, so that a resumed run
                has the same engine.

        Raises:
            ValueError: the engine or the precision is unknown, or the device does not support it.
        """
        errors = find_engine_errors(self.kind, self.precision, device)
        if errors:
            raise ValueError("; ".join(errors))
        if self.kind != "auto":
            return self.kind
        if device.type != "cuda":
            return "eager"
        return "compiled" if saved_seconds(steps) > COMPILE_SECONDS else "graph"

    def reason(self, device: torch.device, steps: int) -> str:
        """Why "auto" compiles a stage or not; "" for other engines and on a CPU, where there is no choice."""
        if self.kind != "auto" or device.type != "cuda":
            return ""
        return f"compiling saves about {saved_seconds(steps):.0f} s and takes up to {COMPILE_SECONDS:.0f} s"


def saved_seconds(steps: int) -> float:
    """Seconds that compiling a stage saves on a GPU, without the time for compiling."""
    return steps * SAVED_SECONDS_PER_STEP


def default_runs_per_gpu(device: str, shape: Sequence[int]) -> int:
    """How many runs a process trains at once by default; 1 on a CPU.

    Args:
        device: "cpu", "cuda", "cuda:1".
        shape: of the images, (C, H, W).
    """
    if not device.startswith("cuda"):
        return 1
    return next((count for values, count in RUNS_PER_GPU.items() if prod(shape) <= values), 1)


def compile_loss(loss: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a loss by inductor. The loss of another run of the model in the same process uses the same kernels.

    Shapes are static and the number of compilations is not limited, because the kernels of a run must not depend on
    what its process has compiled before.
    """
    torch._dynamo.config.recompile_limit = torch._dynamo.config.accumulated_recompile_limit = MAX_COMPILATIONS
    return torch.compile(loss, dynamic=False, options=COMPILE_OPTIONS)


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
