"""The coupling flow of Section 3.1, eq. (1): latents z to noise eps, with a tractable Jacobian."""

from __future__ import annotations

from math import inf, log, pi

import torch
from torch import Tensor, nn

from zoo.base import check_sizes, line, standard_normal


class Coupling(nn.Module):
    """Affine coupling: the second half is scaled and shifted by functions of the first (Section 3.1).

    y1 = z1,  y2 = z2 * exp(s(z1)) + t(z1).  `s` is not bounded: with a bounded one the flow cannot follow
    latents that are much narrower than its noise, and the paper's Figure 4c could not be.  s and t share a
    network nz/2 - k - k - nz, whose last layer starts at zero, so a new flow is a permutation.

    Departs: "each block contains 3 fully connected layers each with k hidden units" (Section 4) is read as
    three linear layers, two of them hidden.  To switch: zoo/flows.py, Coupling.

    Args:
        nz: size of the latent.
        k: width of the network.
        bound: 0, or the largest |s|, by bound * tanh(s / bound): an ablation.
        context: number of further inputs of the network.
    """

    def __init__(self, nz: int, k: int, bound: float = 0.0, context: int = 0):
        super().__init__()
        last = nn.Linear(k, nz)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.bound = bound
        self.net = nn.Sequential(nn.Linear(nz // 2 + context, k), nn.ReLU(), nn.Linear(k, k), nn.ReLU(), last)

    def scale_shift(self, z1: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """s and t, each (B, nz/2), from the half that stays, and the context (B, c)."""
        s, t = self.net(z1 if context is None else torch.cat([z1, context], dim=1)).chunk(2, dim=1)
        return (self.bound * torch.tanh(s / self.bound) if self.bound else s), t

    def forward(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z (B, nz) -> y (B, nz) and log |det dy/dz| (B,)."""
        z1, z2 = z.chunk(2, dim=1)
        s, t = self.scale_shift(z1, context)
        return torch.cat([z1, z2 * s.exp() + t], dim=1), s.sum(dim=1)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """y (B, nz) -> z (B, nz)."""
        y1, y2 = y.chunk(2, dim=1)
        s, t = self.scale_shift(y1, context)
        return torch.cat([y1, (y2 - t) * (-s).exp()], dim=1)


class Permutation(nn.Module):
    """A fixed permutation of the dimensions, kept in a buffer so that it is saved with the weights."""

    index: Tensor
    back: Tensor

    def __init__(self, index: Tensor):
        super().__init__()
        self.register_buffer("index", index)
        self.register_buffer("back", index.argsort())

    def forward(self, z: Tensor) -> Tensor:
        """(B, nz) -> (B, nz)."""
        return z.index_select(1, self.index)

    def inverse(self, y: Tensor) -> Tensor:
        """(B, nz) -> (B, nz)."""
        return y.index_select(1, self.back)


class Flow(nn.Module):
    """Blocks of alternating couplings with a fixed random permutation after each: f, z -> eps ~ N(0, I).

    Within a block the permutation swaps the halves and shuffles inside each, so that "alternating" and
    "random" both hold and every dimension is transformed once per block; between blocks it is unconstrained.

    Departs: Section 3.1 has two couplings per block, Figure 1b and Section 4 one.  Ours has two: four single
    couplings with random permutations leave about 4 of 64 dimensions untouched.  The flow then has 4.22 % of
    the auto-encoder's parameters on CIFAR-10, where the paper says less than 3 %.  To switch: blocks=2 gives four
    couplings that cover every dimension (`glf-4-couplings`).
    Departs: the product of eq. (1)'s determinant runs to d in the paper; it must run to D - d.  No switch: they
    are equal here.

    A flow is computed in fp32 or finer, whatever the precision of training; its attribute `fp32_only` says so.

    Args:
        nz: size of the latent, even.
        k: width of the couplings' networks; the paper has 64 (MNIST, Fashion) and 256.
        blocks: number of blocks, 4 in the paper.
        bound: largest |s| of the couplings; 0 is none, as in the paper.
        context: size of what all couplings are conditioned on; 0 is nothing.
    """

    fp32_only = True  # couplings multiply up what rounding leaves, and must be inverted

    def __init__(self, nz: int, k: int, blocks: int = 4, bound: float = 0.0, context: int = 0):
        super().__init__()
        check_sizes((1, 4, 4), nz, k)
        if not 0 <= bound < inf:
            raise ValueError(f"bound must be positive, or 0 for none, got {bound}")
        half = nz // 2
        self.nz = nz
        layers: list[Coupling | Permutation] = []
        for _ in range(blocks):
            swap = torch.cat([half + torch.randperm(half), torch.randperm(half)])
            layers += [Coupling(nz, k, bound, context), Permutation(swap)]
            layers += [Coupling(nz, k, bound, context), Permutation(torch.randperm(nz))]
        self.layers = nn.ModuleList(layers)
        check_coverage(layers, nz)

    def forward(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z (B, nz) -> eps (B, nz) and log |det deps/dz| (B,); context (B, c) where the flow has one."""
        logdet = torch.zeros(len(z), dtype=z.dtype, device=z.device)
        for layer in self.layers:
            if isinstance(layer, Coupling):
                z, change = layer(z, context)
                logdet = logdet + change
            else:
                z = layer(z)
        return z, logdet

    def inverse(self, eps: Tensor, context: Tensor | None = None) -> Tensor:
        """eps (B, nz) -> z (B, nz)."""
        for layer in reversed(self.layers):
            if isinstance(layer, Coupling):
                eps = layer.inverse(eps, context)
            elif isinstance(layer, Permutation):
                eps = layer.inverse(eps)
        return eps

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """eps ~ N(0, I), drawn on the CPU, and z = f^-1(eps): (n, nz)."""
        return self.inverse(self.noise(n, generator))

    def path(self, n: int, t: Tensor, generator: torch.Generator) -> Tensor:
        """Latents at the fractions t, (T,), of n lines that are straight in eps (Figure 2f): (n, T, nz)."""
        eps = line(self.noise(n, generator), self.noise(n, generator), t)
        z: Tensor = self.inverse(eps.flatten(0, 1)).unflatten(0, (n, len(t)))
        return z

    def noise(self, n: int, generator: torch.Generator) -> Tensor:
        """eps ~ N(0, I), (n, nz), on the flow's device."""
        return standard_normal(n, self.nz, generator, next(self.parameters()).device)

    def log_prob(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """Log-density of latents under the flow, eq. (1).

        Args:
            z: latents, (B, nz).
            context: (B, c), where the flow has one.

        Returns:
            log p(z) in nats, the constant -nz/2 log 2 pi included, (B,).
        """
        eps, logdet = self.forward(z, context)
        return log_normal(eps) + logdet


def log_normal(eps: Tensor) -> Tensor:
    """Log-density of N(0, I) in nats: (B, nz) -> (B,)."""
    return -0.5 * eps.square().sum(dim=1) - 0.5 * eps.shape[1] * log(2 * pi)


def check_coverage(layers: list[Coupling | Permutation], nz: int) -> None:
    """Raise ValueError unless every dimension is transformed at least once.

    One that is not would be modelled as N(0, 1) whatever its distribution is.
    """
    input_at, count = torch.arange(nz), torch.zeros(nz, dtype=torch.long)  # input_at[i]: the input that is at i now
    for layer in layers:
        if isinstance(layer, Coupling):
            count[input_at[nz // 2 :]] += 1
        else:
            input_at = input_at[layer.index]
    if (count == 0).any():
        missed = (count == 0).nonzero().flatten().tolist()
        raise ValueError(f"the flow transforms every dimension but {missed}: use more blocks")
