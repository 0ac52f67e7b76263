"""Where a number comes from: device, versions, commit.  Neither host names nor paths."""

from __future__ import annotations

import platform
import subprocess
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("torchvision", "numpy", "scipy", "scikit-learn", "pytorch-fid", "pandas", "pillow")


def describe(device: torch.device) -> dict[str, Any]:
    """Device, thread count, versions, commit, and whether files outside results/ differ from it."""
    return {
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "system": platform.system(),
        "torch": str(torch.__version__),  # with the build's CUDA, which the package's metadata lack
        **{name: version(name) for name in PACKAGES},
        **commit(),
    }


def place(device: torch.device) -> dict[str, Any]:
    """The short form: device, torch and commit, for what may be done apart from the training."""
    return {"device": device_name(device), "torch": str(torch.__version__), "commit": commit()["commit"]}


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


def version(package: str) -> str | None:
    """Version of an installed package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@lru_cache
def commit() -> dict[str, Any]:
    """Commit of the checkout that this file lies in, and "dirty"; None for both where there is no checkout."""
    root = Path(__file__).resolve().parent.parent

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=30)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    # An installed copy may lie inside somebody else's checkout: only our own files' history counts.
    if git("ls-files", "--error-unmatch", "benchmarks/provenance.py") is None:
        return {"commit": None, "dirty": None}
    changes = git("status", "--porcelain", "--", ".", ":!results")
    return {"commit": git("rev-parse", "HEAD"), "dirty": None if changes is None else bool(changes)}
