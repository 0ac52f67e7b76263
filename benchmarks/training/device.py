"""The device: its name in records."""

from __future__ import annotations

import platform
from functools import lru_cache
from pathlib import Path

import torch


def device_name(device: torch.device) -> str:
    """The model of the GPU; of a processor with the instructions that torch uses.

    Virtual machines give processors of several generations one name; their sums differ in the last bits, their times
    by more.
    """
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
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
