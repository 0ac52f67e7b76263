"""Kernel density estimation with a Gaussian kernel, whose bandwidth is cross-validated."""

from __future__ import annotations

from math import log, pi

import torch
from torch import Tensor

from zoo.densities.base import Checkpoint, Density, FitState

FOLDS = 5  # of the cross-validation
MAX_QUERIES = 400  # latents of each fold whose log-density is computed
CHUNK = 500  # latents per product with all centers
SMALLEST_BANDWIDTH, N_BANDWIDTHS = 0.05, 25  # a geometric grid that ends with 1


class KernelDensity(Density):
    """A Gaussian at each latent, with the covariance h^2 S, where S is the covariance of the latents.

    The centers are moved towards the mean m of the latents, to m + sqrt(1 - h^2) (z - m), so that the density has the
    mean and covariance of the latents (the smoothed bootstrap with variance correction: Silverman 1986, Section 6.4).
    With h = 1 it is a single Gaussian.

    Args:
        nz: size of the latents.
        bandwidth: h, in (0, 1]; 0: the one with the highest likelihood in cross-validation over `FOLDS` folds.
    """

    resized = ("centers",)
    mean: Tensor
    cholesky: Tensor
    centers: Tensor
    h: Tensor

    def __init__(self, nz: int, bandwidth: float = 0.0):
        super().__init__(nz)
        if not 0 <= bandwidth <= 1:
            raise ValueError(f"bandwidth must be in (0, 1], or 0 to select it, got {bandwidth}")
        self.bandwidth = bandwidth
        self.register_buffer("mean", torch.zeros(nz, dtype=torch.float64))
        self.register_buffer("cholesky", torch.zeros(nz, nz, dtype=torch.float64))
        self.register_buffer("centers", torch.zeros(1, nz, dtype=torch.float64))  # whitened, not moved
        self.register_buffer("h", torch.tensor(bandwidth, dtype=torch.float64))

    @property
    def min_latents(self) -> int:
        """So that the covariance of four fifths of the latents is not singular."""
        return 2 * self.nz + 2

    @property
    def n_parameters(self) -> int:
        """All latents, their mean and covariance, and the bandwidth."""
        return self.centers.numel() + self.nz + self.nz * (self.nz + 1) // 2 + 1

    def _fit(self, z: Tensor, seed: int, resume: FitState | None, checkpoint: Checkpoint) -> None:
        """Cross-validate fold by fold. The state has the log-likelihoods of the folds that are done."""
        z = z.double()
        h = self.bandwidth
        if not h:
            grid = torch.logspace(log(SMALLEST_BANDWIDTH), 0, N_BANDWIDTHS, base=torch.e, dtype=torch.float64)
            order = torch.randperm(len(z), generator=torch.Generator().manual_seed(seed)).to(z.device)
            scores: list[list[float]] = [list(fold) for fold in resume["scores"]] if resume else []
            for fold in range(len(scores), FOLDS):
                is_query = torch.arange(len(z), device=z.device) % FOLDS == fold
                mean, factor, centers = whiten(z[order[~is_query]])
                queries = z[order[is_query][:MAX_QUERIES]]
                log_probs = [mixture_log_prob(queries, mean, factor, centers, float(h)).mean() for h in grid]
                scores.append([float(value) for value in log_probs])
                checkpoint(lambda: {"scores": [list(fold) for fold in scores]})
            h = float(grid[torch.tensor(scores, dtype=torch.float64).mean(0).argmax()])
        mean, factor, self.centers = whiten(z)
        self.mean.copy_(mean)
        self.cholesky.copy_(factor)
        self.h.fill_(h)
        self.chosen = {"bandwidth": h}

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density in nats: (B, nz) -> (B,) float64."""
        return mixture_log_prob(z.double(), self.mean, self.cholesky, self.centers, float(self.h))

    def _sample(self, n: int, generator: torch.Generator) -> Tensor:
        chosen = torch.randint(len(self.centers), (n,), generator=generator)
        eps = torch.randn(n, self.nz, generator=generator, dtype=torch.float64)
        h = self.h.cpu()
        whitened = (1 - h**2).clamp(min=0).sqrt() * self.centers.cpu()[chosen] + h * eps
        return whitened @ self.cholesky.cpu().T + self.mean.cpu()


def whiten(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (nz,), Cholesky factor of the covariance (nz, nz), and whitened latents, of latents (N, nz)."""
    mean = z.mean(0)
    factor = torch.linalg.cholesky(z.T.cov(correction=0))
    return mean, factor, torch.linalg.solve_triangular(factor, (z - mean).T, upper=False).T.contiguous()


def mixture_log_prob(z: Tensor, mean: Tensor, factor: Tensor, centers: Tensor, h: float) -> Tensor:
    """Log-density in nats of latents (B, nz) -> (B,): kernels of bandwidth h at whitened centers, (N, nz)."""
    n, d = centers.shape
    moved = max(0.0, 1 - h**2) ** 0.5 * centers
    constant = -log(n) - 0.5 * d * log(2 * pi) - d * log(h) - factor.diagonal().log().sum()
    parts = []
    for chunk in z.split(CHUNK):
        w = torch.linalg.solve_triangular(factor, (chunk - mean).T, upper=False).T
        squares = w.square().sum(1)[:, None] - 2 * w @ moved.T + moved.square().sum(1)
        parts.append(torch.logsumexp(-0.5 * squares / h**2, dim=1) + constant)
    return torch.cat(parts) if parts else z.new_zeros(0)
