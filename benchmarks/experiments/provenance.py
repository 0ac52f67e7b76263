"""Where a number comes from: device, versions, commit.  Neither host names nor paths."""

from __future__ import annotations

import platform
import subprocess
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from benchmarks.training.device import device_name

PACKAGES = ("torchvision", "numpy", "scipy", "scikit-learn", "pytorch-fid", "pandas", "pillow")


def describe(device: torch.device) -> dict[str, Any]:
    """Device, thread count, versions, commit, and whether files outside results/ differ from it."""
    return {
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "system": platform.system(),
        "torch": str(torch.__version__),  # includes the CUDA version of the build, which the package's metadata lack
        **{name: version(name) for name in PACKAGES},
        **commit(),
    }


def describe_briefly(device: torch.device) -> dict[str, Any]:
    """The short form: device, torch and commit, for evaluations, which another machine may make."""
    return {"device": device_name(device), "torch": str(torch.__version__), "commit": commit()["commit"]}


def version(package: str) -> str | None:
    """Version of an installed package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@lru_cache
def commit() -> dict[str, Any]:
    """Commit of the checkout that this file lies in, and "dirty"; None for both where there is no checkout."""
    root = Path(__file__).resolve().parents[2]

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(root), *arguments],
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=30,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    # An installed copy may lie inside somebody else's checkout: only our own files' history counts.
    if git("ls-files", "--error-unmatch", "benchmarks/experiments/provenance.py") is None:
        return {"commit": None, "dirty": None}
    changes = git("status", "--porcelain", "--", ".", ":!results")
    return {"commit": git("rev-parse", "HEAD"), "dirty": None if changes is None else bool(changes)}
