"""The regularized auto-encoder (RAE), with a Gaussian mixture fitted to its latents (Ghosh et al.; Appendix B.5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from zoo.base import LatentModel, Loss, NotFitted, Stage, Update, check_positive
from zoo.densities import GaussianMixture
from zoo.losses import sse
from zoo.nets import Decoder, Encoder


class RAE(LatentModel):
    """Deterministic auto-encoder with an L2 penalty on the latents. The density is fitted after training.

    Departs: B.5 first calls the weight of the penalty gamma, then prints "beta = 0.5". Here it is gamma. It multiplies
    half the squared norm, as RAE's code does; B.5 says only "a penalty on the norm".  To switch: gamma.
    Departs: the decoder has no regularizer, as B.5 describes none. RAE's own code offers several.  To switch:
    decoder_l2 (`rae-l2-gmm`), spectral_norm (`rae-sn-gmm`).

    Args:
        image_shape: (C, H, W).
        nz: size of the latent.
        gamma: weight of ||z||^2 / 2 (B.5: 0.5, the best of 0.1, 0.5, 1, 2).
        decoder_l2: weight of the sum of the decoder's squared weights, if the squared error is a mean over pixels.
        spectral_norm: divide each weight matrix of the decoder by its largest singular value.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        nz: int,
        gamma: float = 0.5,
        decoder_l2: float = 0.0,
        spectral_norm: bool = False,
    ):
        super().__init__(image_shape, nz)
        check_positive(gamma=gamma)
        if not 0 <= decoder_l2 < inf:
            raise ValueError(f"decoder_l2 must be positive, or 0 for none, got {decoder_l2}")
        self.gamma, self.decoder_l2 = gamma, decoder_l2
        self.encoder, self.decoder = Encoder(image_shape, nz), Decoder(image_shape, nz)
        if spectral_norm:
            for layer in self.decoder:
                if isinstance(layer, nn.Linear | nn.ConvTranspose2d):
                    parametrizations.spectral_norm(layer)
        self.mixture = GaussianMixture(nz)

    def loss(self, x: Tensor) -> Loss:
        """SSE + gamma * ||z||^2 / 2 (plus the L2 term of the decoder), mean over the batch."""
        z = self.encoder(x)
        recon = sse(x, self.decoder(z))
        penalty = 0.5 * z.square().sum() / len(z)
        objective, parts = recon + self.gamma * penalty, {"recon": recon, "penalty": penalty}
        if self.decoder_l2:
            weights = torch.stack([p.square().sum() for p in self.decoder.parameters()]).sum()
            return objective + self.decoder_l2 * x[0].numel() * weights, {**parts, "decoder_l2": weights}
        return objective, parts

    def stages(self, x: Tensor) -> Iterator[Stage]:
        """One stage. After it, the mixture is fitted to the latents of all training images."""
        groups = {"ae": [*self.encoder.parameters(), *self.decoder.parameters()]}
        yield Stage("train", lambda: (x,), [Update(self.loss, groups)])
        self.fit_density(x)

    def fit_density(self, x: Tensor) -> None:
        """Fit the mixture to the latents of images (N, C, H, W)."""
        self.mixture.fit(self.encode(x))

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density under the mixture, (B,) float64."""
        if not self.mixture.fitted:
            raise NotFitted("RAE+GMM has no density of latents before its mixture is fitted")
        return self.mixture.log_prob(z)

    def sample_latent(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw z from the mixture: (n, nz)."""
        if not self.mixture.fitted:
            raise NotFitted("RAE+GMM cannot sample before its mixture is fitted")
        return self.mixture.sample(n, generator).float().to(self.device)
