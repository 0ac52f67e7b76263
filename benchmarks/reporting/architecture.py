"""Table 3 as the modules themselves tell it: layers, output shapes, parameters and multiply-adds."""

from __future__ import annotations

import pandas as pd
import torch
from pandas import DataFrame

from benchmarks.analysis.network_sizes import flow_share, layers
from benchmarks.data.datasets import DATASETS
from zoo.flows import Coupling, Flow
from zoo.nets import Decoder, Encoder

COLUMNS = ("data set", "network", "layer", "output", "parameters", "multiply-adds")


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
