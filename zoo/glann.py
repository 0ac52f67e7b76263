"""GLANN: a learned code per training image, then a mapping from noise to codes (Hoshen, Li & Malik).

The first stage is GLO (Bojanowski et al.). It trains codes and decoder together, without an encoder. The second stage
is IMLE (Li & Malik). It trains a mapping from noise to codes. In every epoch, each code is matched with the nearest
mapped noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from zoo.base import LatentModel, Loss, NotFitted, Stage, Update, check_positive, check_sizes, line, standard_normal
from zoo.losses import reconstruction
from zoo.nets import Decoder

DRAWS = 128  # draws per forward pass of the matching: the batch size of training, as batch norm is in training mode
BLOCK = 1 << 24  # distances computed at a time: 64 MB


def nearest(points: Tensor, candidates: Tensor) -> Tensor:
    """For each of `points`, (N, d), the index of the nearest of `candidates`, (M, d): (N,), on their device.

    It minimizes |a|^2 / 2 - a.p, which differs from |a - p|^2 / 2 only by a constant of p, in chunks of `BLOCK`
    distances. It never uses TF32, whose ten bits cannot distinguish close candidates.
    """
    half = 0.5 * candidates.square().sum(1)
    chunks = points.split(max(1, BLOCK // len(candidates)))
    with without_tf32():
        return torch.cat([(half - part @ candidates.T).argmin(1) for part in chunks])


@contextmanager
def without_tf32() -> Iterator[None]:
    """Compute matrix products in the block in float32, even if training uses TF32."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


class GLANN(LatentModel):
    """Codes on the unit sphere, and a network that maps 32-dimensional noise to them.

    The codes are a parameter with one row per training image. Training images or loaded weights set the number of rows.

    Departs: the paper cites GLANN's numbers and does not train it. The settings here are those of yedidh/glann, with
    two exceptions. The generator is Table 3's decoder, as for all models; the original has leaky ReLU, and batch norm
    on MNIST only. Sampling uses the running statistics of batch norm; the original uses those of the batch.  No switch.
    Departs: the original's alternative to the perceptual loss is called L2, but is a mean absolute error. Here it is
    the squared error of the other models (`glann-mse`).  To switch: recon.

    Args:
        image_shape: (C, H, W).
        nz: size of the latent of the other models; GLANN ignores it.
        codes: size of a code, 64 for all data sets (yedidh/glann).
        noise: size of the noise.
        recon: reconstruction loss, a key of `zoo.losses.RECON`.
    """

    per_example = ("codes",)
    trained: Tensor
    begun: Tensor

    def __init__(
        self, image_shape: Sequence[int], nz: int, codes: int = 64, noise: int = 32, recon: str = "perceptual"
    ):
        check_sizes(image_shape, nz)
        check_positive(noise=noise)
        super().__init__(image_shape, codes)  # the decoder's input is a code
        self.noise, self.recon = noise, reconstruction(recon)
        self.decoder = Decoder(image_shape, codes)
        self.mapping = nn.Sequential(
            nn.Linear(noise, 128, bias=False), nn.BatchNorm1d(128), nn.ReLU(),
            nn.Linear(128, 128, bias=False), nn.BatchNorm1d(128), nn.ReLU(),
            nn.Linear(128, codes, bias=False),
        )  # fmt: skip
        self.codes = nn.Parameter(torch.zeros(0, codes))
        self.register_buffer("trained", torch.tensor(False))  # whether an epoch has trained the codes
        self.register_buffer("begun", torch.tensor(False))  # whether the second stage has begun

    def glo_loss(self, x: Tensor, index: Tensor) -> Loss:
        """The reconstruction loss of images (B, C, H, W) from their codes, scaled to length 1."""
        z = self.codes[index]
        recon = self.recon(
            x, self.decoder(z / row_norms(z).detach())
        )  # the length gets no gradient, as in the original
        return recon, {"recon": recon}

    def imle_loss(self, e: Tensor, z: Tensor) -> Loss:
        """Mean squared error between mapped noise, (B, noise), and the codes matched with it, (B, nz)."""
        distance = (self.mapping(e) - z).square().mean()
        return distance, {"distance": distance}

    @torch.no_grad()
    def project(self) -> None:
        """Scale all codes to length 1, in place, as optimizers hold references to the parameter."""
        self.codes.div_(row_norms(self.codes))

    @torch.no_grad()
    def match(self) -> tuple[Tensor, Tensor]:
        """Noise (N, noise) and codes (N, nz): for each code, the nearest after mapping of 2N draws of noise."""
        codes = self.codes.detach()
        batches = max(1, 2 * len(codes) // DRAWS)
        e = torch.randn(batches * DRAWS, self.noise, device=codes.device)
        mapped = torch.cat([self.mapping(part) for part in e.split(DRAWS)])
        return e[nearest(codes, mapped)], codes

    def stages(self, x: Tensor) -> Iterator[Stage]:
        """First codes and decoder, then the mapping. Every epoch of the mapping matches noise and codes again."""
        if len(self.codes) != len(x):
            self.codes = nn.Parameter(0.01 * torch.randn(len(x), self.nz, device=self.device))
        index = torch.arange(len(x), device=self.device)  # the images may be on another device

        def indexed_images() -> tuple[Tensor, Tensor]:
            if self.trained:  # not before the first epoch, as the initial codes are small
                self.project()
            self.trained.fill_(True)
            return x, index

        groups = {"codes": [self.codes], "decoder": [*self.decoder.parameters()]}
        yield Stage("glo", indexed_images, [Update(self.glo_loss, groups)])
        self.project()
        self.begun.fill_(True)
        yield Stage("imle", self.match, [Update(self.imle_loss, {"mapping": [*self.mapping.parameters()]})])

    def to_sphere(self, e: Tensor) -> Tensor:
        """Map noise, (B, noise), to the unit sphere: (B, nz)."""
        z: Tensor = self.mapping(e)
        return z / row_norms(z)

    def sample_latent(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw e ~ N(0, I), map it, and scale it to length 1: (n, nz)."""
        return self.to_sphere(self.draw_noise(n, generator))

    def latent_path(self, n: int, t: Tensor, generator: torch.Generator) -> Tensor:
        """Lines that are straight in the noise: (n, T, nz)."""
        e = line(self.draw_noise(n, generator), self.draw_noise(n, generator), t)
        z: Tensor = self.to_sphere(e.flatten(0, 1)).unflatten(0, (n, len(t)))
        return z

    def draw_noise(self, n: int, generator: torch.Generator) -> Tensor:
        """N(0, I), (n, noise).

        Raises:
            NotFitted: the mapping has not been trained.
        """
        if not self.begun:
            raise NotFitted("GLANN cannot sample before its second stage has begun")
        return standard_normal(n, self.noise, generator, self.device)


def row_norms(z: Tensor) -> Tensor:
    """Norms of vectors, at least 1e-12: (B, d) -> (B, 1)."""
    norms: Tensor = z.norm(dim=1, keepdim=True)
    return norms.clamp_min(1e-12)
