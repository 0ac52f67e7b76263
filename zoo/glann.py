"""GLANN: a code for each training image, then a mapping from noise to codes (Hoshen, Li & Malik).

The first stage is GLO (Bojanowski et al.): codes and decoder are trained together, without an encoder.  The second is
IMLE (Li & Malik): noise is mapped near to every code, by nearest neighbors that are searched again in every epoch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from zoo.base import LatentModel, Loss, NotFitted, Stage, Update, check_positive, check_sizes, line, standard_normal
from zoo.losses import reconstruction
from zoo.nets import Decoder

DRAWS = 128  # per forward pass of the matching, as in training: the mapping's batch norm is in training mode
BLOCK = 1 << 24  # distances at a time: 64 MB


def nearest(points: Tensor, candidates: Tensor) -> Tensor:
    """Index of the nearest of `candidates`, (M, d), to each of `points`, (N, d): (N,), on their device.

    By |a|^2 - 2 a.p, which is |a - p|^2 without what is the same for all a, in chunks of `BLOCK` distances, never in
    TF32: its ten bits cannot tell near ones apart.
    """
    half = 0.5 * candidates.square().sum(1)
    chunks = points.split(max(1, BLOCK // len(candidates)))
    with without_tf32():
        return torch.cat([(half - part @ candidates.T).argmin(1) for part in chunks])


@contextmanager
def without_tf32() -> Iterator[None]:
    """Compute matrix products in float32 in the block, even if training uses TF32."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


class GLANN(LatentModel):
    """Codes on the unit sphere, and a network that maps noise of 32 dimensions to them.

    The codes are parameters, one row per training image: their number comes from the images, or from the weights when
    these are loaded.

    Departs: the paper cites GLANN's numbers and trains none; settings are those of yedidh/glann, its generator is
    Table 3's decoder as for all models (the original has leaky ReLU, and batch norm on MNIST only), with moving
    statistics when sampling (the original keeps those of the batch).  No switch.
    Departs: the original's alternative to the perceptual loss is called L2 and is a mean absolute error; ours is the
    squared error of the other models (`glann-mse`).  To switch: recon.

    Args:
        image_shape: (C, H, W).
        nz: of the data set; GLANN's codes have a size of their own.
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
        super().__init__(image_shape, codes)  # what the decoder takes
        self.noise, self.recon = noise, reconstruction(recon)
        self.decoder = Decoder(image_shape, codes)
        self.mapping = nn.Sequential(
            nn.Linear(noise, 128, bias=False), nn.BatchNorm1d(128), nn.ReLU(),
            nn.Linear(128, 128, bias=False), nn.BatchNorm1d(128), nn.ReLU(),
            nn.Linear(128, codes, bias=False),
        )  # fmt: skip
        self.codes = nn.Parameter(torch.zeros(0, codes))
        self.register_buffer("trained", torch.tensor(False))  # whether the codes have been trained for an epoch
        self.register_buffer("begun", torch.tensor(False))  # whether the second stage has begun

    def glo_loss(self, x: Tensor, index: Tensor) -> Loss:
        """The reconstruction loss of images (B, C, H, W) from their codes, which are scaled to length 1."""
        z = self.codes[index]
        recon = self.recon(
            x, self.decoder(z / row_norms(z).detach())
        )  # the length gets no gradient, as in the original
        return recon, {"recon": recon}

    def imle_loss(self, e: Tensor, z: Tensor) -> Loss:
        """Mean squared error of mapped noise, (B, noise), to the codes that it was matched with, (B, nz)."""
        distance = (self.mapping(e) - z).square().mean()
        return distance, {"distance": distance}

    @torch.no_grad()
    def project(self) -> None:
        """Scale all codes to length 1, in place: optimizers hold references to the parameter."""
        self.codes.div_(row_norms(self.codes))

    @torch.no_grad()
    def match(self) -> tuple[Tensor, Tensor]:
        """Noise (N, noise), and the codes (N, nz): of twice as many draws, the one that is mapped nearest to each."""
        codes = self.codes.detach()
        batches = max(1, 2 * len(codes) // DRAWS)
        e = torch.randn(batches * DRAWS, self.noise, device=codes.device)
        mapped = torch.cat([self.mapping(part) for part in e.split(DRAWS)])
        return e[nearest(codes, mapped)], codes

    def stages(self, x: Tensor) -> Iterator[Stage]:
        """Codes and decoder; then the mapping, matched anew every epoch."""
        if len(self.codes) != len(x):
            self.codes = nn.Parameter(0.01 * torch.randn(len(x), self.nz, device=self.device))
        index = torch.arange(len(x), device=self.device)  # the images may be on another device

        def indexed_images() -> tuple[Tensor, Tensor]:
            if self.trained:  # not before the first epoch, in which the codes are still small
                self.project()
            self.trained.fill_(True)
            return x, index

        groups = {"codes": [self.codes], "decoder": [*self.decoder.parameters()]}
        yield Stage("glo", indexed_images, [Update(self.glo_loss, groups)])
        self.project()
        self.begun.fill_(True)
        yield Stage("imle", self.match, [Update(self.imle_loss, {"mapping": [*self.mapping.parameters()]})])

    def to_sphere(self, e: Tensor) -> Tensor:
        """Noise, (B, noise), on the sphere of codes: (B, nz)."""
        z: Tensor = self.mapping(e)
        return z / row_norms(z)

    def sample_latent(self, n: int, generator: torch.Generator) -> Tensor:
        """e ~ N(0, I), mapped and scaled to length 1: (n, nz)."""
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
    """Norms of vectors, (B, d) -> (B, 1); not below 1e-12."""
    norms: Tensor = z.norm(dim=1, keepdim=True)
    return norms.clamp_min(1e-12)
