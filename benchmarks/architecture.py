"""Table 3 as the modules themselves tell it: layers, output shapes, parameters and multiply-adds."""

from __future__ import annotations

from math import prod

import pandas as pd
import torch
from pandas import DataFrame
from torch import Tensor, nn

from benchmarks.datasets import DATASETS, Spec
from zoo.flows import Coupling, Flow
from zoo.nets import Decoder, Encoder

COLUMNS = ("data set", "network", "layer", "output", "parameters", "multiply-adds")
MEASURED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm1d, nn.BatchNorm2d)


def layers(network: nn.Module, inputs: Tensor) -> list[tuple[str, str, int, int]]:
    """Layers of a network as a batch of one runs through them.

    Args:
        network: on any device; on "meta" nothing is computed.
        inputs: one example, (1, ...).

    Returns:
        (layer, output shape, parameters, multiply-adds per example) of each linear, convolution and batch norm.
        Multiply-adds are those of the products; batch norm and activations count none.
    """
    rows: list[tuple[str, str, int, int]] = []

    def note(module: nn.Module, _: object, output: Tensor) -> None:
        parameters = sum(p.numel() for p in module.parameters())
        rows.append((_name(module), "x".join(map(str, output.shape[1:])), parameters, _products(module, output)))

    hooks = [m.register_forward_hook(note) for m in network.modules() if isinstance(m, MEASURED)]
    try:
        with torch.no_grad():
            network.eval()(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return rows


def _name(module: nn.Module) -> str:
    if isinstance(module, nn.Conv2d):
        return f"conv {module.kernel_size[0]}x{module.kernel_size[1]} /{module.stride[0]}, {module.out_channels}"
    if isinstance(module, nn.ConvTranspose2d):
        return f"deconv {module.kernel_size[0]}x{module.kernel_size[1]} x{module.stride[0]}, {module.out_channels}"
    if isinstance(module, nn.Linear):
        return f"fully connected, {module.out_features}"
    return "batch norm"


def _products(module: nn.Module, output: Tensor) -> int:
    if isinstance(module, nn.Linear):
        return module.in_features * module.out_features
    if isinstance(module, nn.Conv2d):
        return module.in_channels * prod(module.kernel_size) * output[0].numel()
    if isinstance(module, nn.ConvTranspose2d):  # every input pixel meets the whole kernel once
        pixels = output[0, 0].numel() // prod(module.stride)
        return module.in_channels * module.out_channels * prod(module.kernel_size) * pixels
    return 0


def flow_share(spec: Spec, blocks: int = 4) -> float:
    """Parameters of the flow over those of encoder and decoder, at a data set's sizes; a block is two couplings."""
    with torch.device("meta"):
        networks = Encoder(spec.shape, spec.nz), Decoder(spec.shape, spec.nz)
    flow = Flow(spec.nz, spec.k, blocks)
    return _count(flow) / sum(map(_count, networks))


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def table3() -> DataFrame:
    """The shared networks and the flow at each data set's sizes: a row per layer, then the totals.

    The flow's share of the auto-encoder's parameters stands beside its total: the paper says less than 3 %.
    """
    frames = []
    for spec in DATASETS.values():
        if spec.shape[1] > 64:  # Table 3 is the backbone up to 64x64
            continue
        with torch.device("meta"):
            z, x = torch.empty(1, spec.nz), torch.empty(1, *spec.shape)
            networks = {"encoder": (Encoder(spec.shape, spec.nz), x), "decoder": (Decoder(spec.shape, spec.nz), z)}
        flow = Flow(spec.nz, spec.k)  # permutations are drawn and checked: not on "meta"
        couplings = [layer for layer in flow.layers if isinstance(layer, Coupling)]
        rows: list[tuple[str, str, str, str, int, int]] = []
        totals: dict[str, tuple[int, int]] = {}
        for name, (network, inputs) in networks.items():
            found = layers(network, inputs)
            rows += [(spec.label, name, *row) for row in found]
            totals[name] = (sum(r[2] for r in found), sum(r[3] for r in found))
            rows.append((spec.label, name, "total", "", *totals[name]))
        flow_rows = layers(couplings[0].net, torch.zeros(1, spec.nz // 2))
        flow_totals = len(couplings) * sum(r[2] for r in flow_rows), len(couplings) * sum(r[3] for r in flow_rows)
        share = flow_share(spec)
        rows += [(spec.label, f"coupling, one of {len(couplings)}", *row) for row in flow_rows]
        rows.append((spec.label, "flow", f"total, {share:.2%} of encoder and decoder", "", *flow_totals))
        frames.append(DataFrame(rows, columns=[*COLUMNS]))
    return pd.concat(frames, ignore_index=True)
