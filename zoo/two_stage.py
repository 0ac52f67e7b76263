"""Two-Stage VAE: a VAE with a learned decoder variance, then a second VAE on its latents (Dai & Wipf; B.4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from zoo.base import LatentModel, Loss, NotFitted, Stage, Update, evaluating, standard_normal, to_float
from zoo.losses import draw_gaussian, gaussian_kl, gaussian_nll
from zoo.nets import Decoder, GaussianEncoder, SkipMLP


class TwoStageVAE(LatentModel):
    """Two VAEs. The second one models q(z), the aggregated posterior of the first one.

    Each decoder learns one standard deviation, gamma or gamma_z, stored as a logarithm that starts at 0.
    Departs: the first stage of the original has spectral norm and leaky ReLU. The paper, and this code, use Table 3's
    networks.  No switch.

    Args:
        image_shape: (C, H, W).
        nz: size of z, and of the second stage's latent u.
    """

    begun: Tensor

    def __init__(self, image_shape: Sequence[int], nz: int):
        super().__init__(image_shape, nz)
        self.encoder, self.decoder = GaussianEncoder(image_shape, nz), Decoder(image_shape, nz)
        self.log_gamma = nn.Parameter(torch.zeros(()))
        self.second_encoder, self.second_decoder = SkipMLP(nz, heads=2), SkipMLP(nz, heads=1)
        self.log_gamma_z = nn.Parameter(torch.zeros(()))
        self.register_buffer("begun", torch.tensor(False))  # whether the second stage has begun

    def first_loss(self, x: Tensor) -> Loss:
        """SSE / (2 gamma^2) + D log gamma + KL(q(z|x) || N(0, I))."""
        mu, logvar = self.encoder(x)
        y = self.decoder(draw_gaussian(mu, logvar))
        nll, kl = gaussian_nll(x, y, self.log_gamma), gaussian_kl(mu, logvar)
        return nll + kl, {"nll": nll, "kl": kl, "log_gamma": self.log_gamma}

    def second_loss(self, z: Tensor) -> Loss:
        """||z - z'||^2 / (2 gamma_z^2) + nz log gamma_z + KL(q(u|z) || N(0, I))."""
        mu, logvar = self.second_encoder(z)
        (y,) = self.second_decoder(draw_gaussian(mu, logvar))
        nll, kl = gaussian_nll(z, y, self.log_gamma_z), gaussian_kl(mu, logvar)
        return nll + kl, {"nll": nll, "kl": kl, "log_gamma_z": self.log_gamma_z}

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of q(z|x) in evaluation mode, each (N, nz), on the model's device."""
        with evaluating(self):
            parts = [self.encoder(to_float(part.to(self.device))) for part in x.split(self.batch)]
        return torch.cat([mu for mu, _ in parts]), torch.cat([(0.5 * v).exp() for _, v in parts])

    def stages(self, x: Tensor) -> Iterator[Stage]:
        """First a VAE of the images, then a VAE of their latents, redrawn from q(z|x) in every epoch (B.4)."""
        vae = [*self.encoder.parameters(), *self.decoder.parameters()]
        yield Stage("first", lambda: (x,), [Update(self.first_loss, {"vae": vae, "gamma": [self.log_gamma]})])
        mu, sigma = self.moments(x)
        self.begun.fill_(True)
        vae = [*self.second_encoder.parameters(), *self.second_decoder.parameters()]
        update = Update(self.second_loss, {"vae": vae, "gamma": [self.log_gamma_z]})
        yield Stage("second", lambda: (mu + sigma * torch.randn_like(mu),), [update])

    def draw_latent(self, x: Tensor, eps: Tensor) -> Tensor:
        """A draw from the first stage's q(z|x), (B, nz). There is no `log_prob`, as it has no closed form."""
        mu, logvar = self.encoder(x)
        z: Tensor = mu + (0.5 * logvar).exp() * eps
        return z

    def sample_latent(self, n: int, generator: torch.Generator) -> Tensor:
        """u ~ N(0, I), z = z'(u) + gamma_z eps: (n, nz)."""
        if not self.begun:
            raise NotFitted("Two-Stage VAE cannot sample before its second stage has begun")
        u = standard_normal(n, self.nz, generator, self.device)
        eps = standard_normal(n, self.nz, generator, self.device)
        z: Tensor = self.second_decoder(u)[0]
        return z + self.log_gamma_z.exp() * eps
