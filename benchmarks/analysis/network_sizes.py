"""Layers, parameters and multiply-adds of the networks, counted from the modules."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn

from benchmarks.data.datasets import DatasetSpec
from zoo.flows import Flow
from zoo.nets import Decoder, Encoder

COUNTED_MODULES = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm1d, nn.BatchNorm2d)


def measure_layers(network: nn.Module, inputs: Tensor) -> list[tuple[str, str, int, int]]:
    """Layers of a network, in the order of the forward pass.

    Args:
        network: on any device; on "meta" nothing is computed.
        inputs: one example, (1, ...).

    Returns:
        (layer, output shape, parameters, multiply-adds per example) of each linear, convolution and batch norm.
        Multiply-adds are those of linear layers and convolutions; batch norm and activations count none.
    """
    rows: list[tuple[str, str, int, int]] = []

    def record(module: nn.Module, _: object, output: Tensor) -> None:
        parameters = sum(p.numel() for p in module.parameters())
        rows.append(
            (_describe(module), "x".join(map(str, output.shape[1:])), parameters, _multiply_adds(module, output))
        )

    hooks = [m.register_forward_hook(record) for m in network.modules() if isinstance(m, COUNTED_MODULES)]
    try:
        with torch.no_grad():
            network.eval()(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return rows


def _describe(module: nn.Module) -> str:
    if isinstance(module, nn.Conv2d):
        return f"conv {module.kernel_size[0]}x{module.kernel_size[1]} /{module.stride[0]}, {module.out_channels}"
    if isinstance(module, nn.ConvTranspose2d):
        return f"deconv {module.kernel_size[0]}x{module.kernel_size[1]} x{module.stride[0]}, {module.out_channels}"
    if isinstance(module, nn.Linear):
        return f"fully connected, {module.out_features}"
    return "batch norm"


def _multiply_adds(module: nn.Module, output: Tensor) -> int:
    if isinstance(module, nn.Linear):
        return module.in_features * module.out_features
    if isinstance(module, nn.Conv2d):
        return module.in_channels * prod(module.kernel_size) * output[0].numel()
    if isinstance(module, nn.ConvTranspose2d):  # every input pixel is multiplied with the whole kernel once
        pixels = output[0, 0].numel() // prod(module.stride)
        return module.in_channels * module.out_channels * prod(module.kernel_size) * pixels
    return 0


def flow_parameter_share(spec: DatasetSpec, blocks: int = 4) -> float:
    """Number of parameters of the flow divided by that of encoder and decoder; a block has two couplings."""
    with torch.device("meta"):
        networks = Encoder(spec.shape, spec.nz), Decoder(spec.shape, spec.nz)
    flow = Flow(spec.nz, spec.k, blocks)
    return _count_parameters(flow) / sum(map(_count_parameters, networks))


def _count_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
