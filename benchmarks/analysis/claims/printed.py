"""The paper's own Table 1 as evidence: what a claim's rule says of the numbers that the claim was drawn from."""

from __future__ import annotations

from functools import cache

import numpy as np
from pandas import DataFrame

from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.verdicts import TRIALS
from benchmarks.experiments import records
from benchmarks.paper import published


@cache
def table1() -> Evidence:
    """`TRIALS` values for each number that the paper measured, with exactly its mean and standard deviation.

    Tests of means and variances see nothing else of them, so it makes no difference which values these are.
    """
    spread = np.arange(TRIALS) - (TRIALS - 1) / 2
    spread = spread / spread.std(ddof=1)
    rows = [
        {"key": f"{model}/{dataset}/{seed}", "model": model, "revision": 1, "dataset": dataset, "row": dataset,
         "preset": "paper", "seed": seed, "precision": "fp32", "status": "done", "source": "prior", "draw": 0,
         "metric": "fid", "protocol_id": "Table 1", "train": dataset, "fid": entry.mean + entry.std * spread[seed]}
        for (model, dataset), entry in published("table1").items() if not entry.cited and entry.std is not None
        for seed in range(TRIALS)
    ]  # fmt: skip
    columns = [*dict.fromkeys([*records.TRAINING, *records.EVALUATION, "fid", *records.PROVENANCE])]
    return Evidence(DataFrame(rows, columns=columns), DataFrame(columns=[*records.EPOCH]), "paper")
