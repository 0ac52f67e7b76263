"""The numbers that the paper prints: one CSV file per table, one line per number, and a reader.

`benchmarks.analysis` compares our numbers with them. Table 2 has one column for MNIST and Fashion-MNIST; its file has
one line for each of the two.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib import resources

Pair = tuple[str, str]  # (model, dataset)
# Data set that the paper does not use -> the paper's data set with which its ranking of models is compared
NEAREST_DATASET = {"digits": "mnist"}  # both are handwritten digits


@dataclass(frozen=True)
class PublishedValue:
    """One number that the paper prints, for one model on one data set.

    Attributes:
        label: the row's label in the paper.
        mean: the number.
        std: the number after the ±; None where the paper prints none.
        is_cited: whether the paper cites the number from another paper.
        note: a footnote of the paper, or a remark on an unusual number.
        metric: fid, epochs, seconds_per_epoch, prd_f8 or prd_f1_8.
        unit: 1 (none), epoch or s.
        stage: the training stage, if the paper prints one number per stage; otherwise "".
    """

    label: str
    mean: float
    std: float | None
    is_cited: bool
    note: str
    metric: str
    unit: str
    stage: str


def published_cells(table: str) -> dict[Pair, tuple[PublishedValue, ...]]:
    """Read one of the paper's tables: (model, data set) -> the numbers of that cell.

    Cells are in the order of the paper's rows.

    Args:
        table: "table1", "table2", "table4", "table5" or "table6".
    """
    file = resources.files("benchmarks") / "paper" / f"{table}.csv"
    cells: dict[Pair, tuple[PublishedValue, ...]] = {}
    for row in csv.DictReader(file.read_text(encoding="utf-8").splitlines()):
        std = float(row["std"]) if row["std"] else None
        value = PublishedValue(row["label"], float(row["mean"]), std, row["cited"] == "1", row["note"],
                               row["metric"], row["unit"], row["stage"])  # fmt: skip
        pair = row["model"], row["dataset"]
        cells[pair] = (*cells.get(pair, ()), value)
    return cells


def published_values(table: str) -> dict[Pair, PublishedValue]:
    """Read a table that has one number per cell, Table 1 or 4: (model, data set) -> the number."""
    values = {}
    for pair, cell in published_cells(table).items():
        (values[pair],) = cell
    return values
