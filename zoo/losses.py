"""Losses.  All are summed over pixels or dimensions and averaged over the batch: beta means nothing otherwise.

Departs: the paper does not say how its squared error is reduced; only the sum gives its values of beta the
effect that it describes (Sections 3.4 and 4.2.1).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def sse(x: Tensor, y: Tensor) -> Tensor:
    """Squared error, summed over pixels and channels, mean over the batch: (B, C, H, W) twice -> ()."""
    return (x - y).square().sum() / len(x)


def gaussian_kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, diag exp(logvar)) || N(0, I)) in nats, summed over dimensions, mean over the batch."""
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum() / len(mu)


def gaussian_nll(x: Tensor, y: Tensor, log_gamma: Tensor) -> Tensor:
    """-log N(x; y, gamma^2 I) without its constant D/2 log 2 pi, mean over the batch.

    SSE / (2 gamma^2) + D log gamma, with D the number of entries of one example (Two-Stage VAE, B.4).
    """
    return 0.5 * sse(x, y) * (-2 * log_gamma).exp() + x[0].numel() * log_gamma


def draw_gaussian(mu: Tensor, logvar: Tensor) -> Tensor:
    """Reparameterised draw from N(mu, diag exp(logvar)), from the global generator of the device."""
    return mu + (0.5 * logvar).exp() * torch.randn_like(mu)


def adversary_says(logits: Tensor, label: float) -> Tensor:
    """Binary cross-entropy of logits (B, 1) against one label, mean over the batch."""
    return nn.functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))
