"""Tables as pure functions: records in, cells out; nothing here trains or touches a disk.

A `Grid` says what a table should hold, so a cell can tell "not run" from "not wanted", and a record whose key
the grid does not name (another preset, another revision) cannot enter. The paper's numbers are package data,
`benchmarks/paper/`; they stand in columns of their own and only beside the metric that the paper measured.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from statistics import fmean, stdev
from types import MappingProxyType

import pandas as pd
from pandas import DataFrame

from benchmarks import records

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


@dataclass(frozen=True)
class Published:
    """One cell that the paper prints."""

    label: str
    mean: float
    std: float
    cited: bool  # the paper took it from elsewhere
    note: str


@dataclass(frozen=True)
class Cell:
    """One cell: the spread over trainings, what is missing, and what the paper prints there."""

    mean: float | None  # over trainings, of each one's mean over its draws
    std: float | None  # over trainings, ddof = 1; None with fewer than two
    std_draws: float | None  # within a training: root of the mean variance over draws
    done: int
    wanted: int
    diverged: int
    failed: int
    paper: tuple[float, float] | None  # mean, std
    cited: bool  # the paper's value is itself a citation
    best: bool  # lowest of its column as printed
    draws: int = 0  # sample sets behind each training, the fewest where they differ
    diagnostics: Mapping[str, float] = field(default_factory=dict)  # means over trainings, for the tidy table

    def value(self, decimals: int) -> str:
        """The number alone: mean ± std."""
        return NOTHING if self.mean is None else _number(self.mean, self.std, decimals)

    def marks(self) -> str:
        """What is missing: " (7/10) [2 diverged]", or nothing."""
        share = f" ({self.done}/{self.wanted})" if 0 < self.done < self.wanted else ""
        ends = [f"{n} {word}" for n, word in ((self.diverged, "diverged"), (self.failed, "failed")) if n]
        return share + (f" [{', '.join(ends)}]" if ends else "")

    def published(self) -> str:
        """The paper's value, with the one decimal that the paper prints."""
        if self.paper is None:
            return NOTHING
        return _number(*self.paper, decimals=1) + (" (cited)" if self.cited else "")


@dataclass(frozen=True)
class Table:
    """A finished table, ready to be laid out as CSV, LaTeX or Markdown."""

    name: str
    caption: str
    notes: tuple[str, ...]
    rows: Mapping[str, str]  # model -> label
    columns: Mapping[str, str]  # dataset -> label
    cells: Mapping[Pair, Cell]
    metric: str
    preset: str
    protocol_ids: Mapping[str, str]
    decimals: int = 1

    def compared(self, dataset: str) -> bool:
        """Whether a data set has a column of the paper's numbers."""
        return any(self.cells[model, dataset].paper is not None for model in self.rows)

    def header(self) -> list[str]:
        """Labels of the columns, the paper's own among them."""
        header = []
        for dataset, label in self.columns.items():
            header += [label, f"{label} (paper)"] if self.compared(dataset) else [label]
        return header

    def row(self, model: str) -> list[tuple[str, str, bool]]:
        """One row as (value, marks, best); each layout sets the best values in its own kind of bold."""
        row = []
        for dataset in self.columns:
            cell = self.cells[model, dataset]
            row.append((cell.value(self.decimals), cell.marks(), cell.best))
            if self.compared(dataset):
                row.append((cell.published(), "", False))
        return row

    def frame(self) -> DataFrame:
        """The table as laid out: one row per model, strings."""
        rows = [[value + marks for value, marks, _ in self.row(model)] for model in self.rows]
        index = pd.Index([*self.rows.values()], name="model")
        return DataFrame(rows, index=index, columns=pd.Index(self.header()))

    def tidy(self) -> DataFrame:
        """The table as data: one row per cell, numbers unrounded."""
        return DataFrame(
            [
                {
                    "model": model,
                    "dataset": dataset,
                    "metric": self.metric,
                    "mean": cell.mean,
                    "std": cell.std,
                    "std_draws": cell.std_draws,
                    "trainings": cell.done,
                    "draws": cell.draws,
                    "wanted": cell.wanted,
                    "diverged": cell.diverged,
                    "failed": cell.failed,
                    **{name: cell.diagnostics.get(name) for name in records.DIAGNOSTICS},
                    "paper_mean": None if cell.paper is None else cell.paper[0],
                    "paper_std": None if cell.paper is None else cell.paper[1],
                    "cited": cell.cited,
                    "preset": self.preset,
                    "protocol_id": self.protocol_ids.get(dataset),
                }
                for (model, dataset), cell in self.cells.items()
            ]
        )


# --- from records to cells


def published(table: str) -> dict[Pair, Published]:
    """The numbers the paper prints in one of its tables, in its order of rows."""
    source = resources.files("benchmarks") / "paper" / f"{table}.csv"
    return {
        (row["model"], row["dataset"]): Published(
            row["label"], float(row["mean"]), float(row["std"]), row["cited"] == "1", row["note"]
        )
        for row in csv.DictReader(source.read_text(encoding="utf-8").splitlines())
    }


def table1(runs: DataFrame, grid: Grid, *, decimals: int = 1) -> Table:
    """Table 1: sample quality of every model on every data set.

    Args:
        runs: first frame of `records.read`.
        grid: the rows, columns and training keys that the table should hold.
        decimals: digits printed behind the point; "best" is judged by what is printed.
    """
    # A Fréchet distance on other features than the paper's has another scale: no number to compare it with.
    paper = published("table1") if grid.metric == "fid" else {}
    rows = _with_cited(grid, paper)
    cells = {
        (model, dataset): _cell(runs, grid, (model, dataset), paper.get((model, dataset)))
        for model in rows
        for dataset in grid.datasets
    }
    cells = _mark_best(cells, grid.datasets, decimals)
    return Table(
        name="table1",
        caption=_caption(cells, grid),
        notes=(*_legend(cells), *grid.notes, *_paper_notes(cells, grid, paper)),
        rows=MappingProxyType(rows),
        columns=grid.datasets,
        cells=MappingProxyType(cells),
        metric=grid.metric,
        preset=grid.preset,
        protocol_ids=grid.protocol_ids,
        decimals=decimals,
    )


def _with_cited(grid: Grid, paper: Mapping[Pair, Published]) -> dict[str, str]:
    """The grid's rows, and at the paper's place the rows it only cites."""
    names, labels = [*grid.models], dict(grid.models)
    order = [*dict.fromkeys(model for model, _ in paper)]
    for (model, dataset), entry in paper.items():
        if entry.cited and dataset in grid.datasets and model not in labels:
            after = [name for name in order[order.index(model) :] if name in names]
            names.insert(names.index(after[0]) if after else len(names), model)
            labels[model] = entry.label
    return {name: labels[name] for name in names}


def _cell(runs: DataFrame, grid: Grid, pair: Pair, paper: Published | None) -> Cell:
    wanted = grid.keys.get(pair, ())
    mine = runs[runs["key"].isin(wanted)]
    status = mine.drop_duplicates("key")["status"]
    counted = mine[
        (mine["status"] == "done")
        & (mine["metric"] == grid.metric)
        & (mine["protocol_id"] == grid.protocol_ids.get(pair[1]))
        & (mine["draw"].fillna(-1).astype(int).between(0, grid.draws - 1))
    ]
    trainings = [
        values
        for key in wanted
        if (values := [float(v) for v in counted.loc[counted["key"] == key].get(grid.metric, ())])
        and len(values) == grid.draws
        and all(map(math.isfinite, values))  # a draw that could not be measured makes its training a missing one
    ]
    # `statistics` sums exactly: the order of the files cannot move a digit.
    means = [fmean(values) for values in trainings]
    variances = [stdev(values) ** 2 for values in trainings if len(values) > 1]
    return Cell(
        mean=fmean(means) if means else None,
        std=stdev(means) if len(means) > 1 else None,
        std_draws=math.sqrt(fmean(variances)) if variances else None,
        done=len(means),
        wanted=len(wanted),
        diverged=int((status == "diverged").sum()),
        failed=int((status == "failed").sum()),
        paper=None if paper is None else (paper.mean, paper.std),
        cited=paper is not None and paper.cited,
        best=False,
        draws=min(map(len, trainings), default=0),
        diagnostics=_diagnostics(counted.drop_duplicates("key")),
    )


def _diagnostics(runs: DataFrame) -> dict[str, float]:
    """Means over trainings of what describes them beside the metric; one row per training."""
    known = {name: runs[name].dropna() for name in records.DIAGNOSTICS if name in runs}
    return {name: fmean(map(float, values)) for name, values in known.items() if len(values)}


def _mark_best(cells: Mapping[Pair, Cell], datasets: Mapping[str, str], decimals: int) -> dict[Pair, Cell]:
    """Mark the lowest trained cells of each column, where there are two or more to compare."""
    marked = dict(cells)
    for dataset in datasets:
        printed = {
            pair: float(cell.value(decimals).split(" ± ")[0])
            for pair, cell in cells.items()
            if pair[1] == dataset and cell.mean is not None
        }
        if len(printed) > 1:
            for pair, value in printed.items():
                if value == min(printed.values()):
                    marked[pair] = replace(cells[pair], best=True)
    return marked


def _number(mean: float, std: float | None, decimals: int) -> str:
    large = max(abs(mean), abs(std or 0.0)) >= 1e5  # a diverging model's distances would widen every column
    form = f".{decimals}{'e' if large else 'f'}"
    return f"{mean:{form}}" if std is None else f"{mean:{form}} ± {std:{form}}"


# --- captions


def _caption(cells: Mapping[Pair, Cell], grid: Grid) -> str:
    """What the numbers are; the protocol behind them comes with the grid's notes."""
    if grid.metric == "fid":
        quantity = "FID (column fid)"
    elif grid.metric.startswith("fd_"):
        quantity = f"Fréchet distance (column {grid.metric})"
    else:
        quantity = f"Column {grid.metric}"
    wanted = {cell.wanted for cell in cells.values() if cell.wanted}
    if not wanted:
        spread = "no training wanted"
    elif wanted == {1}:
        spread = "the value of one training, hence without a spread"
    else:
        spread = f"mean ± standard deviation over {_span(wanted)} trainings"
    draws = {cell.draws for cell in cells.values() if cell.draws}
    if draws - {1}:
        spread += f", each the mean of its {_span(draws)} sample sets"
    short = "" if grid.preset == "paper" else ", a shorter budget than the paper's"
    direction = "between generated and real images, lower is better"
    return f"{quantity} {direction}: {spread}. Preset {grid.preset}{short}."


def _span(counts: set[int]) -> str:
    return str(*counts) if len(counts) == 1 else f"{min(counts)} to {max(counts)}"


def _legend(cells: Mapping[Pair, Cell]) -> tuple[str, ...]:
    """The signs that this table uses, and only those."""
    trained = [cell for cell in cells.values() if cell.wanted]
    texts = {
        "Bold: the lowest of its column.": any(cell.best for cell in trained),
        "(m/n): m of the n wanted trainings are done.": any(0 < c.done < c.wanted for c in trained),
        "[n diverged]: trainings that ended in a number that is not finite.": any(c.diverged for c in trained),
        "[n failed]: trainings that ended in an error.": any(cell.failed for cell in trained),
        f"{NOTHING}: no number.": any(cell.mean is None for cell in cells.values()),
        "The spread over the sample sets of one training stands in the tidy table (std_draws); the paper's “trials” "
        "may be the one or the other.": any(cell.draws > 1 for cell in trained),
    }
    return tuple(text for text, used in texts.items() if used)


def _paper_notes(cells: Mapping[Pair, Cell], grid: Grid, paper: Mapping[Pair, Published]) -> tuple[str, ...]:
    """Whose the columns marked “paper” are, and the paper's own footnotes to the cells shown."""
    shown = [pair for pair, cell in cells.items() if cell.paper is not None]
    if not shown:
        return ()
    told = ["Columns marked “paper”: Table 1 of “Generative Latent Flow”, mean ± standard deviation over 10 trials."]
    if any(cells[pair].cited for pair in shown):
        told.append("(cited): the paper cites this number and trained no such model.")
    for model, dataset in shown:
        entry = paper[model, dataset]
        if entry.note and not entry.cited:
            told.append(f"The paper on {entry.label}, {grid.datasets[dataset]}: {entry.note}")
    return tuple(told)


TABLES: dict[str, Callable[[DataFrame, Grid], Table]] = {"table1": table1}
