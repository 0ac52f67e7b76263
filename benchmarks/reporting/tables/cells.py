"""What tables are made of: what is wanted, a cell, a table.

A `Grid` says what a table should hold, so a cell can tell "not run" from "not wanted", and a record whose key
the grid does not name (another preset, another revision) cannot enter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Protocol

import pandas as pd
from pandas import DataFrame

from benchmarks.analysis.verdicts import SIGNS, Verdict
from benchmarks.paper import Pair, Published

NOTHING = "—"
CITED = " (cited)"


class Shown(NamedTuple):
    """What is printed of a cell in one of its columns; each layout sets the best values in its own kind of bold."""

    value: str
    marks: str = ""
    best: bool = False


class Entry(Protocol):
    """What stands where a row and a column meet."""

    @property
    def where(self) -> Mapping[str, str | None]:
        """Model, data set, and what else tells it from the others, for the tidy table."""

    def shown(self, decimals: int) -> Mapping[str, Shown]:
        """What is printed: "" -> ours, and what stands beside it in columns of its own, by their names."""

    def data(self) -> dict[str, Any]:
        """Its numbers, unrounded."""


@dataclass(frozen=True)
class Cell:
    """A metric's cell: the spread over trainings and over sample sets, what is missing, what the paper prints there."""

    mean: float | None  # over trainings, of each one's mean over its draws
    std: float | None  # over trainings, ddof = 1; None with fewer than two
    std_draws: float | None  # within a training: root of the mean variance over draws
    done: int
    wanted: int
    diverged: int = 0
    failed: int = 0
    paper: Published | None = None
    best: bool = False  # lowest of its column as printed
    draws: int = 0  # sample sets behind each training, the fewest where they differ
    values: Mapping[str, float] = field(default_factory=dict)  # training key -> its mean over draws
    more: Mapping[str, float | None] = field(default_factory=dict)  # further means over trainings, for the tidy table
    where: Mapping[str, str | None] = field(default_factory=dict)  # model, dataset, source, variant, protocol_id
    decimals: int | None = None  # where they are not the table's
    aside: str = ""  # printed behind the number
    verdict: Verdict | None = None  # None in a table that judges nothing
    ranks: tuple[float, ...] = ()  # probability of each rank in its column

    @property
    def lost(self) -> int:
        """Trainings that ended without a number; those that are left may be the luckier ones."""
        return self.diverged + self.failed

    def value(self, decimals: int) -> str:
        """The number alone: mean ± std over trainings, and ± std over draws where there are several."""
        if self.mean is None:
            return NOTHING
        decimals = decimals if self.decimals is None else self.decimals
        spreads = [self.std] if self.draws < 2 else [self.std, self.std_draws]
        return number(self.mean, spreads, decimals)

    def marks(self) -> str:
        """What is missing, and the verdict: " (7/10) [2 diverged] ≈", or nothing."""
        sign = f" {SIGNS[self.verdict.word]}" if self.verdict and self.verdict.word else ""
        return self.aside + lacking(self.done, self.wanted, self.diverged, self.failed) + sign

    def shown(self, decimals: int) -> Mapping[str, Shown]:
        """Ours, and the paper's value with the one decimal that the paper prints."""
        shown = {"": Shown(self.value(decimals), self.marks(), self.best)}
        if self.paper is not None:
            theirs = number(self.paper.mean, [self.paper.std], decimals=1)
            shown["paper"] = Shown(theirs + (CITED if self.paper.cited else ""))
        return shown

    def data(self) -> dict[str, Any]:
        """Every number behind the cell."""
        return {
            "mean": self.mean,
            "std": self.std,
            "std_draws": self.std_draws,
            "trainings": self.done,
            "draws": self.draws,
            "wanted": self.wanted,
            "diverged": self.diverged,
            "failed": self.failed,
            **self.more,
            "paper_mean": self.paper and self.paper.mean,
            "paper_std": self.paper and self.paper.std,
            "cited": self.paper is not None and self.paper.cited,
            **({"verdict" if n == "word" else n: v for n, v in asdict(self.verdict).items()} if self.verdict else {}),
            **{f"rank_{n}": chance for n, chance in enumerate(self.ranks, 1)},
        }


def lacking(done: int, wanted: int, diverged: int, failed: int) -> str:
    """What is missing of a cell: " (7/10) [2 diverged]", or nothing."""
    share = f" ({done}/{wanted})" if 0 < done < wanted else ""
    ends = [f"{n} {word}" for n, word in ((diverged, "diverged"), (failed, "failed")) if n]
    return share + (f" [{', '.join(ends)}]" if ends else "")


def number(mean: float, spreads: Sequence[float | None], decimals: int) -> str:
    """A mean and its spreads; one that is not known is "—" where another one follows."""
    large = max(map(abs, [mean, *(s for s in spreads if s is not None)])) >= 1e5  # would widen every column
    form = f".{decimals}{'e' if large else 'f'}"
    shown = [*spreads]
    while shown and shown[-1] is None:
        shown.pop()
    return " ± ".join([f"{mean:{form}}", *(NOTHING if s is None else f"{s:{form}}" for s in shown)])


def signed(value: float) -> str:
    """A number with a minus that is no hyphen."""
    return f"{value:.2f}".replace("-", "−")


@dataclass(frozen=True)
class Table:
    """A finished table, ready to be laid out as CSV, LaTeX, Markdown or HTML."""

    name: str
    caption: str
    notes: tuple[str, ...]
    rows: Mapping[str, str]  # key -> label
    columns: Mapping[str, str]  # key -> label
    cells: Mapping[Pair, Entry]  # (row, column)
    metric: str
    preset: str
    decimals: int = 1
    head: str = "Model"  # over the labels of the rows

    def parts(self, column: str) -> list[str]:
        """Names of what is printed of a column: "" for ours, and what any of its cells has beside it."""
        shown = (self.cells[row, column].shown(self.decimals) for row in self.rows)
        return [*dict.fromkeys(["", *(part for cell in shown for part in cell)])]

    def header(self) -> list[str]:
        """Labels of the columns, with those of what stands beside ours."""
        named = [(label, part) for column, label in self.columns.items() for part in self.parts(column)]
        return [f"{label} ({part})" if part else label for label, part in named]

    def row(self, row: str) -> list[Shown]:
        """One row, in the order of the header."""
        out = []
        for column in self.columns:
            shown = self.cells[row, column].shown(self.decimals)
            out += [shown.get(part, Shown(NOTHING)) for part in self.parts(column)]
        return out

    def frame(self) -> DataFrame:
        """The table as laid out: one row per row, strings."""
        rows = [[shown.value + shown.marks for shown in self.row(row)] for row in self.rows]
        index = pd.Index([*self.rows.values()], name=self.head.lower())
        return DataFrame(rows, index=index, columns=pd.Index(self.header()))

    def tidy(self) -> DataFrame:
        """The table as data: one row per cell, numbers unrounded."""
        rows = [
            {**cell.where, "metric": self.metric, "preset": self.preset, **cell.data()} for cell in self.cells.values()
        ]
        return DataFrame(rows, columns=_merged(rows))


def _merged(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """All their columns; one that a row lacks stands behind the one that it follows where it is."""
    columns: list[str] = []
    for row in rows:
        after = 0
        for name in row:
            if name not in columns:
                columns.insert(after, name)
            after = columns.index(name) + 1
    return columns
