"""Tables as pure functions: records in, cells out; nothing here trains or touches a disk.

`TABLES` is the registry: adding a table is one function from frames and a `Grid` to a `Table`, and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pandas import DataFrame

from benchmarks.execution.grid import Grid
from benchmarks.execution.requirements import Requirements
from benchmarks.paper import Published, printed, published
from benchmarks.reporting.tables.cells import Cell, Table
from benchmarks.reporting.tables.diagnosis import LATENTS, criteria, latents
from benchmarks.reporting.tables.quality import table1, table4
from benchmarks.reporting.tables.recall import table6
from benchmarks.reporting.tables.schedules import table2
from benchmarks.reporting.tables.timing import table5
from benchmarks.reporting.tables.variants import sensitivity

__all__ = [
    "TABLES",
    "Cell",
    "Grid",
    "Published",
    "Table",
    "TableSpec",
    "build",
    "criteria",
    "latents",
    "printed",
    "published",
    "sensitivity",
    "table1",
    "table2",
    "table4",
    "table5",
    "table6",
]  # fmt: skip


@dataclass(frozen=True)
class TableSpec:
    """A table, and what it needs of each training's record.

    Attributes:
        make: from the frames that it reads, in their order, and a grid.
        reads: "runs" and "epochs" of `records.read`, "speed" of `speed_records.read`.
        needs: of each training's record.
        pictures: whether sample grids belong to it.
        tells: whether it tells anything that another table does not, of what a grid holds; a report asks.
    """

    make: Callable[..., Table]
    reads: tuple[str, ...] = ("runs",)
    needs: Requirements = field(default_factory=Requirements)
    pictures: bool = False
    tells: Callable[[Grid], bool] = lambda grid: True


TABLES: dict[str, TableSpec] = {
    "table1": TableSpec(table1, pictures=True),
    "table2": TableSpec(table2, ("runs", "epochs"), Requirements(models=("two-stage-vae", "glf"))),
    "table4": TableSpec(table4, tells=lambda grid: grid.metric == "fid"),  # of no other metric have the GANs numbers
    "table5": TableSpec(table5, ("speed",), Requirements(
        models=("two-stage-vae", "glf", "glann", "glf-perceptual"), trains=False)),
    "table6": TableSpec(table6, needs=Requirements(models=("glf",), metrics=("fd", "prd"))),
    "criteria": TableSpec(criteria, needs=Requirements(sources=("prior", "posterior", "reconstruction", "floor"))),
    "latents": TableSpec(latents, needs=Requirements(diagnostics=(*LATENTS,))),
    "sensitivity": TableSpec(sensitivity, needs=Requirements(sources=("prior", "floor"), variants=None),
                             tells=lambda grid: len(grid.variants) > len(grid.datasets)),
}  # fmt: skip


def build(name: str, frames: Mapping[str, DataFrame], grid: Grid) -> Table:
    """A table of the registry from the frames of a results folder.

    Args:
        name: a key of `TABLES`.
        frames: at least those that it reads.
        grid: what it should hold.
    """
    spec = TABLES[name]
    return spec.make(*(frames[read] for read in spec.reads), grid)
