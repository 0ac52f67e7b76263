"""Mixtures of Gaussians, with a given number of components, or with the number that held-out likelihood selects."""

from __future__ import annotations

from math import log, pi
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.densities.base import Checkpoint, Density, FitState, hold_out

COVARIANCES = ("full", "diag", "tied", "spherical")  # scikit-learn's covariance types
CANDIDATES = (1, 2, 5, 10, 20, 40, 80)  # numbers of components among which `AutoMixture` selects


class GaussianMixture(Density):
    """A mixture of Gaussians. scikit-learn fits it, buffers store it, torch samples it.

    The fit uses float64 latents, a tolerance of 1e-3 and at most 2000 iterations, as RAE's code does.

    Args:
        nz: size of the latents.
        components: number of Gaussians; 10 in RAE's code.
        covariance: one of `COVARIANCES`; full in RAE's code.
    """

    weights: Tensor
    means: Tensor
    cholesky: Tensor

    def __init__(self, nz: int, components: int = 10, covariance: str = "full"):
        super().__init__(nz)
        if components < 1:
            raise ValueError(f"components must be at least 1, got {components}")
        if covariance not in COVARIANCES:
            raise ValueError(f"unknown covariance {covariance!r}. Known: {', '.join(COVARIANCES)}")
        self.covariance = covariance
        self.register_buffer("weights", torch.zeros(components, dtype=torch.float64))
        self.register_buffer("means", torch.zeros(components, nz, dtype=torch.float64))
        self.register_buffer("cholesky", torch.zeros(components, nz, nz, dtype=torch.float64))

    @property
    def min_latents(self) -> int:
        """At least one latent per component, and two."""
        return max(2, len(self.weights))

    @property
    def n_parameters(self) -> int:
        """Weights, means and covariances: numbers that can vary independently."""
        k, d = self.means.shape
        covariances = {"full": k * d * (d + 1) // 2, "tied": d * (d + 1) // 2, "diag": k * d, "spherical": k}
        return k - 1 + k * d + covariances[self.covariance]

    def _fit(self, z: Tensor, seed: int, resume: FitState | None, checkpoint: Checkpoint) -> None:
        """Run EM once. An interrupted fit begins again, with the same result."""
        self._store(fit_by_em(z.double().cpu().numpy(), len(self.weights), self.covariance, seed))

    def _store(self, mixture: Any) -> None:
        """Copy the parameters of scikit-learn's mixture."""
        self.weights.copy_(torch.as_tensor(mixture.weights_))
        self.means.copy_(torch.as_tensor(mixture.means_))
        covariances = full_covariances(mixture.covariances_, self.covariance, *self.means.shape)
        self.cholesky.copy_(torch.linalg.cholesky(torch.as_tensor(covariances)))

    def _sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draws, (n, nz) float64 on the CPU."""
        component = torch.multinomial(self.weights.cpu(), n, replacement=True, generator=generator)
        eps = torch.randn(n, self.means.shape[1], generator=generator, dtype=torch.float64)
        draws = torch.empty_like(eps)
        for i, (mean, factor) in enumerate(zip(self.means.cpu(), self.cholesky.cpu(), strict=True)):
            chosen = component == i  # one product per component: one factor per draw would take n * nz^2 numbers
            draws[chosen] = mean + eps[chosen] @ factor.T
        return draws

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density in nats: (B, nz) -> (B,) float64."""
        parts = []
        for weight, mean, factor in zip(self.weights, self.means, self.cholesky, strict=True):
            whitened = torch.linalg.solve_triangular(factor, (z.double() - mean).T, upper=False)
            logdet = factor.diagonal().log().sum()
            parts.append(weight.log() - 0.5 * whitened.square().sum(0) - logdet - 0.5 * len(mean) * log(2 * pi))
        return torch.logsumexp(torch.stack(parts), dim=0)


class AutoMixture(GaussianMixture):
    """A mixture of Gaussians whose number of components is selected.

    Each of `CANDIDATES` is fitted to nine tenths of the latents. The one with the highest likelihood of the last tenth
    is fitted again, to all latents.

    Args:
        nz: size of the latents.
        covariance: one of `COVARIANCES`.
    """

    resized = ("weights", "means", "cholesky")

    def __init__(self, nz: int, covariance: str = "full"):
        super().__init__(nz, 1, covariance)

    @property
    def min_latents(self) -> int:
        """So that both parts have two latents."""
        return 20

    def _fit(self, z: Tensor, seed: int, resume: FitState | None, checkpoint: Checkpoint) -> None:
        """Fit the candidates one by one. The state has the held-out log-likelihoods of those that are done."""
        values = z.double().cpu()
        train, held_out = (part.numpy() for part in hold_out(values, seed))
        scores: list[float] = list(resume["scores"]) if resume else []
        candidates = [k for k in CANDIDATES if k <= len(train)]
        for k in candidates[len(scores) :]:
            scores.append(float(fit_by_em(train, k, self.covariance, seed).score(held_out)))
            checkpoint(lambda: {"scores": list(scores)})
        best = candidates[int(np.argmax(scores))]
        self.weights, self.means = self.weights.new_zeros(best), self.means.new_zeros(best, self.nz)
        self.cholesky = self.cholesky.new_zeros(best, self.nz, self.nz)
        self._store(fit_by_em(values.numpy(), best, self.covariance, seed))
        self.chosen = {"components": best}


def fit_by_em(z: NDArray[np.float64], components: int, covariance: str, seed: int) -> Any:
    """scikit-learn's mixture, fitted to latents, (N, nz); the seed is that of its k-means."""
    from sklearn import mixture as sklearn_mixture  # here: importing it takes a second

    mixture = sklearn_mixture.GaussianMixture(
        components, covariance_type=covariance, tol=1e-3, max_iter=2000, random_state=seed % 2**32
    )
    return mixture.fit(z)


def full_covariances(values: NDArray[np.float64], kind: str, k: int, d: int) -> NDArray[np.float64]:
    """scikit-learn's covariances of one of `COVARIANCES`, as k full matrices, (k, d, d)."""
    if kind == "tied":
        return np.broadcast_to(values, (k, d, d)).copy()
    if kind == "full":
        return values
    return np.broadcast_to(values[:, None] if kind == "spherical" else values, (k, d))[:, :, None] * np.eye(d)
