"""The interface of all densities of latents: fit, sample, log-density."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from zoo.base import NotFitted

FitState = dict[str, Any]
"""The state of an unfinished fit: tensors, numbers and strings only, so that torch.load reads it with weights_only."""
Checkpoint = Callable[[Callable[[], FitState]], None]
"""Called between two steps of a fit, with a function that returns the state. It may raise an exception to stop."""

MAX_LISTED = 10  # dimensions that a message lists
HELD_OUT = 10  # one latent of this many is held out, where a fit selects something by held-out likelihood


class InvalidLatents(ValueError):
    """Latents to which no density can be fitted."""


class Density(nn.Module, ABC):
    """A density of latents. Every learned tensor is a parameter or a buffer, so a state dict holds the whole density.

    Attributes:
        nz: size of the latents.
        fitted: whether `fit` has ended.
        chosen: what the fit has selected, such as the number of components; filled by `fit`.
        resized: buffers whose size is known only after the fit. Loading a state dict resizes them.
    """

    fitted: Tensor
    resized: tuple[str, ...] = ()

    def __init__(self, nz: int):
        super().__init__()
        self.nz = nz
        self.chosen: dict[str, float] = {}
        self.register_buffer("fitted", torch.tensor(False))

    def fit(
        self, z: Tensor, seed: int | None = None, resume: FitState | None = None, checkpoint: Checkpoint | None = None
    ) -> None:
        """Fit to latents.

        On a CPU, the same latents and seed give the same bits, also if the fit is interrupted and resumed.

        Args:
            z: latents, (N, nz).
            seed: of all random numbers of the fit; None: torch's global generator draws it.
            resume: a state from `checkpoint` of an interrupted fit of the same density, latents and seed.
            checkpoint: called between the steps of the fit.

        Raises:
            InvalidLatents: too few latents, a latent that is not finite, or a constant dimension.
        """
        check_latents(z, self.nz, self.min_latents)
        if seed is None:
            seed = int(torch.randint(2**31 - 1, ()))
        with torch.random.fork_rng(devices=[z.device] if z.device.type == "cuda" else []):
            torch.manual_seed(seed)
            self._fit(z.detach(), seed, resume, checkpoint or (lambda state: None))
        self.fitted.fill_(True)

    @abstractmethod
    def _fit(self, z: Tensor, seed: int, resume: FitState | None, checkpoint: Checkpoint) -> None:
        """Fit to valid latents. torch's global generators are seeded, and are restored afterwards."""

    @abstractmethod
    def _sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draws of a fitted density, (n, nz)."""

    @property
    @abstractmethod
    def n_parameters(self) -> int:
        """Number of fitted numbers."""

    @property
    def min_latents(self) -> int:
        """The smallest number of latents to which it can be fitted."""
        return 2

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draws, (n, nz), from a CPU generator.

        Raises:
            NotFitted: `fit` has not ended.
        """
        if not self.fitted:
            raise NotFitted(f"{type(self).__name__} cannot be sampled before it is fitted: call fit first")
        with torch.no_grad():
            return self._sample(n, generator)

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density in nats: (B, nz) -> (B,) float64.

        Raises:
            NotImplementedError: it has no closed form.
        """
        raise NotImplementedError(f"{type(self).__name__} has no density in closed form")

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        for name in self.resized:
            if (saved := state_dict.get(prefix + name)) is not None:
                setattr(self, name, torch.empty_like(saved, device=getattr(self, name).device))
        super()._load_from_state_dict(state_dict, prefix, *args)


def check_latents(z: Tensor, nz: int, minimum: int = 2) -> None:
    """Raise `InvalidLatents` for latents to which no density can be fitted.

    Args:
        z: latents, (N, nz).
        nz: size of each.
        minimum: smallest N.
    """
    if z.ndim != 2 or z.shape[1] != nz:
        raise InvalidLatents(f"expected latents of size (N, {nz}), got {tuple(z.shape)}")
    if len(z) < minimum:
        raise InvalidLatents(f"{len(z)} latents are too few: the density needs at least {minimum}")
    if n_bad := int((~torch.isfinite(z)).any(1).sum()):
        raise InvalidLatents(f"{n_bad} of {len(z)} latents are not finite (NaN or infinite)")
    constant = (z.amin(0) == z.amax(0)).nonzero().flatten().tolist()
    if constant:
        more = f" and {len(constant) - MAX_LISTED} more" if len(constant) > MAX_LISTED else ""
        listed = ", ".join(map(str, constant[:MAX_LISTED])) + more
        raise InvalidLatents(f"the latents are constant in dimension {listed}: they have no density there")


def hold_out(z: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Split latents at random: nine tenths to fit, one tenth to select. The split depends on the seed alone."""
    order = torch.randperm(len(z), generator=torch.Generator().manual_seed(seed)).to(z.device)
    n_held_out = max(1, len(z) // HELD_OUT)
    return z[order[n_held_out:]], z[order[:n_held_out]]
