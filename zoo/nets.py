"""The networks that all models share, and the adversary of WAE-GAN (Appendix B.3).

Up to 64x64 they are Table 3's, above that a pair after DCGAN (Appendix B.1: at 256x256, 24.5 million parameters; one
step of GLF on a batch of 64 took 2.5 GB at its peak on a CPU, 0.8 of them before it began); `trunk` and `Decoder` alone
look at the size of the images.  Order is convolution, batch norm, ReLU; kernel 4, stride 2, padding 1; biases are kept.

Departs: the paper names neither the initialisation nor batch norm's constants; they are PyTorch's defaults (momentum
0.1, eps 1e-5).  To switch: bn_eps of GLF (`glf-bn-eps`, `glf-regularized-bn-eps`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

FC = 1024  # Table 3: width of the fully connected layers
EPS = 1e-5  # batch norm's; PyTorch's default
MAX_INFOGAN_SIDE = 64  # side of the largest images that Table 3's networks are for
MAX_SMALLEST_SIDE = (
    16  # side at DCGAN's smallest size, at most: with 1024 channels and nz 64, 17 million weights in one layer
)
MAX_CHANNELS = 1024  # DCGAN: channels at the smallest size, halved with every doubling of the side


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
    """Channels after each halving of the side: 32, 64, ..., 1024 for 256, which ends at 4x4.

    The side is halved as often as it stays whole and at least 4.

    Raises:
        ValueError: the smallest side would be above `MAX_SMALLEST_SIDE`; names the next side that works.
    """
    halvings = _halvings(side)
    if side >> halvings > MAX_SMALLEST_SIDE:
        next_side = next(
            other for other in range(side + 4, 2 * side + 1, 4) if other >> _halvings(other) <= MAX_SMALLEST_SIDE
        )
        raise ValueError(
            f"images of {side}x{side} can be halved only to {side >> halvings}x{side >> halvings}, too large for the "
            f"linear layer there (at most {MAX_SMALLEST_SIDE}x{MAX_SMALLEST_SIDE}, zoo/nets.py); the next larger "
            f"size that works is {next_side}x{next_side}"
        )
    return [MAX_CHANNELS >> (halvings - n) for n in range(1, halvings + 1)]


def _halvings(side: int) -> int:
    return next(n for n in range(side.bit_length(), 0, -1) if side % 2**n == 0 and side >> n >= 4)


def _dcgan_trunk(image_shape: Sequence[int], eps: float) -> tuple[list[nn.Module], int]:
    """DCGAN's discriminator without its last layer: leaky ReLU 0.2, batch norm on all layers but the first."""
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

    Departs: the paper's head "returns the standard deviation"; ours returns the logarithm of the variance,
    which describes the same family and cannot become negative.  To switch: zoo/nets.py, GaussianEncoder.
    """

    def __init__(self, image_shape: Sequence[int], nz: int, eps: float = EPS):
        super().__init__()
        layers, self.width = trunk(image_shape, eps)
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Linear(self.width, 2 * nz)

    def features(self, x: Tensor) -> Tensor:
        """What the last layer sees: (B, width), Table 3's 1024."""
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

    Departs: the table's last row reads 128 channels; an image needs C.  No switch: nothing else is an image.
    Departs: B.1's networks for CelebA-HQ are "based on DCGAN" and no more is said; ours begin at 4x4 with DCGAN's 1024
    channels, have its kernels of 4 and as many layers as 256x256 needs, and end in Table 3's sigmoid.  To switch:
    zoo/nets.py, dcgan_widths.
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
    """DCGAN's generator: batch norm and ReLU on all layers but the last."""
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
    """Second-stage network of Two-Stage VAE: three layers of 1024, the input joined to the last of them.

    (B, nz) -> one (B, nz) tensor per head; heads are linear on concat(input, hidden).  No batch norm.
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
