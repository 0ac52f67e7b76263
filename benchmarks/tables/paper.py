"""The numbers that the paper prints: package data, `benchmarks/paper/`."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib import resources

from benchmarks.tables.cells import Pair


@dataclass(frozen=True)
class Published:
    """One cell that the paper prints."""

    label: str
    mean: float
    std: float
    cited: bool  # the paper took it from elsewhere
    note: str


def published(table: str) -> dict[Pair, Published]:
    """The numbers the paper prints in one of its tables, in its order of rows."""
    source = resources.files("benchmarks") / "paper" / f"{table}.csv"
    return {
        (row["model"], row["dataset"]): Published(
            row["label"], float(row["mean"]), float(row["std"]), row["cited"] == "1", row["note"]
        )
        for row in csv.DictReader(source.read_text(encoding="utf-8").splitlines())
    }
