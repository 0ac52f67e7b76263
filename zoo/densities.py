"""Densities fitted to latents after training."""

from __future__ import annotations

from math import log, pi

import torch
from torch import Tensor, nn

from zoo.base import NotFitted


class GaussianMixture(nn.Module):
    """A mixture of full-covariance Gaussians. scikit-learn fits it, buffers store it, torch samples it.

    The fit uses float64 latents, a tolerance of 1e-3 and at most 2000 iterations, as RAE's code does.

    Args:
        nz: size of the latents.
        components: number of Gaussians; 10 in RAE's code.
    """

    weights: Tensor
    means: Tensor
    cholesky: Tensor
    fitted: Tensor

    def __init__(self, nz: int, components: int = 10):
        super().__init__()
        self.register_buffer("weights", torch.zeros(components, dtype=torch.float64))
        self.register_buffer("means", torch.zeros(components, nz, dtype=torch.float64))
        self.register_buffer("cholesky", torch.zeros(components, nz, nz, dtype=torch.float64))
        self.register_buffer("fitted", torch.tensor(False))

    def fit(self, z: Tensor) -> None:
        """Fit to latents (N, nz), N at least the number of components. torch's generator draws the k-means seed."""
        from sklearn import mixture as sklearn_mixture  # here: importing it takes a second

        state = int(torch.randint(2**31 - 1, ()))
        mixture = sklearn_mixture.GaussianMixture(len(self.weights), tol=1e-3, max_iter=2000, random_state=state)
        mixture.fit(z.double().cpu().numpy())
        self.weights.copy_(torch.as_tensor(mixture.weights_))
        self.means.copy_(torch.as_tensor(mixture.means_))
        self.cholesky.copy_(torch.linalg.cholesky(torch.as_tensor(mixture.covariances_)))
        self.fitted.fill_(True)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draws, (n, nz) float64 on the CPU, from a CPU generator.

        Raises:
            NotFitted: `fit` has not run.
        """
        if not self.fitted:
            raise NotFitted("the mixture cannot be sampled before it is fitted: call fit first")
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
