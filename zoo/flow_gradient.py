"""The couplings and permutations of a flow in one function, with a gradient that is written by hand.

It takes less than half of the operators of `zoo.flows`, which computes the same layer by layer. The matrices of a flow
are so small that the number of operators determines the time on a GPU. Results differ only by rounding.

The function saves operators in four ways. It writes results into columns of a few buffers, so it concatenates nothing.
It adds the bias and applies ReLU within the matrix product. It computes the gradients of the weights of all couplings
together. It gathers by the inverse of a permutation, where autograd adds to zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

PER_COUPLING = 6  # weight and bias of three linear layers
Permutation = tuple[Tensor, Tensor, Tensor]
"""The index of a permutation, the same with swapped halves, and the inverse with swapped halves; each (nz,)."""


def swap_halves(index: Tensor) -> Tensor:
    """The second half of an index, then its first half: (nz,) -> (nz,)."""
    return index.roll(len(index) // 2)


def transform(z: Tensor, parameters: Sequence[Tensor], permutations: Sequence[Permutation]) -> tuple[Tensor, Tensor]:
    """Apply couplings, each followed by a permutation.

    The result can be differentiated once, with respect to the latents and to the parameters.

    Args:
        z: latents, (B, nz).
        parameters: weight and bias of the three linear layers of the first coupling, of the second, and so on.
        permutations: one per coupling.

    Returns:
        The transformed latents, (B, nz), and the log-determinant, (B,).
    """
    eps, logdet = _Couplings.apply(z, permutations, *parameters)
    return eps, logdet


class _Couplings(torch.autograd.Function):
    """See `transform`.

    All matrix products write into given tensors, so mixed precision does not change their type.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, permutations: Sequence[Permutation], *parameters: Tensor) -> tuple[Tensor, Tensor]:
        couplings = _by_coupling(parameters)
        count, (batch, nz), k = len(couplings), z.shape, len(parameters[0])
        half = nz // 2
        latents = z.new_empty(count, batch, 3 * half)  # columns: z2, z1, y2
        z2z1, y1y2 = latents[:, :, :nz], latents[:, :, half:]  # y1 is z1
        hidden1, hidden2 = z.new_empty(2, count, batch, k)
        scale_shift, factor = z.new_empty(count, batch, nz), z.new_empty(count, batch, half)
        eps = z.new_empty(batch, nz)
        torch.cat([z[:, half:], z[:, :half]], dim=1, out=z2z1[0])
        for i, (weight1, bias1, weight2, bias2, weight3, bias3) in enumerate(couplings):
            z2, z1, y2 = latents[i].chunk(3, dim=1)
            s, t = scale_shift[i].chunk(2, dim=1)
            torch._addmm_activation(bias1, z1, weight1.t(), out=hidden1[i])  # the activation is ReLU
            torch._addmm_activation(bias2, hidden1[i], weight2.t(), out=hidden2[i])
            torch.addmm(bias3, hidden2[i], weight3.t(), out=scale_shift[i])
            torch.exp(s, out=factor[i])
            torch.addcmul(t, z2, factor[i], out=y2)
            index, swapped, _ = permutations[i]
            if i + 1 < count:
                torch.index_select(y1y2[i], 1, swapped, out=z2z1[i + 1])
            else:
                torch.index_select(y1y2[i], 1, index, out=eps)
        ctx.save_for_backward(latents, hidden1, hidden2, factor, *parameters)
        ctx.permutations = permutations
        return eps, scale_shift[:, :, :half].sum(dim=(0, 2))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_eps: Tensor, grad_logdet: Tensor) -> tuple[Tensor | None, ...]:
        latents, hidden1, hidden2, factor, *parameters = ctx.saved_tensors
        couplings, (needs_z, _, *needed) = _by_coupling(parameters), ctx.needs_input_grad
        (count, batch, k), half = hidden1.shape, factor.shape[2]
        z2, z1, _ = latents.chunk(3, dim=2)
        # Gradients by column. The gradient of t is also that of y2.
        gradients = latents.new_empty(count, batch, 2 * k + 4 * half)
        of_h1, of_h2, of_s, of_t, of_z1, of_z2 = gradients.split((k, k, half, half, half, half), dim=2)
        of_st = gradients[:, :, 2 * k : 2 * k + 2 * half]
        of_y2y1 = gradients[:, :, 2 * k + half : 2 * k + 3 * half]
        of_z = gradients[:, :, 2 * k + 2 * half :]
        for i in reversed(range(count)):
            weight1, _, weight2, _, weight3, _ = couplings[i]
            torch.index_select(of_z[i + 1] if i + 1 < count else grad_eps, 1, ctx.permutations[i][2], out=of_y2y1[i])
            torch.mul(of_t[i], factor[i], out=of_z2[i])
            torch.addcmul(grad_logdet[:, None], of_z2[i], z2[i], out=of_s[i])
            torch.mm(of_st[i], weight3, out=of_h2[i])
            _undo_relu(of_h2[i], hidden2[i])
            torch.mm(of_h2[i], weight2, out=of_h1[i])
            _undo_relu(of_h1[i], hidden1[i])
            if i or needs_z:
                of_z1[i].addmm_(of_h1[i], weight1)
        by_parameter: list[Sequence[Tensor | None]] = [(None,) * count] * PER_COUPLING
        for layer, (of_output, layer_input) in enumerate(((of_h1, z1), (of_h2, hidden1), (of_st, hidden2))):
            if any(needed[2 * layer :: PER_COUPLING]):
                product = latents.new_empty(count, of_output.shape[2], layer_input.shape[2])
                by_parameter[2 * layer] = torch.bmm(of_output.transpose(1, 2), layer_input, out=product).unbind()
        if any(any(needed[number::PER_COUPLING]) for number in (1, 3, 5)):
            sums = gradients[:, :, : 2 * k + 2 * half].sum(dim=1).split((k, k, 2 * half), dim=1)
            by_parameter[1::2] = [of_bias.unbind() for of_bias in sums]
        by_coupling = zip(*by_parameter, strict=True)
        return (of_z[0] if needs_z else None), None, *(gradient for coupling in by_coupling for gradient in coupling)


def _by_coupling(parameters: Sequence[Tensor]) -> list[Sequence[Tensor]]:
    return [parameters[i : i + PER_COUPLING] for i in range(0, len(parameters), PER_COUPLING)]


def _undo_relu(gradient: Tensor, output: Tensor) -> None:
    """Set the gradient to zero where the output of ReLU is zero, in place."""
    torch.ops.aten.threshold_backward.grad_input(gradient, output, 0, grad_input=gradient)
