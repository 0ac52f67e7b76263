"""Tables as pure functions: data frames and a grid in, a `Table` out; one module per kind of table.

Nothing here trains, reads records or writes files, and nothing here formats a table (`benchmarks.reporting.formats`).
The list of tables is `benchmarks.reporting.registry.TABLES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, cast

from benchmarks.execution.requirements import Grid
from benchmarks.reporting.registry import TABLES

if TYPE_CHECKING:
    from pandas import DataFrame

    from benchmarks.reporting.tables.table import Table

__all__ = ["build_table"]


def build_table(name: str, frames: Mapping[str, DataFrame], grid: Grid) -> Table:
    """Build a table of the registry.

    Args:
        name: a key of `TABLES`.
        frames: the data frames of a results folder, by name; at least the table's `inputs`.
        grid: the rows, columns and runs that the table should hold.
    """
    spec = TABLES[name]
    module, function = spec.builder.split(":")
    builder = getattr(import_module(f"{__name__}.{module}"), function)
    return cast("Table", builder(*(frames[key] for key in spec.inputs), grid))
