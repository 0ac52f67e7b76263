"""Devices: their names in records, their clocks, and whether they still work."""

from __future__ import annotations

import platform
import time
from functools import lru_cache
from pathlib import Path

import torch


def device_name(device: torch.device) -> str:
    """The GPU model, or the processor model with the instruction set that torch uses.

    The instruction set is included because virtual machines report one name for processors of several generations,
    whose sums differ in the last bits.
    """
    if device.type == "cuda":
        try:
            return f"cuda: {torch.cuda.get_device_name(device)}"
        except (RuntimeError, AssertionError):  # the GPU is lost; the record of the failure must not fail
            return "cuda: not available"
    if device.type == "cpu":
        return f"cpu: {_processor()}, {torch.backends.cpu.get_cpu_capability()}"
    return f"{device.type}: {platform.machine()}"


@lru_cache
def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return " ".join(line.split(":", 1)[1].split())
    except OSError:
        pass
    return platform.processor() or platform.machine()


def synchronized_time(device: torch.device) -> float:
    """The time in seconds, after the device has finished the work of the current stream."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()  # other runs of the process use other streams
    return time.perf_counter()


class GpuUnusableError(RuntimeError):
    """Capturing a step failed midway, so this process can no longer use its GPU."""

    happened = False  # whether it was raised in this process


def is_device_lost(device: str) -> bool:
    """Whether this process can no longer use a device.

    After an error in a kernel, every call fails. After a failed capture, some calls work, but random numbers are wrong.
    """
    if not device.startswith("cuda"):
        return False
    try:
        torch.zeros(1, device=device).add(1).item()
    except torch.OutOfMemoryError:  # of other runs or processes: the GPU works
        pass
    except (RuntimeError, AssertionError):  # AssertionError: torch was built without CUDA
        return True
    return GpuUnusableError.happened


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the GPU has no memory left. CUDA's libraries raise a plain RuntimeError for it."""
    texts = ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(text in str(error) for text in texts)
    )
