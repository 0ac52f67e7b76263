"""The networks that all models share, and the adversary of WAE-GAN (Appendix B.3).

Images up to 64x64 use the networks of Table 3. Larger images use networks after DCGAN (Appendix B.1). At 256x256 these
have 24.5 million parameters; a step of GLF on a batch of 64 peaks at 2.5 GB on a CPU, 0.8 GB of which precede the step.
Only `trunk` and `Decoder` depend on the image size. Layers are convolution, batch norm, ReLU, in this order, with
kernel 4, stride 2, padding 1 and biases.

Departs: the paper specifies neither the initialization nor the constants of batch norm. They are PyTorch's defaults
(momentum 0.1, eps 1e-5).  To switch: bn_eps of GLF (`glf-bn-eps`, `glf-regularized-bn-eps`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

FC = 1024  # Table 3: width of the fully connected layers
EPS = 1e-5  # epsilon of batch norm; PyTorch's default
MAX_INFOGAN_SIDE = 64  # largest side for which Table 3's networks are used
MAX_SMALLEST_SIDE = 16  # largest side after all halvings: with 1024 channels and nz 64, 17 million weights in one layer
MAX_CHANNELS = 1024  # DCGAN: channels at the smallest side; each doubling of the side halves them


def trunk(image_shape: Sequence[int], eps: float = EPS) -> tuple[list[nn.Module], int]:
    """An encoder without its last layer, (B, C, H, W) in [0, 1] -> (B, width), and its width."""
    return (_infogan_trunk if image_shape[1] <= MAX_INFOGAN_SIDE else _dcgan_trunk)(image_shape, eps)


def _infogan_trunk(image_shape: Sequence[int], eps: float) -> tuple[list[nn.Module], int]:
    """Table 3: (B, C, 4M, 4M) -> (B, 1024), with M a quarter of the image's side."""
    c, side = image_shape[0], image_shape[1]
    return [
        nn.Conv2d(c, 64, 4, 2, 1), nn.ReLU(),                                  # no batch norm on the first
        nn.Conv2d(64, 128, 4, 2, 1), nn.BatchNorm2d(128, eps), nn.ReLU(),
        nn.Flatten(),
        nn.Linear(128 * (side // 4) ** 2, FC), nn.BatchNorm1d(FC, eps), nn.ReLU(),
    ], FC  # fmt: skip


def dcgan_widths(side: int) -> list[int]:
    """Channels after each halving of the side: 32, 64, ..., 1024 for a side of 256, which ends at 4x4.

    The side is halved as long as it stays an integer of at least 4.

    Raises:
        ValueError: the smallest side exceeds `MAX_SMALLEST_SIDE`. The message gives the next side that works.
    """
    halvings = _halvings(side)
    if side >> halvings > MAX_SMALLEST_SIDE:
        next_side = next(
            other for other in range(side + 4, 2 * side + 1, 4) if other >> _halvings(other) <= MAX_SMALLEST_SIDE
        )
        raise ValueError(
            f"images of {side}x{side} can be halved only to {side >> halvings}x{side >> halvings}; the linear layer "
            f"takes at most {MAX_SMALLEST_SIDE}x{MAX_SMALLEST_SIDE} (zoo/nets.py). The next larger size that works "
            f"is {next_side}x{next_side}"
        )
    return [MAX_CHANNELS >> (halvings - n) for n in range(1, halvings + 1)]


def _halvings(side: int) -> int:
    return next(n for n in range(side.bit_length(), 0, -1) if side % 2**n == 0 and side >> n >= 4)


def _dcgan_trunk(image_shape: Sequence[int], eps: float) -> tuple[list[nn.Module], int]:
    """DCGAN's discriminator without its last layer: leaky ReLU 0.2, and batch norm in all layers but the first."""
    c, side = image_shape[0], image_shape[1]
    first, *later_widths = widths = dcgan_widths(side)
    layers: list[nn.Module] = [nn.Conv2d(c, first, 4, 2, 1), nn.LeakyReLU(0.2)]
    for n_in, n_out in zip(widths, later_widths, strict=False):
        layers += [nn.Conv2d(n_in, n_out, 4, 2, 1), nn.BatchNorm2d(n_out, eps), nn.LeakyReLU(0.2)]
    return [*layers, nn.Flatten()], widths[-1] * (side >> len(widths)) ** 2


class Encoder(nn.Sequential):
    """The discriminator of InfoGAN (Table 3), or of DCGAN, as an encoder: (B, C, H, W) in [0, 1] -> (B, nz).

    The last layer is linear, with no batch norm.
    """

    def __init__(self, image_shape: Sequence[int], nz: int, eps: float = EPS):
        layers, width = trunk(image_shape, eps)
        super().__init__(*layers, nn.Linear(width, nz))


class GaussianEncoder(nn.Module):
    """The encoder of a VAE: (B, C, H, W) in [0, 1] -> mu, logvar, each (B, nz).

    Departs: the paper's head "returns the standard deviation". This head returns the logarithm of the variance. Both
    describe the same distributions, but a log-variance may have any sign.  To switch: zoo/nets.py, GaussianEncoder.
    """

    def __init__(self, image_shape: Sequence[int], nz: int, eps: float = EPS):
        super().__init__()
        layers, self.width = trunk(image_shape, eps)
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Linear(self.width, 2 * nz)

    def features(self, x: Tensor) -> Tensor:
        """The input of the last layer: (B, width); the width is 1024 in Table 3."""
        h: Tensor = self.trunk(x)
        return h

    def moments(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance from `features`, (B, width)."""
        mu, logvar = self.head(h).chunk(2, dim=1)
        return mu, logvar

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x)."""
        return self.moments(self.features(x))


class Decoder(nn.Sequential):
    """The generator of InfoGAN (Table 3), or of DCGAN: (B, nz) -> (B, C, H, W) in [0, 1].

    Departs: the last row of Table 3 has 128 channels. An image needs C.  No switch: other outputs are not images.
    Departs: B.1 only says that its networks for CelebA-HQ are "based on DCGAN". The decoder here begins at 4x4 with
    DCGAN's 1024 channels. It has DCGAN's kernels of 4, as many layers as 256x256 needs, and Table 3's final sigmoid.
    To switch: zoo/nets.py, dcgan_widths.
    """

    def __init__(self, image_shape: Sequence[int], nz: int, eps: float = EPS):
        super().__init__(*(_infogan if image_shape[1] <= MAX_INFOGAN_SIDE else _dcgan)(image_shape, nz, eps))


def _infogan(image_shape: Sequence[int], nz: int, eps: float) -> list[nn.Module]:
    """Table 3: (B, nz) -> (B, C, 4M, 4M)."""
    c, m = image_shape[0], image_shape[1] // 4
    return [
        nn.Linear(nz, FC), nn.BatchNorm1d(FC, eps), nn.ReLU(),
        nn.Linear(FC, 128 * m * m), nn.BatchNorm1d(128 * m * m, eps), nn.ReLU(),  # per feature, before reshaping
        nn.Unflatten(1, (128, m, m)),
        nn.ConvTranspose2d(128, 64, 4, 2, 1), nn.BatchNorm2d(64, eps), nn.ReLU(),
        nn.ConvTranspose2d(64, c, 4, 2, 1), nn.Sigmoid(),
    ]  # fmt: skip


def _dcgan(image_shape: Sequence[int], nz: int, eps: float) -> list[nn.Module]:
    """DCGAN's generator: batch norm and ReLU in all layers but the last."""
    c, side = image_shape[0], image_shape[1]
    first, *later_widths = widths = dcgan_widths(side)[::-1]
    small = side >> len(widths)
    layers: list[nn.Module] = [
        nn.Linear(nz, first * small**2), nn.Unflatten(1, (first, small, small)), nn.BatchNorm2d(first, eps), nn.ReLU(),
    ]  # fmt: skip
    for n_in, n_out in zip(widths, later_widths, strict=False):
        layers += [nn.ConvTranspose2d(n_in, n_out, 4, 2, 1), nn.BatchNorm2d(n_out, eps), nn.ReLU()]
    return [*layers, nn.ConvTranspose2d(widths[-1], c, 4, 2, 1), nn.Sigmoid()]


class Adversary(nn.Sequential):
    """WAE-GAN's discriminator of latents, Appendix B.3: (B, nz) -> logits (B, 1), high for the prior."""

    def __init__(self, nz: int, width: int = 512):
        layers: list[nn.Module] = []
        for inputs in (nz, width, width, width):
            layers += [nn.Linear(inputs, width), nn.ReLU()]
        super().__init__(*layers, nn.Linear(width, 1))


class SkipMLP(nn.Module):
    """Network of the second stage of Two-Stage VAE: (B, nz) -> one (B, nz) tensor per head.

    It has three hidden layers of 1024 units, without batch norm. Heads are linear on concat(input, hidden).
    Source: daib13/TwoStageVAE.
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
