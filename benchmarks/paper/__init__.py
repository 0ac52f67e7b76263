"""The numbers that the paper prints: package data, `benchmarks/paper/tableN.csv`, one line per number.

Where the paper prints one column for MNIST and Fashion-MNIST (Table 2), both have it here.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib import resources

Pair = tuple[str, str]  # (model, dataset)
# A data set that the paper has not -> that of the paper whose order of models ours is set beside
NEAREST = {"digits": "mnist"}  # handwritten digits, both


@dataclass(frozen=True)
class Published:
    """One number that the paper prints, of one model on one data set.

    Attributes:
        label: the row, as the paper names it.
        mean: the number.
        std: behind the ±; None where the paper has none.
        cited: the paper took it from elsewhere.
        note: a footnote of the paper, or what is odd about the number.
        metric: what it is: fid, epochs, seconds_per_epoch, prd_f8, prd_f1_8.
        unit: 1 (none), epoch or s.
        stage: of training, where the paper tells them apart.
    """

    label: str
    mean: float
    std: float | None
    cited: bool
    note: str
    metric: str
    unit: str
    stage: str


def printed(table: str) -> dict[Pair, tuple[Published, ...]]:
    """(model, data set) -> the numbers in that cell of one of the paper's tables, in its order of rows.

    Args:
        table: "table1", "table2", "table4", "table5" or "table6".
    """
    source = resources.files("benchmarks") / "paper" / f"{table}.csv"
    cells: dict[Pair, tuple[Published, ...]] = {}
    for row in csv.DictReader(source.read_text(encoding="utf-8").splitlines()):
        std = float(row["std"]) if row["std"] else None
        entry = Published(row["label"], float(row["mean"]), std, row["cited"] == "1", row["note"],
                          row["metric"], row["unit"], row["stage"])  # fmt: skip
        pair = row["model"], row["dataset"]
        cells[pair] = (*cells.get(pair, ()), entry)
    return cells


def published(table: str) -> dict[Pair, Published]:
    """The same of a table whose cells have one number each: Table 1 or 4."""
    found = {}
    for pair, entries in printed(table).items():
        (found[pair],) = entries
    return found
