"""Wasserstein auto-encoders, with an adversary or the MMD on the latents (Tolstikhin et al.; Appendix B.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import erf, log, sqrt

import torch
from torch import Tensor, nn

from zoo.base import LatentModel, Loss, Stage, Update, check_positive, standard_normal
from zoo.flows import log_normal
from zoo.losses import binary_loss, imq_mmd, sse
from zoo.nets import Adversary, Decoder, Encoder

NOISE_STD = 0.01  # standard deviation of the noise on the encoder's input while training (tolstikhin/wae)
TRUNCATION = 2.0  # it is truncated at so many standard deviations (TensorFlow's truncated_normal)
RECON = 0.05  # weight of the squared error in tolstikhin/wae, from whose units lambda = 10 is quoted


def truncated_normal(u: Tensor) -> Tensor:
    """N(0, 1) truncated at +-`TRUNCATION`, by the inverse of its distribution function at u in [0, 1], of any shape."""
    return (sqrt(2) * torch.erfinv((2 * u - 1) * erf(TRUNCATION / sqrt(2)))).clamp(-TRUNCATION, TRUNCATION)


def truncated_noise(x: Tensor) -> Tensor:
    """N(0, NOISE_STD^2), truncated at `TRUNCATION` deviations, like x, from the global generator of the device.

    From 2.12 on PyTorch's function draws by rejection, and asks the device at every step whether all were accepted: a
    GPU would be waited for.  On a CPU it stays, as the committed records were made with its random numbers.
    """
    if x.device.type == "cpu":
        return nn.init.trunc_normal_(
            torch.empty_like(x), std=NOISE_STD, a=-TRUNCATION * NOISE_STD, b=TRUNCATION * NOISE_STD
        )
    return NOISE_STD * truncated_normal(torch.rand_like(x))


def covariance(z: Tensor) -> Tensor:
    """Of latents (n, nz): (nz, nz), to the last bit that of torch.cov, which asks the device whether n is enough."""
    centered = z.T - z.T.sum(1, keepdim=True) / len(z)
    return centered @ centered.T / (len(z) - 1)


class WAE(LatentModel):
    """What the two Wasserstein auto-encoders share: networks, noise, prior, pretraining of the encoder.

    Args:
        image_shape: (C, H, W).
        nz: size of the latent.
        lam: lambda, the weight of the penalty.
        sigma2: variance of the prior N(0, sigma2 I) (B.3: 1; CelebA 2).
        recon_weight: weight of the squared error.  0.05 in the original code, on whose scale lambda is 10.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        nz: int,
        lam: float = 10.0,
        sigma2: float = 1.0,
        recon_weight: float = RECON,
    ):
        super().__init__(image_shape, nz)
        check_positive(lam=lam, sigma2=sigma2, recon_weight=recon_weight)
        self.lam, self.sigma2, self.recon_weight = lam, sigma2, recon_weight
        self.encoder, self.decoder = Encoder(image_shape, nz), Decoder(image_shape, nz)

    def draw_prior(self, n: int) -> Tensor:
        """(n, nz) from N(0, sigma2 I), from the device's global generator (training only)."""
        return sqrt(self.sigma2) * torch.randn(n, self.nz, device=self.device)

    def noisy(self, x: Tensor) -> Tensor:
        """Images with N(0, 0.01^2) noise, truncated at two standard deviations."""
        return x + truncated_noise(x)

    def pretrain_loss(self, x: Tensor) -> Loss:
        """Distance of the latents' mean and covariance to those of as many draws of the prior.

        Source: tolstikhin/wae, which matches them for at most 200 steps before training.
        Departs: the original stops when the loss is below 0.1; ours takes all steps, so that the length of
        training is known beforehand.  To switch: `steps` in benchmarks/protocols.py.
        """
        z, p = self.encoder(self.noisy(x)), self.draw_prior(len(x))
        mean = (z.mean(0) - p.mean(0)).square().mean()
        cov = (covariance(z) - covariance(p)).square().mean()
        return mean + cov, {"mean": mean, "cov": cov}

    def pretraining(self, x: Tensor) -> Stage:
        """The stage that matches mean and covariance."""
        return Stage("pretrain", lambda: (x,), [Update(self.pretrain_loss, {"encoder": [*self.encoder.parameters()]})])

    def autoencoder(self) -> list[nn.Parameter]:
        """Parameters of encoder and decoder."""
        return [*self.encoder.parameters(), *self.decoder.parameters()]

    def log_prob(self, z: Tensor) -> Tensor:
        """log N(z; 0, sigma2 I), (B,)."""
        return log_normal(z / sqrt(self.sigma2)) - 0.5 * self.nz * log(self.sigma2)

    def sample_latent(self, n: int, generator: torch.Generator) -> Tensor:
        """z ~ N(0, sigma2 I): (n, nz)."""
        return sqrt(self.sigma2) * standard_normal(n, self.nz, generator, self.device)


class WAEGAN(WAE):
    """An adversary cannot tell the latents from N(0, sigma2 I); it and the auto-encoder take turns (B.3).

    Departs: B.3 names neither the weight of the squared error, Adam's betas, the noise nor the pretraining that
    its lambda was made for; all are tolstikhin/wae's.  Its CelebA images lie in [-1, 1], where 0.05 is our 0.2; B.3 has
    one setting of images, so the weight is 0.05 everywhere.  To switch: recon_weight, and benchmarks/protocols.py.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        nz: int,
        lam: float = 10.0,
        sigma2: float = 1.0,
        recon_weight: float = RECON,
    ):
        super().__init__(image_shape, nz, lam, sigma2, recon_weight)
        self.adversary = Adversary(nz)
        self._z = torch.empty(0, nz)  # the batch's latents, from the first update to the second

    def ae_loss(self, x: Tensor) -> Loss:
        """recon_weight * SSE + lambda * BCE(adversary(z), "prior"), not saturating."""
        z = self.encoder(self.noisy(x))
        # Kept for the adversary: encoding the batch again would move batch norm's statistics twice.
        self._z = z.detach()
        recon = sse(x, self.decoder(z))
        penalty = binary_loss(self.adversary(z), 1.0)
        return self.recon_weight * recon + self.lam * penalty, {"recon": recon, "penalty": penalty}

    def adversary_loss(self, x: Tensor) -> Loss:
        """lambda * (BCE(adversary(prior), 1) + BCE(adversary(z), 0)) on the latents of the same batch."""
        prior, z = self.draw_prior(len(x)), self._z
        bce = binary_loss(self.adversary(prior), 1.0) + binary_loss(self.adversary(z), 0.0)
        return self.lam * bce, {"adversary": bce}

    def stages(self, x: Tensor) -> Iterator[Stage]:
        """Pretraining of the encoder, then two alternating updates per batch."""
        yield self.pretraining(x)
        updates = [
            Update(self.ae_loss, {"ae": self.autoencoder()}),
            Update(self.adversary_loss, {"adversary": [*self.adversary.parameters()]}),
        ]
        yield Stage("train", lambda: (x,), updates)


class WAEMMD(WAE):
    """The latents' maximum mean discrepancy to N(0, sigma2 I) is small (Section 4.2: "worse than WAE-GAN")."""

    def loss(self, x: Tensor) -> Loss:
        """recon_weight * SSE + lambda * MMD^2(latents, as many draws of the prior)."""
        z = self.encoder(self.noisy(x))
        recon, mmd = sse(x, self.decoder(z)), imq_mmd(z, self.draw_prior(len(x)), self.sigma2)
        return self.recon_weight * recon + self.lam * mmd, {"recon": recon, "mmd": mmd}

    def stages(self, x: Tensor) -> Iterator[Stage]:
        """Pretraining of the encoder, then one update per batch."""
        yield self.pretraining(x)
        yield Stage("train", lambda: (x,), [Update(self.loss, {"ae": self.autoencoder()})])
