"""The variational auto-encoder (Kingma & Welling), the paper's baseline (Appendix B.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from zoo.base import LatentModel, Loss, Stage, Update, check_positive, standard_normal
from zoo.losses import draw_gaussian, gaussian_kl, sse
from zoo.nets import Decoder, GaussianEncoder


class VAE(LatentModel):
    """Gaussian encoder, Gaussian decoder of fixed precision beta, prior N(0, I).

    Departs: the paper gives no beta for this row ("common settings", B.2); it is 1, as for GLF.

    Args:
        image_shape: (C, H, W).
        nz: size of the latent.
        beta: precision of the decoder, the weight of SSE / 2.
    """

    def __init__(self, image_shape: Sequence[int], nz: int, beta: float = 1.0):
        super().__init__(image_shape, nz)
        check_positive(beta=beta)
        self.beta = beta
        self.encoder, self.decoder = GaussianEncoder(image_shape, nz), Decoder(image_shape, nz)

    def loss(self, x: Tensor) -> Loss:
        """The negative ELBO up to a constant: beta * SSE / 2 + KL(q(z|x) || N(0, I))."""
        mu, logvar = self.encoder(x)
        recon = sse(x, self.decoder(draw_gaussian(mu, logvar)))
        kl = gaussian_kl(mu, logvar)
        return self.beta * 0.5 * recon + kl, {"recon": recon, "kl": kl}

    def stages(self, x: Tensor) -> Iterator[Stage]:
        """One stage, one update, one group."""
        groups = {"vae": [*self.encoder.parameters(), *self.decoder.parameters()]}
        yield Stage("train", lambda: (x,), [Update(self.loss, groups)])

    def sample_latent(self, n: int, generator: torch.Generator) -> Tensor:
        """z ~ N(0, I): (n, nz)."""
        return standard_normal(n, self.nz, generator, self.device)
