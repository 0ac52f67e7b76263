"""From records to a cell: which evaluations count, means and spreads, and how many digits of them are printed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

from pandas import DataFrame

from benchmarks.evaluation.metrics import METRICS
from benchmarks.experiments import records
from benchmarks.paper import Pair
from benchmarks.reporting.tables.cells import Cell


def place(model: str | None, dataset: str, source: str, protocol_id: str | None) -> dict[str, str | None]:
    """Where a cell's numbers belong, for the tidy table."""
    return {"model": model, "dataset": dataset, "source": source, "protocol_id": protocol_id}


def ends(runs: DataFrame) -> dict[str, str]:
    """Training key -> how it ended, once for a table, which asks for each of its cells."""
    once = runs[["key", "status"]].drop_duplicates("key")
    return dict(zip(once["key"].tolist(), once["status"].tolist(), strict=True))


class Evaluations:
    """The evaluations of finished trainings by one metric, sorted once: a table asks for those of each of its cells.

    Args:
        runs: first frame of `records.read`.
        metric: a column of it.

    Attributes:
        ends: of all trainings.
    """

    def __init__(self, runs: DataFrame, metric: str):
        self.ends = ends(runs)
        usable = runs[(runs["status"] == "done") & (runs["metric"] == metric)]
        self._none = usable.iloc[:0]
        self._of: dict[Any, DataFrame] = dict(iter(usable.groupby(["source", "protocol_id"])))

    def of(self, keys: tuple[str, ...], source: str, protocol_id: str | None, draws: int) -> DataFrame:
        """Those of some trainings that may enter a cell: one protocol, one source, the draws wanted."""
        rows = self._of.get((source, protocol_id), self._none)
        return rows[rows["key"].isin(keys) & rows["draw"].fillna(-1).astype(int).between(0, draws - 1)]


def trainings(counted: DataFrame, keys: tuple[str, ...], column: str, draws: int) -> dict[str, list[float]]:
    """Training key -> its values, one per draw; a draw that could not be measured makes its training a missing one."""
    found: dict[str, list[float]] = {key: [] for key in keys}
    if column in counted:
        for key, value in zip(counted["key"].tolist(), counted[column].tolist(), strict=True):
            found[key].append(float(value))
    return {key: values for key, values in found.items() if len(values) == draws and all(map(math.isfinite, values))}


def over_trainings(ended: Mapping[str, str], wanted: tuple[str, ...], trainings: Mapping[str, list[float]]) -> Cell:
    """Means and spreads of trainings' values, and what became of the others that are wanted: `ends` of all."""
    status = [ended.get(key) for key in wanted]
    # `statistics` sums exactly: the order of the files cannot move a digit.
    means = [fmean(values) for values in trainings.values()]
    variances = [stdev(values) ** 2 for values in trainings.values() if len(values) > 1]
    return Cell(
        mean=fmean(means) if means else None,
        std=stdev(means) if len(means) > 1 else None,
        std_draws=math.sqrt(fmean(variances)) if variances else None,
        done=len(means),
        values=dict(zip(trainings, means, strict=True)),
        wanted=len(wanted),
        diverged=status.count("diverged"),
        failed=status.count("failed"),
        draws=min(map(len, trainings.values()), default=0),
    )


def beside(counted: DataFrame, cell: Cell, metric: str, draws: int) -> dict[str, float | None]:
    """Means over a cell's trainings of what stands beside the metric: other metrics, and what describes a training.

    Whatever some of these trainings lack is None: it would be of others than the number that it stands beside.
    """
    keys = tuple(cell.values)
    mine = counted[counted["key"].isin(keys)]
    once = mine.drop_duplicates("key")
    known = {name: trainings(once, keys, name, 1) for name in records.DIAGNOSTICS}
    others = dict.fromkeys(column for row in METRICS.values() for column in row.columns if column != metric)
    known |= {name: trainings(mine, keys, name, draws) for name in others}
    return {
        name: fmean(map(fmean, values.values())) if len(values) == len(keys) else None
        for name, values in known.items()
        if name in mine and mine[name].notna().any()
    }


def digits(cells: Mapping[Pair, Cell]) -> int:
    """One digit behind the point, as the paper has; more where all numbers are small, as on features of one's own."""
    largest = max((abs(cell.mean) for cell in cells.values() if cell.mean is not None), default=1.0)
    return 1 if largest >= 1 or largest == 0 else 1 - math.floor(math.log10(largest))


def finer(cells: Mapping[Pair, Cell], decimals: int | None) -> dict[Pair, Cell]:
    """Cells with the decimals asked for; if none are, with decimals of their own, more where all numbers are small."""
    more = digits(cells) - 1
    own = {pair: (1 if cell.decimals is None else cell.decimals) + more for pair, cell in cells.items()}
    return {pair: replace(cell, decimals=own[pair] if decimals is None else decimals) for pair, cell in cells.items()}
