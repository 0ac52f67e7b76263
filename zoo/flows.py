"""The coupling flow of Section 3.1, eq. (1): it maps latents z to noise eps, with a tractable Jacobian."""

from __future__ import annotations

from math import inf, log, pi

import torch
from torch import Tensor, nn

from zoo.base import check_sizes, line, standard_normal
from zoo.flow_gradient import swap_halves, transform


class Coupling(nn.Module):
    """Affine coupling: functions of the first half scale and shift the second half (Section 3.1).

    y1 = z1,  y2 = z2 * exp(s(z1)) + t(z1).  `s` is not bounded. With a bounded `s`, the flow cannot model latents that
    are much narrower than its noise, as in the paper's Figure 4c. s and t share a network nz/2 - k - k - nz. Its
    last layer is initialized to zero, so a new flow is a permutation.

    Departs: Section 4 says "each block contains 3 fully connected layers each with k hidden units". The networks here
    have three linear layers, two of them hidden.  To switch: zoo/flows.py, Coupling.

    Args:
        nz: size of the latent.
        k: width of the network.
        bound: the largest |s|, by bound * tanh(s / bound), for an ablation; 0 means no bound.
        context: number of additional inputs of the network.
    """

    def __init__(self, nz: int, k: int, bound: float = 0.0, context: int = 0):
        super().__init__()
        last = nn.Linear(k, nz)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.bound = bound
        self.net = nn.Sequential(nn.Linear(nz // 2 + context, k), nn.ReLU(), nn.Linear(k, k), nn.ReLU(), last)

    def scale_shift(self, z1: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """s and t, each (B, nz/2), from the unchanged half, (B, nz/2), and the context, (B, c)."""
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
    swapped_index: Tensor
    swapped_back: Tensor

    def __init__(self, index: Tensor):
        super().__init__()
        self.register_buffer("index", index)
        self.register_buffer("back", index.argsort())
        # For `zoo.flow_gradient`. They are buffers so that they move to the device of the weights.
        self.register_buffer("swapped_index", swap_halves(self.index), persistent=False)
        self.register_buffer("swapped_back", swap_halves(self.back), persistent=False)
        self.register_load_state_dict_post_hook(_swap_halves_again)

    def forward(self, z: Tensor) -> Tensor:
        """(B, nz) -> (B, nz)."""
        return z.index_select(1, self.index)

    def inverse(self, y: Tensor) -> Tensor:
        """(B, nz) -> (B, nz)."""
        return y.index_select(1, self.back)


def _swap_halves_again(permutation: Permutation, _: object) -> None:
    """After a state dict was loaded, compute the buffers that it does not have."""
    permutation.swapped_index.copy_(swap_halves(permutation.index))
    permutation.swapped_back.copy_(swap_halves(permutation.back))


class Flow(nn.Module):
    """The flow f, z -> eps ~ N(0, I): blocks of two couplings, with a fixed random permutation after each coupling.

    The permutation within a block swaps the halves and shuffles inside each half. So the couplings alternate and every
    block transforms every dimension once. Permutations between blocks are not constrained.

    Departs: Section 3.1 has two couplings per block; Figure 1b and Section 4 have one. The flow here has two, because
    four single couplings with random permutations leave about 4 of 64 dimensions untransformed. It then has 4.22 % of
    the auto-encoder's parameters on CIFAR-10, where the paper says less than 3 %.  To switch: blocks=2 gives four
    couplings that transform every dimension (`glf-4-couplings`).
    Departs: in the paper, eq. (1) prints d factors in the determinant. It must have D - d. No switch: here d equals D -
    d.

    The attribute `fp32_only` makes training compute a flow in at least fp32, also at a coarser precision.

    Args:
        nz: size of the latent, even.
        k: width of the couplings' networks; 64 (MNIST, Fashion-MNIST) or 256 in the paper.
        blocks: number of blocks, 4 in the paper.
        bound: largest |s| of the couplings; 0 means no bound, as in the paper.
        context: size of the input on which all couplings are conditioned; 0 means none.

    Attributes:
        fused: whether training computes all couplings by `zoo.flow_gradient`, which has fewer operators and can be
            differentiated only once; None means on a GPU only. Flows with a bound or a context are computed layer by
            layer, as is everything without gradients.
    """

    fused: bool | None = None
    fp32_only = True  # couplings amplify rounding errors, and must be inverted

    def __init__(self, nz: int, k: int, blocks: int = 4, bound: float = 0.0, context: int = 0):
        super().__init__()
        check_sizes((1, 4, 4), nz, k)
        if not 0 <= bound < inf:
            raise ValueError(f"bound must be positive, or 0 for none, got {bound}")
        half = nz // 2
        self.nz, self.bound, self.context = nz, bound, context
        layers: list[Coupling | Permutation] = []
        for _ in range(blocks):
            swap = torch.cat([half + torch.randperm(half), torch.randperm(half)])
            layers += [Coupling(nz, k, bound, context), Permutation(swap)]
            layers += [Coupling(nz, k, bound, context), Permutation(torch.randperm(nz))]
        self.layers = nn.ModuleList(layers)
        check_coverage(layers, nz)

    def forward(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z (B, nz) -> eps (B, nz) and log |det deps/dz| (B,); context (B, c) if the flow has one."""
        if self.is_fused(z):
            permutations = [layer for layer in self.layers if isinstance(layer, Permutation)]
            indices = [(layer.index, layer.swapped_index, layer.swapped_back) for layer in permutations]
            return transform(z, [*self.parameters()], indices)
        logdet = torch.zeros(len(z), dtype=z.dtype, device=z.device)
        for layer in self.layers:
            if isinstance(layer, Coupling):
                z, change = layer(z, context)
                logdet = logdet + change
            else:
                z = layer(z)
        return z, logdet

    def is_fused(self, z: Tensor) -> bool:
        """Whether `forward` computes latents (B, nz) by `zoo.flow_gradient`."""
        if not (z.is_cuda if self.fused is None else self.fused) or not torch.is_grad_enabled():
            return False
        return not self.bound and not self.context and z.dtype == next(self.parameters()).dtype

    def inverse(self, eps: Tensor, context: Tensor | None = None) -> Tensor:
        """eps (B, nz) -> z (B, nz)."""
        for layer in reversed(self.layers):
            if isinstance(layer, Coupling):
                eps = layer.inverse(eps, context)
            elif isinstance(layer, Permutation):
                eps = layer.inverse(eps)
        return eps

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw eps ~ N(0, I) on the CPU and return z = f^-1(eps): (n, nz)."""
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
            context: (B, c), if the flow has one.

        Returns:
            log p(z) in nats, (B,), including the constant -nz/2 log 2 pi.
        """
        eps, logdet = self.forward(z, context)
        return log_normal(eps) + logdet


def log_normal(eps: Tensor) -> Tensor:
    """Log-density of N(0, I) in nats: (B, nz) -> (B,)."""
    return -0.5 * eps.square().sum(dim=1) - 0.5 * eps.shape[1] * log(2 * pi)


def check_coverage(layers: list[Coupling | Permutation], nz: int) -> None:
    """Raise ValueError unless at least one coupling transforms every dimension.

    The flow models an untransformed dimension as N(0, 1), whatever its distribution.
    """
    input_at, count = torch.arange(nz), torch.zeros(nz, dtype=torch.long)  # input_at[i]: which input is at position i
    for layer in layers:
        if isinstance(layer, Coupling):
            count[input_at[nz // 2 :]] += 1
        else:
            input_at = input_at[layer.index]
    if (count == 0).any():
        missed = (count == 0).nonzero().flatten().tolist()
        raise ValueError(f"the flow does not transform the dimensions {missed}: use more blocks")
