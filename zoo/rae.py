"""The regularised auto-encoder with a Gaussian mixture fitted to its latents (Ghosh et al.; Appendix B.5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from zoo.base import LatentModel, Loss, NotFitted, Stage, Update, check_positive
from zoo.densities import GaussianMixture
from zoo.losses import sse
from zoo.nets import Decoder, Encoder


class RAE(LatentModel):
    """Deterministic auto-encoder with an L2 penalty on the latents; the density is fitted afterwards.

    Departs: B.5 prints the penalty's weight as "beta = 0.5" and calls it gamma just before; it is gamma here.
    Departs: no regulariser of the decoder, as B.5 describes none (RAE's code has several).

    Args:
        image_shape: (C, H, W).
        nz: size of the latent.
        gamma: weight of ||z||^2 / 2 (B.5: 0.5, the best of 0.1, 0.5, 1, 2).
    """

    def __init__(self, image_shape: Sequence[int], nz: int, gamma: float = 0.5):
        super().__init__(image_shape, nz)
        check_positive(gamma=gamma)
        self.gamma = gamma
        self.encoder, self.decoder = Encoder(image_shape, nz), Decoder(image_shape, nz)
        self.mixture = GaussianMixture(nz)

    def loss(self, x: Tensor) -> Loss:
        """SSE + gamma * ||z||^2 / 2, means over the batch."""
        z = self.encoder(x)
        recon = sse(x, self.decoder(z))
        penalty = 0.5 * z.square().sum() / len(z)
        return recon + self.gamma * penalty, {"recon": recon, "penalty": penalty}

    def stages(self, x: Tensor) -> Iterator[Stage]:
        """One stage; then the mixture is fitted to the latents of all training images."""
        groups = {"ae": [*self.encoder.parameters(), *self.decoder.parameters()]}
        yield Stage("train", lambda: (x,), [Update(self.loss, groups)])
        self.mixture.fit(self.encode(x))

    def sample_latent(self, n: int, generator: torch.Generator) -> Tensor:
        """z from the mixture: (n, nz)."""
        if not self.mixture.fitted:
            raise NotFitted("RAE+GMM cannot sample before its mixture is fitted")
        return self.mixture.sample(n, generator).float().to(self.device)
