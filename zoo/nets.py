"""The networks that all models share (Table 3), and the adversary of WAE-GAN (Appendix B.3).

Order is convolution, batch norm, ReLU; kernel 4, stride 2, padding 1; biases are kept.  M is a quarter of the
image's side.

Departs: the paper names neither the initialisation nor batch norm's constants; they are PyTorch's defaults (momentum
0.1, eps 1e-5).  To switch: bn_eps of GLF (`glf-bn-eps`, `glf-regularized-bn-eps`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

FC = 1024  # Table 3: width of the fully connected layers


EPS = 1e-5  # batch norm's; PyTorch's default


def _trunk(image_shape: Sequence[int], eps: float) -> list[nn.Module]:
    """Table 3's encoder without its last layer: (B, C, 4M, 4M) -> (B, 1024)."""
    c, side = image_shape[0], image_shape[1]
    return [
        nn.Conv2d(c, 64, 4, 2, 1), nn.ReLU(),                                  # no batch norm on the first
        nn.Conv2d(64, 128, 4, 2, 1), nn.BatchNorm2d(128, eps), nn.ReLU(),
        nn.Flatten(),
        nn.Linear(128 * (side // 4) ** 2, FC), nn.BatchNorm1d(FC, eps), nn.ReLU(),
    ]  # fmt: skip


class Encoder(nn.Sequential):
    """InfoGAN's discriminator as an encoder, Table 3: (B, C, 4M, 4M) in [0, 1] -> (B, nz).

    The last layer is linear, with no batch norm.
    """

    def __init__(self, image_shape: Sequence[int], nz: int, eps: float = EPS):
        super().__init__(*_trunk(image_shape, eps), nn.Linear(FC, nz))


class GaussianEncoder(nn.Module):
    """Table 3's encoder of a VAE: (B, C, 4M, 4M) in [0, 1] -> mu, logvar, each (B, nz).

    Departs: the paper's head "returns the standard deviation"; ours returns the logarithm of the variance,
    which describes the same family and cannot become negative.  To switch: zoo/nets.py, GaussianEncoder.
    """

    def __init__(self, image_shape: Sequence[int], nz: int, eps: float = EPS):
        super().__init__()
        self.trunk = nn.Sequential(*_trunk(image_shape, eps))
        self.head = nn.Linear(FC, 2 * nz)

    def features(self, x: Tensor) -> Tensor:
        """What the last layer sees: (B, 1024)."""
        h: Tensor = self.trunk(x)
        return h

    def moments(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance from `features`, (B, 1024)."""
        mu, logvar = self.head(h).chunk(2, dim=1)
        return mu, logvar

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x)."""
        return self.moments(self.features(x))


class Decoder(nn.Sequential):
    """InfoGAN's generator, Table 3: (B, nz) -> (B, C, 4M, 4M) in [0, 1].

    Departs: the table's last row reads 128 channels; an image needs C.  No switch: nothing else is an image.
    """

    def __init__(self, image_shape: Sequence[int], nz: int, eps: float = EPS):
        c, m = image_shape[0], image_shape[1] // 4
        super().__init__(
            nn.Linear(nz, FC), nn.BatchNorm1d(FC, eps), nn.ReLU(),
            nn.Linear(FC, 128 * m * m), nn.BatchNorm1d(128 * m * m, eps), nn.ReLU(),  # per feature, before reshaping
            nn.Unflatten(1, (128, m, m)),
            nn.ConvTranspose2d(128, 64, 4, 2, 1), nn.BatchNorm2d(64, eps), nn.ReLU(),
            nn.ConvTranspose2d(64, c, 4, 2, 1), nn.Sigmoid(),
        )  # fmt: skip


class Adversary(nn.Sequential):
    """WAE-GAN's discriminator of latents, Appendix B.3: (B, nz) -> logits (B, 1), high for the prior."""

    def __init__(self, nz: int, width: int = 512):
        layers: list[nn.Module] = []
        for inputs in (nz, width, width, width):
            layers += [nn.Linear(inputs, width), nn.ReLU()]
        super().__init__(*layers, nn.Linear(width, 1))


class SkipMLP(nn.Module):
    """Second-stage network of Two-Stage VAE: three layers of 1024, the input joined to the last of them.

    (B, nz) -> one (B, nz) tensor per head; heads are linear on concat(input, hidden).  No batch norm.
    Source: daib13/TwoStageVAE (ledger 5.8).
    """

    def __init__(self, nz: int, heads: int, width: int = 1024):
        super().__init__()
        layers: list[nn.Module] = []
        for inputs in (nz, width, width):
            layers += [nn.Linear(inputs, width), nn.ReLU()]
        self.hidden = nn.Sequential(*layers)
        self.heads = nn.ModuleList(nn.Linear(nz + width, nz) for _ in range(heads))

    def forward(self, v: Tensor) -> tuple[Tensor, ...]:
        """One output per head."""
        h = torch.cat([v, self.hidden(v)], dim=1)
        return tuple(head(h) for head in self.heads)
