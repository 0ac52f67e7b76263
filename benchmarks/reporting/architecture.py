"""Table 3, computed from the modules: layers, output shapes, parameters and multiply-adds."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from pandas import DataFrame

from benchmarks.analysis.network_sizes import flow_parameter_share, measure_layers
from benchmarks.data.datasets import DATASETS
from zoo.flows import Coupling, Flow
from zoo.nets import Decoder, Encoder

COLUMNS = ("data set", "network", "layer", "output", "parameters", "multiply-adds")


def table3() -> DataFrame:
    """Layers of the shared networks and of the flow for each data set: a row per layer, then a row with the totals.

    The flow's total row gives its share of the auto-encoder's parameters: the paper says less than 3 %.
    """
    frames = []
    for spec in DATASETS.values():
        if spec.shape[1] > 64:  # Table 3 is the architecture for images of up to 64x64
            continue
        with torch.device("meta"):
            z, x = torch.empty(1, spec.nz), torch.empty(1, *spec.shape)
            networks = {"encoder": (Encoder(spec.shape, spec.nz), x), "decoder": (Decoder(spec.shape, spec.nz), z)}
        flow = Flow(spec.nz, spec.k)  # not on "meta": the flow checks the permutations that it draws
        couplings = [layer for layer in flow.layers if isinstance(layer, Coupling)]
        rows: list[tuple[str, str, str, str, int, int]] = []
        for name, (network, inputs) in networks.items():
            network_rows = measure_layers(network, inputs)
            rows += [(spec.label, name, *row) for row in network_rows]
            rows.append((spec.label, name, "total", "", *_totals(network_rows)))
        coupling_rows = measure_layers(couplings[0].net, torch.zeros(1, spec.nz // 2))
        rows += [(spec.label, f"coupling, one of {len(couplings)}", *row) for row in coupling_rows]
        parameters, multiply_adds = (len(couplings) * total for total in _totals(coupling_rows))
        share = f"total, {flow_parameter_share(spec):.2%} of encoder and decoder"
        rows.append((spec.label, "flow", share, "", parameters, multiply_adds))
        frames.append(DataFrame(rows, columns=[*COLUMNS]))
    return pd.concat(frames, ignore_index=True)


def _totals(rows: Sequence[tuple[str, str, int, int]]) -> tuple[int, int]:
    """Parameters and multiply-adds of all layers together."""
    return sum(row[2] for row in rows), sum(row[3] for row in rows)
