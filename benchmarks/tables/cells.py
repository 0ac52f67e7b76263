"""What tables are made of: what is wanted, a cell, a table; and the way from records to a cell's numbers.

A `Grid` says what a table should hold, so a cell can tell "not run" from "not wanted", and a record whose key
the grid does not name (another preset, another revision) cannot enter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, stdev

import pandas as pd
from pandas import DataFrame

from benchmarks import records
from benchmarks.metrics import METRICS

Pair = tuple[str, str]  # (model, dataset)

NOTHING = "—"


@dataclass(frozen=True)
class Grid:
    """What a table should hold; made from the registry and the protocols."""

    models: Mapping[str, str]  # name -> label, in the table's order
    datasets: Mapping[str, str]  # name -> label, in the table's order
    keys: Mapping[Pair, tuple[str, ...]]  # training keys wanted, one per seed; () where a pair cannot run
    metric: str  # a column of the runs frame: "fid", "fd_classifier", ...
    protocol_ids: Mapping[str, str]  # dataset -> the only protocol_id whose evaluations count
    preset: str
    draws: int = 1  # sample sets wanted of each training; one with fewer is not done
    notes: tuple[str, ...] = ()  # sentences for the caption: metric protocol, own rows, warnings
    variants: Mapping[Pair, str] = field(default_factory=dict)  # (dataset, variant) -> protocol_id, where it can be had
    labels: Mapping[str, str] = field(default_factory=dict)  # variant -> label, in the table's order


@dataclass(frozen=True)
class Cell:
    """One cell: the spread over trainings and over sample sets, what is missing, what the paper prints there."""

    mean: float | None  # over trainings, of each one's mean over its draws
    std: float | None  # over trainings, ddof = 1; None with fewer than two
    std_draws: float | None  # within a training: root of the mean variance over draws
    done: int
    wanted: int
    diverged: int = 0
    failed: int = 0
    paper: tuple[float, float | None] | None = None  # mean, std
    cited: bool = False  # the paper's value is itself a citation
    best: bool = False  # lowest of its column as printed
    draws: int = 0  # sample sets behind each training, the fewest where they differ
    more: Mapping[str, float] = field(default_factory=dict)  # further means over trainings, for the tidy table
    where: Mapping[str, str | None] = field(default_factory=dict)  # model, dataset, source, variant, protocol_id
    decimals: int | None = None  # where they are not the table's
    aside: str = ""  # printed behind the number

    def value(self, decimals: int) -> str:
        """The number alone: mean ± std over trainings, and ± std over draws where there are several."""
        if self.mean is None:
            return NOTHING
        decimals = decimals if self.decimals is None else self.decimals
        spreads = [self.std] if self.draws < 2 else [self.std, self.std_draws]
        return number(self.mean, spreads, decimals)

    def marks(self) -> str:
        """What is missing: " (7/10) [2 diverged]", or nothing."""
        share = f" ({self.done}/{self.wanted})" if 0 < self.done < self.wanted else ""
        ends = [f"{n} {word}" for n, word in ((self.diverged, "diverged"), (self.failed, "failed")) if n]
        return self.aside + share + (f" [{', '.join(ends)}]" if ends else "")

    def published(self) -> str:
        """The paper's value, with the one decimal that the paper prints."""
        if self.paper is None:
            return NOTHING
        return number(self.paper[0], [self.paper[1]], decimals=1) + (" (cited)" if self.cited else "")


@dataclass(frozen=True)
class Table:
    """A finished table, ready to be laid out as CSV, LaTeX or Markdown."""

    name: str
    caption: str
    notes: tuple[str, ...]
    rows: Mapping[str, str]  # key -> label
    columns: Mapping[str, str]  # key -> label
    cells: Mapping[Pair, Cell]  # (row, column)
    metric: str
    preset: str
    decimals: int = 1
    head: str = "Model"  # over the labels of the rows

    def compared(self, column: str) -> bool:
        """Whether a column has one of the paper's numbers beside it."""
        return any(self.cells[row, column].paper is not None for row in self.rows)

    def header(self) -> list[str]:
        """Labels of the columns, the paper's own among them."""
        header = []
        for column, label in self.columns.items():
            header += [label, f"{label} (paper)"] if self.compared(column) else [label]
        return header

    def row(self, row: str) -> list[tuple[str, str, bool]]:
        """One row as (value, marks, best); each layout sets the best values in its own kind of bold."""
        out = []
        for column in self.columns:
            cell = self.cells[row, column]
            out.append((cell.value(self.decimals), cell.marks(), cell.best))
            if self.compared(column):
                out.append((cell.published(), "", False))
        return out

    def frame(self) -> DataFrame:
        """The table as laid out: one row per row, strings."""
        rows = [[value + marks for value, marks, _ in self.row(row)] for row in self.rows]
        index = pd.Index([*self.rows.values()], name=self.head.lower())
        return DataFrame(rows, index=index, columns=pd.Index(self.header()))

    def tidy(self) -> DataFrame:
        """The table as data: one row per cell, numbers unrounded."""
        names = dict.fromkeys(name for cell in self.cells.values() for name in cell.more)
        return DataFrame(
            [
                {
                    **cell.where,
                    "metric": self.metric,
                    "preset": self.preset,
                    "mean": cell.mean,
                    "std": cell.std,
                    "std_draws": cell.std_draws,
                    "trainings": cell.done,
                    "draws": cell.draws,
                    "wanted": cell.wanted,
                    "diverged": cell.diverged,
                    "failed": cell.failed,
                    **{name: cell.more.get(name) for name in names},
                    "paper_mean": None if cell.paper is None else cell.paper[0],
                    "paper_std": None if cell.paper is None else cell.paper[1],
                    "cited": cell.cited,
                }
                for cell in self.cells.values()
            ]
        )


# --- from records to cells


def place(model: str | None, dataset: str, source: str, protocol_id: str | None) -> dict[str, str | None]:
    """Where a cell's numbers belong, for the tidy table."""
    return {"model": model, "dataset": dataset, "source": source, "protocol_id": protocol_id}


def evaluations(
    runs: DataFrame, keys: tuple[str, ...], metric: str, source: str, protocol_id: str | None, draws: int
) -> DataFrame:
    """The evaluations of some trainings that may enter a cell: one protocol, one source, the draws wanted."""
    return runs[
        runs["key"].isin(keys)
        & (runs["status"] == "done")
        & (runs["metric"] == metric)
        & (runs["source"] == source)
        & (runs["protocol_id"] == protocol_id)
        & (runs["draw"].fillna(-1).astype(int).between(0, draws - 1))
    ]


def trainings(counted: DataFrame, keys: tuple[str, ...], column: str, draws: int) -> dict[str, list[float]]:
    """Training key -> its values, one per draw; a draw that could not be measured makes its training a missing one."""
    found = {key: [float(v) for v in counted.loc[counted["key"] == key].get(column, ())] for key in keys}
    return {key: values for key, values in found.items() if len(values) == draws and all(map(math.isfinite, values))}


def over_trainings(runs: DataFrame, wanted: tuple[str, ...], trainings: Mapping[str, list[float]]) -> Cell:
    """Means and spreads of trainings' values, and what became of the others that are wanted."""
    status = runs[runs["key"].isin(wanted)].drop_duplicates("key")["status"]
    # `statistics` sums exactly: the order of the files cannot move a digit.
    means = [fmean(values) for values in trainings.values()]
    variances = [stdev(values) ** 2 for values in trainings.values() if len(values) > 1]
    return Cell(
        mean=fmean(means) if means else None,
        std=stdev(means) if len(means) > 1 else None,
        std_draws=math.sqrt(fmean(variances)) if variances else None,
        done=len(means),
        wanted=len(wanted),
        diverged=int((status == "diverged").sum()),
        failed=int((status == "failed").sum()),
        draws=min(map(len, trainings.values()), default=0),
    )


def beside(counted: DataFrame, metric: str) -> dict[str, float]:
    """Means over trainings of what stands beside the metric: other metrics, and what describes the training."""
    others = {column: "mean" for row in METRICS.values() for column in row.columns if column in counted}
    means = counted.groupby("key")[[*others]].mean() if others else DataFrame()
    once = counted.drop_duplicates("key")
    known = {name: once[name].dropna() for name in records.DIAGNOSTICS if name in once}
    known |= {name: means[name].dropna() for name in others if name != metric}
    return {name: fmean(map(float, values)) for name, values in known.items() if len(values)}


def digits(cells: Mapping[Pair, Cell]) -> int:
    """One digit behind the point, as the paper has; more where all numbers are small, as on features of one's own."""
    largest = max((abs(cell.mean) for cell in cells.values() if cell.mean is not None), default=1.0)
    return 1 if largest >= 1 or largest == 0 else 1 - math.floor(math.log10(largest))


def finer(cells: Mapping[Pair, Cell]) -> dict[Pair, Cell]:
    """Cells with decimals of their own, with more where all numbers are small."""
    more = digits(cells) - 1
    return {pair: replace(cell, decimals=(1 if cell.decimals is None else cell.decimals) + more)
            for pair, cell in cells.items()}  # fmt: skip


def number(mean: float, spreads: Sequence[float | None], decimals: int) -> str:
    """A mean and its spreads; one that is not known is "—" where another one follows."""
    large = max(map(abs, [mean, *(s for s in spreads if s is not None)])) >= 1e5  # would widen every column
    form = f".{decimals}{'e' if large else 'f'}"
    shown = [*spreads]
    while shown and shown[-1] is None:
        shown.pop()
    return " ± ".join([f"{mean:{form}}", *(NOTHING if s is None else f"{s:{form}}" for s in shown)])
