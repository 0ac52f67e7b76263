"""Losses. They are summed over pixels or dimensions and averaged over the batch; the values of beta rely on this.

Only the perceptual loss is a mean over pixels; see `zoo.perceptual`.

Departs: the paper does not say how its squared error is reduced. Only a sum over pixels gives its values of beta the
effect that it describes (Sections 3.4 and 4.2.1).  To switch: divide beta by the number of pixels.
Departs: the paper does not say whether beta multiplies the squared error or half of it. It calls beta the decoder's
precision (Section 3.4), so it is half.  To switch: recon="sse" (`vae-full-sse`, ...).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zoo.perceptual import VGG16, Weights, perceptual


def sse(x: Tensor, y: Tensor) -> Tensor:
    """Squared error, summed over pixels and channels, mean over the batch: (B, C, H, W) twice -> ()."""
    return (x - y).square().sum() / len(x)


def half_sse(x: Tensor, y: Tensor) -> Tensor:
    """Half of `sse`: -log N(x; y, I) without its constant."""
    return 0.5 * sse(x, y)


def bce(x: Tensor, y: Tensor) -> Tensor:
    """Binary cross-entropy of pixels x in [0, 1] under probabilities y: summed over pixels, mean over the batch."""
    return nn.functional.binary_cross_entropy(y, x, reduction="sum") / len(x)


RECON: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "half-sse": half_sse,
    "sse": sse,
    "bce": bce,
    "perceptual": perceptual,
}
PRETRAINED: dict[str, Weights] = {"perceptual": VGG16}  # weights that a loss needs
FP32_ONLY = {"bce"}  # bf16 rounds probabilities near 1 to 1, and log(1 - 1) is infinite


def reconstruction(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """The reconstruction loss (x, y) -> () of a name; raise ValueError if the name is unknown."""
    if name not in RECON:
        raise ValueError(f"unknown reconstruction loss {name!r}. Known: {', '.join(RECON)} (zoo/losses.py)")
    return RECON[name]


def gaussian_kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, diag exp(logvar)) || N(0, I)) in nats, summed over dimensions, mean over the batch."""
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum() / len(mu)


def gaussian_nll(x: Tensor, y: Tensor, log_gamma: Tensor) -> Tensor:
    """-log N(x; y, gamma^2 I) without its constant D/2 log 2 pi, mean over the batch.

    SSE / (2 gamma^2) + D log gamma, with D the number of entries of one example (Two-Stage VAE, B.4).
    """
    return 0.5 * sse(x, y) * (-2 * log_gamma).exp() + x[0].numel() * log_gamma


def draw_gaussian(mu: Tensor, logvar: Tensor) -> Tensor:
    """Reparameterized draw from N(mu, diag exp(logvar)), by the device's global generator."""
    return mu + (0.5 * logvar).exp() * torch.randn_like(mu)


def binary_loss(logits: Tensor, label: float) -> Tensor:
    """Binary cross-entropy of logits (B, 1) against one label, mean over the batch."""
    return nn.functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


def imq_mmd(z: Tensor, p: Tensor, sigma2: float) -> Tensor:
    """Squared maximum mean discrepancy (MMD) of two samples (B, nz), with inverse multiquadratic kernels.

    The kernel is the sum of C / (C + |a - b|^2) over C = 2 nz sigma2 {.1, .2, .5, 1, 2, 5, 10}. As in tolstikhin/wae,
    terms within a sample omit the diagonal (unbiased) and the cross term includes it. The result may be negative.

    Args:
        z: latents of the batch.
        p: draws of the prior.
        sigma2: variance of the prior.
    """
    n, nz = z.shape
    zz, pp, zp = (torch.cdist(a, b).square() for a, b in ((z, z), (p, p), (z, p)))
    off = 1 - torch.eye(n, device=z.device)
    total = torch.zeros((), device=z.device)
    for scale in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0):
        c = 2 * nz * sigma2 * scale
        within = ((c / (c + zz) + c / (c + pp)) * off).sum() / (n * (n - 1))
        total = total + within - 2 * (c / (c + zp)).mean()
    return total
