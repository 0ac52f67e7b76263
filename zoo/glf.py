"""Generative Latent Flow: a deterministic auto-encoder and a flow on its latents (Section 3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from zoo.base import LatentModel, Loss, Stage, Update, check_positive, standard_normal
from zoo.flows import Flow
from zoo.losses import sse
from zoo.nets import Decoder, Encoder


class GLF(LatentModel):
    """Auto-encoder and coupling flow trained together, eq. (2).

    Args:
        image_shape: (C, H, W).
        nz: size of the latent.
        k: width of the flow's networks.
        beta: weight of the reconstruction.  With stop-gradient it is irrelevant up to Adam's epsilon.
        stop_gradient: whether the flow's loss stays out of the encoder (Section 3.3: it must).
    """

    def __init__(
        self, image_shape: Sequence[int], nz: int, k: int, beta: float = 1.0, stop_gradient: bool = True
    ):
        super().__init__(image_shape, nz)
        check_positive(beta=beta)
        self.beta, self.stop_gradient = beta, stop_gradient
        self.encoder, self.decoder = Encoder(image_shape, nz), Decoder(image_shape, nz)
        self.flow = Flow(nz, k)

    def loss(self, x: Tensor) -> Loss:
        """Eq. (2): beta * SSE / 2 + NLL, means over the batch.

        Departs: the paper leaves open whether beta multiplies the squared error or half of it; it calls beta
        the decoder's precision (Section 3.4), which makes it half.
        """
        z = self.encoder(x)
        recon = sse(x, self.decoder(z))
        nll = -self.flow.log_prob(z.detach() if self.stop_gradient else z).mean()
        return self.beta * 0.5 * recon + nll, {"recon": recon, "nll": nll}

    def stages(self, x: Tensor) -> Iterator[Stage]:
        """One stage, one update, two groups: weight decay is on the flow only (B.1)."""
        autoencoder = [*self.encoder.parameters(), *self.decoder.parameters()]
        groups = {"ae": autoencoder, "flow": [*self.flow.parameters()]}
        yield Stage("train", lambda: (x,), [Update(self.loss, groups)])

    def sample_latent(self, n: int, generator: torch.Generator) -> Tensor:
        """eps ~ N(0, I), z = f^-1(eps): (n, nz)."""
        return self.flow.inverse(standard_normal(n, self.nz, generator, self.device))
