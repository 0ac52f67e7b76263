"""The models: auto-encoders with a density over their latents, on one shared backbone.

The package depends on torch, numpy and scikit-learn only. It does not know data sets, schedules or tables.
`MODELS` is the registry, in the order of Table 1. An external class needs no row: its name is "package.module:Class".
Names that need torch are imported on first use, so listing the models is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from zoo.finished import FinishedRun, find
from zoo.registry import MODELS, Entry, adopt, entry, hyper_parameters, is_external, variant

if TYPE_CHECKING:
    from zoo.base import LatentModel, Loss, NotFitted, Stage, Update
    from zoo.factory import build, load, save

__all__ = [
    "MODELS",
    "Entry",
    "FinishedRun",
    "LatentModel",
    "Loss",
    "NotFitted",
    "Stage",
    "Update",
    "adopt",
    "build",
    "entry",
    "find",
    "hyper_parameters",
    "is_external",
    "load",
    "save",
    "variant",
]

LAZY = {  # name -> the module that defines it; these modules import torch
    **dict.fromkeys(("LatentModel", "Loss", "NotFitted", "Stage", "Update"), "zoo.base"),
    **dict.fromkeys(("build", "load", "save"), "zoo.factory"),
}


def __getattr__(name: str) -> Any:
    """Import a name that needs torch (PEP 562)."""
    if name not in LAZY:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(LAZY[name]), name)
    return value
