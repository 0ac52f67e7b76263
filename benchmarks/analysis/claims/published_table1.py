"""The paper's own Table 1 as evidence, so that a claim's rule can be applied to the numbers it was drawn from."""

from __future__ import annotations

from functools import cache

import numpy as np
from pandas import DataFrame

from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.verdicts import PUBLISHED_TRIALS
from benchmarks.experiments import records
from benchmarks.paper import published_values


@cache
def published_evidence() -> Evidence:
    """`PUBLISHED_TRIALS` values for each number that the paper measured, with exactly its mean and standard deviation.

    The tests use means and variances only, so the values themselves do not matter.
    """
    deviations = np.arange(PUBLISHED_TRIALS) - (PUBLISHED_TRIALS - 1) / 2
    deviations = deviations / deviations.std(ddof=1)
    rows = [
        {
            "key": f"{model}/{dataset}/{seed}",
            "model": model,
            "revision": 1,
            "dataset": dataset,
            "protocol_row": dataset,
            "preset": "paper",
            "seed": seed,
            "precision": "fp32",
            "status": "done",
            "source": "prior",
            "draw": 0,
            "metric": "fid",
            "protocol_id": "Table 1",
            "train_fingerprint": dataset,
            "fid": number.mean + number.std * deviations[seed],
        }
        for (model, dataset), number in published_values("table1").items()
        if not number.is_cited and number.std is not None
        for seed in range(PUBLISHED_TRIALS)
    ]
    columns = [*dict.fromkeys([*records.RUN_COLUMNS, *records.EVALUATION_FIELDS, "fid", *records.PROVENANCE_COLUMNS])]
    return Evidence(DataFrame(rows, columns=columns), DataFrame(columns=[*records.EPOCH_COLUMNS]), "paper")
