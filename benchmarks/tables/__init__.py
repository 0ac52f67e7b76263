"""Tables as pure functions: records in, cells out; nothing here trains or touches a disk.

`TABLES` is the registry: adding a table is one function from frames and a `Grid` to a `Table`, and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pandas import DataFrame

from benchmarks.tables.cells import Cell, Grid, Table
from benchmarks.tables.diagnosis import LATENTS, criteria, latents
from benchmarks.tables.paper import Published, printed, published
from benchmarks.tables.quality import table1, table4
from benchmarks.tables.recall import table6
from benchmarks.tables.schedules import table2
from benchmarks.tables.timing import table5
from benchmarks.tables.variants import sensitivity

__all__ = ["TABLES", "Cell", "Grid", "Kind", "Published", "Table", "build", "criteria", "latents", "printed",
           "published", "sensitivity", "table1", "table2", "table4", "table5", "table6"]  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A table, and what it needs of each training's record.

    Attributes:
        make: from the frames that it reads, in their order, and a grid.
        reads: "runs" and "epochs" of `records.read`, "speed" of `benchmarks.speed`.
        models: rows where a command names none, of those that the zoo has; None: the preset's.
        sources: keys of `evaluation.SOURCES`.
        variants: keys of `evaluation.VARIANTS`; None: all that a data set can have.
        metrics: keys of `metrics.METRICS`, beside those that a command names.
        diagnostics: those of `records.DIAGNOSTICS` that it needs.
        pictures: whether sample grids belong to it.
        trains: whether what is missing is trained.
        tells: whether it tells anything that another table does not, of what a grid holds; a report asks.
    """

    make: Callable[..., Table]
    reads: tuple[str, ...] = ("runs",)
    models: tuple[str, ...] | None = None
    sources: tuple[str, ...] = ("prior",)
    variants: tuple[str, ...] | None = ("base",)
    metrics: tuple[str, ...] = ("fd",)
    diagnostics: tuple[str, ...] = ()
    pictures: bool = False
    trains: bool = True
    tells: Callable[[Grid], bool] = lambda grid: True


TABLES: dict[str, Kind] = {
    "table1": Kind(table1, pictures=True),
    "table2": Kind(table2, ("runs", "epochs"), ("two-stage-vae", "glf")),
    "table4": Kind(table4, tells=lambda grid: grid.metric == "fid"),  # of no other metric have the GANs numbers
    "table5": Kind(table5, ("speed",), ("two-stage-vae", "glf", "glann", "glf-perceptual"), trains=False),
    "table6": Kind(table6, models=("glf",), metrics=("fd", "prd")),
    "criteria": Kind(criteria, sources=("prior", "posterior", "reconstruction", "floor")),
    "latents": Kind(latents, diagnostics=(*LATENTS,)),
    "sensitivity": Kind(sensitivity, sources=("prior", "floor"), variants=None,
                        tells=lambda grid: len(grid.variants) > len(grid.datasets)),
}  # fmt: skip


def build(name: str, frames: Mapping[str, DataFrame], grid: Grid) -> Table:
    """A table of the registry from the frames of a results folder.

    Args:
        name: a key of `TABLES`.
        frames: at least those that it reads.
        grid: what it should hold.
    """
    kind = TABLES[name]
    return kind.make(*(frames[read] for read in kind.reads), grid)
