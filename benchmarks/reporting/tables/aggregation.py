"""From records to a cell: which evaluations count, their means and spreads, and how many decimals are printed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from benchmarks.evaluation.metrics import METRICS
from benchmarks.evaluation.names import DIAGNOSTICS
from benchmarks.paper import Pair
from benchmarks.reporting.tables.metric_cell import MetricCell

MAX_SPREAD_DECIMALS = 3
ROUNDING_ERROR = 1e-6  # a smaller share of the largest mean is no spread


def make_id_columns(model: str | None, dataset: str, source: str, protocol_id: str | None) -> dict[str, str | None]:
    """What identifies a cell in the tidy table."""
    return {"model": model, "dataset": dataset, "source": source, "protocol_id": protocol_id}


def run_statuses(evaluations: DataFrame) -> dict[str, str]:
    """Run key -> how the run ended; computed once per table, because each cell needs some of them."""
    once = evaluations[["key", "status"]].drop_duplicates("key")
    return dict(zip(once["key"].tolist(), once["status"].tolist(), strict=True))


class EvaluationIndex:
    """The evaluations of finished runs by one metric, grouped once; each cell of a table selects some of them.

    Args:
        evaluations: first frame of `records.read`.
        metric: a column of it.

    Attributes:
        statuses: run key -> how the run ended, for all runs.
    """

    def __init__(self, evaluations: DataFrame, metric: str):
        self.statuses = run_statuses(evaluations)
        is_usable = (evaluations["status"] == "done") & (evaluations["metric"] == metric)
        usable = np.flatnonzero(is_usable.to_numpy(bool))
        groups: dict[Any, Any] = (
            evaluations[["source", "protocol_id"]].take(usable).groupby(["source", "protocol_id"]).indices
        )
        self._evaluations = evaluations
        # (source, metric protocol) -> positions of its rows; the rows themselves may be many
        self._groups = {group: usable[rows] for group, rows in groups.items()}
        self._by_key: dict[Any, dict[str, NDArray[np.intp]]] = {}  # the same by run key

    def select(self, keys: tuple[str, ...], source: str, protocol_id: str | None, sample_sets: int) -> DataFrame:
        """Evaluations that may enter a cell: of some runs, one source and one protocol, the first sample sets."""
        group, none = (source, protocol_id), np.array([], dtype=np.intp)
        if group not in self._by_key:
            positions = self._groups.get(group, none)
            indices: dict[Any, Any] = self._evaluations[["key"]].take(positions).groupby("key", sort=False).indices
            self._by_key[group] = {key: positions[some] for key, some in indices.items()}
        found = [some for key in {*keys} if (some := self._by_key[group].get(key)) is not None]
        rows = self._evaluations.take(np.sort(np.concatenate([none, *found])))
        return rows[rows["draw"].fillna(-1).astype(int).between(0, sample_sets - 1)]


def values_by_run(rows: DataFrame, keys: tuple[str, ...], column: str, sample_sets: int) -> dict[str, list[float]]:
    """Run key -> its values of a column, one per sample set.

    A run is left out if a sample set has no value, or a value that is not finite.
    """
    values: dict[str, list[float]] = {key: [] for key in keys}
    if column in rows:
        for key, value in zip(rows["key"].tolist(), rows[column].tolist(), strict=True):
            values[key].append(float(value))
    return {key: some for key, some in values.items() if len(some) == sample_sets and all(map(math.isfinite, some))}


def aggregate_runs(
    statuses: Mapping[str, str], wanted_keys: tuple[str, ...], values: Mapping[str, list[float]]
) -> MetricCell:
    """Means and spreads over runs, and what became of the other runs of a cell.

    Args:
        statuses: run key -> how the run ended.
        wanted_keys: keys of the runs that the cell should have.
        values: run key -> its values, one per sample set.
    """
    wanted_statuses = [statuses.get(key) for key in wanted_keys]
    # `statistics` sums exactly: the order of the files cannot change a digit.
    means = [fmean(some) for some in values.values()]
    variances = [_exact_stdev(tuple(some)) ** 2 for some in values.values() if len(some) > 1]
    return MetricCell(
        mean=fmean(means) if means else None,
        std=stdev(means) if len(means) > 1 else None,
        std_sample_sets=math.sqrt(fmean(variances)) if variances else None,
        runs=len(means),
        run_means=dict(zip(values, means, strict=True)),
        runs_wanted=len(wanted_keys),
        runs_diverged=wanted_statuses.count("diverged"),
        runs_failed=wanted_statuses.count("failed"),
        sample_sets=min(map(len, values.values()), default=0),
    )


@lru_cache(maxsize=100_000)
def _exact_stdev(values: tuple[float, ...]) -> float:
    """`statistics.stdev`, which takes longer than all else in a table, and several tables ask for that of a run."""
    return stdev(values)


def other_means(rows: DataFrame, cell: MetricCell, metric: str, sample_sets: int) -> dict[str, float | None]:
    """Means of the other metrics, and of the diagnostics, over exactly the runs of a cell.

    A quantity that one of these runs lacks is None: its mean would be over fewer runs than the cell's.
    """
    keys = tuple(cell.run_means)
    own = rows[rows["key"].isin(keys)]
    once = own.drop_duplicates("key")
    values = {name: values_by_run(once, keys, name, 1) for name in DIAGNOSTICS}
    others = dict.fromkeys(column for row in METRICS.values() for column in row.columns if column != metric)
    values |= {name: values_by_run(own, keys, name, sample_sets) for name in others}
    return {
        name: fmean(map(fmean, by_run.values())) if len(by_run) == len(keys) else None
        for name, by_run in values.items()
        if name in own and own[name].notna().any()
    }


def decimals_for(cells: Iterable[MetricCell]) -> int:
    """Decimals to print: one, as in the paper, or as many as the smallest numbers need.

    The largest mean has two digits.  The smallest spread over runs or sample sets is not printed as zero, unless that
    takes more than `MAX_SPREAD_DECIMALS`.
    """
    cells = [cell for cell in cells if cell.mean is not None]
    largest = max((abs(cell.mean) for cell in cells if cell.mean), default=1.0)
    decimals = 1 if largest >= 1 else 1 - math.floor(math.log10(largest))
    spreads = (s for cell in cells for s in (cell.std, cell.std_sample_sets if cell.sample_sets > 1 else None))
    shown = [s for s in spreads if s and s > ROUNDING_ERROR * largest]
    smallest = min(shown, default=1.0)
    needed = next((n for n in range(MAX_SPREAD_DECIMALS) if float(f"{smallest:.{n}f}")), MAX_SPREAD_DECIMALS)
    return max(decimals, needed)


def with_decimals(cells: Mapping[Pair, MetricCell], decimals: int | None) -> dict[Pair, MetricCell]:
    """Cells with a number of decimals; None: their own, or more where `decimals_for` asks for more in their column."""
    columns: dict[str, list[MetricCell]] = {}
    for (_, column), cell in cells.items():
        columns.setdefault(column, []).append(cell)
    needed = {column: decimals_for(some) for column, some in columns.items()}
    own = {pair: max(cell.decimals or 1, needed[pair[1]]) for pair, cell in cells.items()}
    return {pair: replace(cell, decimals=own[pair] if decimals is None else decimals) for pair, cell in cells.items()}
