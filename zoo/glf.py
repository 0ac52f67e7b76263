"""Generative Latent Flow (GLF): a deterministic auto-encoder and a flow on its latents (Section 3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from zoo.base import LatentModel, Loss, Stage, Update, check_positive
from zoo.flows import Flow
from zoo.losses import reconstruction
from zoo.nets import EPS, Decoder, Encoder


class GLF(LatentModel):
    """Auto-encoder and coupling flow trained together, eq. (2).

    Args:
        image_shape: (C, H, W).
        nz: size of the latent.
        k: width of the flow's networks.
        beta: weight of the reconstruction. With stop_gradient it has no effect, apart from Adam's epsilon.
        stop_gradient: stop the gradient of the flow's loss at the latents (Section 3.3). Without it, the model is the
            paper's "regularized GLF".
        recon: reconstruction loss, a key of `zoo.losses.RECON`.
        blocks, bound: passed to `zoo.flows.Flow`.
        bn_eps: epsilon of batch norm. The decoder's first batch norm normalizes away the scale of the latents, down to
            this epsilon. So it limits how far regularized GLF can shrink them (Section 4.2.1).
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        nz: int,
        k: int,
        beta: float = 1.0,
        stop_gradient: bool = True,
        recon: str = "half-sse",
        blocks: int = 4,
        bound: float = 0.0,
        bn_eps: float = EPS,
    ):
        super().__init__(image_shape, nz)
        check_positive(beta=beta, blocks=blocks, bn_eps=bn_eps)
        self.beta, self.stop_gradient, self.recon = beta, stop_gradient, reconstruction(recon)
        self.encoder, self.decoder = Encoder(image_shape, nz, bn_eps), Decoder(image_shape, nz, bn_eps)
        self.flow = Flow(nz, k, blocks, bound)

    def loss(self, x: Tensor) -> Loss:
        """Eq. (2): beta * recon + NLL, mean over the batch."""
        z = self.encoder(x)
        recon = self.recon(x, self.decoder(z))
        nll, _ = self.flow_loss(z.detach() if self.stop_gradient else z)
        return self.beta * recon + nll, {"recon": recon, "nll": nll, "latent_std": z.detach().std(0).mean()}

    def flow_loss(self, z: Tensor) -> Loss:
        """Negative log-likelihood of latents (B, nz) under the flow, eq. (1), in nats."""
        nll = -self.flow.log_prob(z).mean()
        return nll, {"nll": nll}

    def autoencoder(self) -> list[nn.Parameter]:
        """Parameters of encoder and decoder."""
        return [*self.encoder.parameters(), *self.decoder.parameters()]

    def stages(self, x: Tensor) -> Iterator[Stage]:
        """One stage with one update of two groups, as weight decay applies to the flow only (B.1)."""
        groups = {"ae": self.autoencoder(), "flow": [*self.flow.parameters()]}
        yield Stage("train", lambda: (x,), [Update(self.loss, groups)])

    def log_prob(self, z: Tensor) -> Tensor:
        """Eq. (1), (B,)."""
        return self.flow.log_prob(z)

    def sample_latent(self, n: int, generator: torch.Generator) -> Tensor:
        """eps ~ N(0, I), z = f^-1(eps): (n, nz)."""
        return self.flow.sample(n, generator)

    def latent_path(self, n: int, t: Tensor, generator: torch.Generator) -> Tensor:
        """Lines that are straight in eps, as in Figure 2f: (n, T, nz)."""
        return self.flow.path(n, t, generator)


class TwoStageGLF(GLF):
    """GLF trained in two stages: first the auto-encoder, then the flow on its latents (end of Section 3.3).

    The latents are computed once, in evaluation mode, as the second stage does not change the encoder.
    """

    def recon_loss(self, x: Tensor) -> Loss:
        """beta * recon."""
        recon = self.recon(x, self.decoder(self.encoder(x)))
        return self.beta * recon, {"recon": recon}

    def stages(self, x: Tensor) -> Iterator[Stage]:
        """The auto-encoder, then the flow."""
        yield Stage("ae", lambda: (x,), [Update(self.recon_loss, {"ae": self.autoencoder()})])
        z = self.encode(x)
        yield Stage("flow", lambda: (z,), [Update(self.flow_loss, {"flow": [*self.flow.parameters()]})])
