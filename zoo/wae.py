"""Wasserstein auto-encoders (WAE), with an adversary or the MMD on the latents (Tolstikhin et al.; Appendix B.3)."""

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
TRUNCATION = 2.0  # number of standard deviations at which it is truncated (TensorFlow's truncated_normal)
RECON = 0.05  # weight of the squared error in tolstikhin/wae; lambda = 10 is relative to it


def truncated_normal(u: Tensor) -> Tensor:
    """Quantiles of N(0, 1) truncated at +-`TRUNCATION`, at probabilities u in [0, 1] of any shape."""
    return (sqrt(2) * torch.erfinv((2 * u - 1) * erf(TRUNCATION / sqrt(2)))).clamp(-TRUNCATION, TRUNCATION)


def truncated_noise(x: Tensor) -> Tensor:
    """Draw noise of the shape of x from N(0, NOISE_STD^2), truncated at `TRUNCATION` standard deviations.

    The draws come from the device's global generator. On a CPU, PyTorch's function draws them, because the committed
    records were made with its random numbers. On other devices inverse transform sampling is used, because from
    version 2.12 on PyTorch's function uses rejection sampling and waits for the device in every step.
    """
    if x.device.type == "cpu":
        return nn.init.trunc_normal_(
            torch.empty_like(x), std=NOISE_STD, a=-TRUNCATION * NOISE_STD, b=TRUNCATION * NOISE_STD
        )
    return NOISE_STD * truncated_normal(torch.rand_like(x))


def covariance(z: Tensor) -> Tensor:
    """Covariance of latents, (n, nz) -> (nz, nz), with the bits of torch.cov. torch.cov waits for the device."""
    centered = z.T - z.T.sum(1, keepdim=True) / len(z)
    return centered @ centered.T / (len(z) - 1)


class WAE(LatentModel):
    """Base class of the Wasserstein auto-encoders: networks, noise, prior, pretraining of the encoder.

    Args:
        image_shape: (C, H, W).
        nz: size of the latent.
        lam: lambda, the weight of the penalty.
        sigma2: variance of the prior N(0, sigma2 I) (B.3: 1; CelebA 2).
        recon_weight: weight of the squared error; 0.05 in the original code, where lambda is 10.
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
        """Draw (n, nz) from N(0, sigma2 I) with the device's global generator (in training only)."""
        return sqrt(self.sigma2) * torch.randn(n, self.nz, device=self.device)

    def noisy(self, x: Tensor) -> Tensor:
        """Add N(0, 0.01^2) noise, truncated at two standard deviations, to images."""
        return x + truncated_noise(x)

    def pretrain_loss(self, x: Tensor) -> Loss:
        """Squared distance of the latents' mean and covariance to those of an equal number of draws from the prior.

        Source: tolstikhin/wae, which minimizes it for at most 200 steps before training.
        Departs: the original stops when the loss is below 0.1. This code takes all steps, so that the number of steps
        is known in advance.  To switch: `steps` in benchmarks/protocols.py.
        """
        z, p = self.encoder(self.noisy(x)), self.draw_prior(len(x))
        mean = (z.mean(0) - p.mean(0)).square().mean()
        cov = (covariance(z) - covariance(p)).square().mean()
        return mean + cov, {"mean": mean, "cov": cov}

    def pretraining(self, x: Tensor) -> Stage:
        """The stage that minimizes `pretrain_loss`."""
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
    """WAE with an adversary that learns to distinguish latents from N(0, sigma2 I). Both are updated in turn (B.3).

    Departs: B.3 does not give the weight of the squared error, Adam's betas, the noise, or the pretraining. They are
    those of tolstikhin/wae, as B.3's lambda fits them. That code scales CelebA's images to [-1, 1], where its weight
    0.05 is 0.2 for images in [0, 1]. B.3 has one range of images, so the weight here is 0.05 everywhere.
    To switch: recon_weight, and benchmarks/protocols.py.
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
        self._z = torch.empty(0, nz)  # latents of the batch, which the first update leaves for the second

    def ae_loss(self, x: Tensor) -> Loss:
        """recon_weight * SSE + lambda * BCE(adversary(z), 1), the non-saturating loss."""
        z = self.encoder(self.noisy(x))
        # Kept for the adversary: encoding the batch again would update batch norm's statistics twice.
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
    """WAE with the maximum mean discrepancy of the latents to N(0, sigma2 I) (Section 4.2: "worse than WAE-GAN")."""

    def loss(self, x: Tensor) -> Loss:
        """recon_weight * SSE + lambda * MMD^2(latents, an equal number of draws from the prior)."""
        z = self.encoder(self.noisy(x))
        recon, mmd = sse(x, self.decoder(z)), imq_mmd(z, self.draw_prior(len(x)), self.sigma2)
        return self.recon_weight * recon + self.lam * mmd, {"recon": recon, "mmd": mmd}

    def stages(self, x: Tensor) -> Iterator[Stage]:
        """Pretraining of the encoder, then one update per batch."""
        yield self.pretraining(x)
        yield Stage("train", lambda: (x,), [Update(self.loss, {"ae": self.autoencoder()})])
