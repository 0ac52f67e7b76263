"""Densities that are fitted to latents after an auto-encoder was trained: one interface, several families.

`base` has the interface. `registry` has the list of densities, by the names that `--density` accepts. It imports no
torch.
"""

from __future__ import annotations

from zoo.densities.base import Density, FitState, InvalidLatents
from zoo.densities.mixture import AutoMixture, GaussianMixture

__all__ = ["AutoMixture", "Density", "FitState", "GaussianMixture", "InvalidLatents"]
