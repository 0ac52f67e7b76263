"""Tables as pure functions: records in, cells out; nothing here trains or touches a disk.

`TABLES` is the registry: adding a table is one function from a frame and a `Grid`, and one line here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pandas import DataFrame

from benchmarks.tables.cells import Cell, Grid, Table
from benchmarks.tables.diagnosis import criteria, latents
from benchmarks.tables.paper import Published, printed, published
from benchmarks.tables.quality import table1
from benchmarks.tables.variants import sensitivity

__all__ = ["TABLES", "Cell", "Grid", "Kind", "Published", "Table", "criteria", "latents", "printed", "published",
           "sensitivity", "table1"]  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A table, and what it needs of each training's record.

    Attributes:
        build: from the runs frame and a grid.
        sources: keys of `evaluation.SOURCES`.
        variants: keys of `evaluation.VARIANTS`; None: all that a data set can have.
        diagnostics: whether it needs `records.DIAGNOSTICS`.
        pictures: whether sample grids belong to it.
    """

    build: Callable[[DataFrame, Grid], Table]
    sources: tuple[str, ...] = ("prior",)
    variants: tuple[str, ...] | None = ("base",)
    diagnostics: bool = False
    pictures: bool = False


TABLES: dict[str, Kind] = {
    "table1": Kind(table1, pictures=True),
    "criteria": Kind(criteria, ("prior", "posterior", "reconstruction", "floor")),
    "latents": Kind(latents, diagnostics=True),
    "sensitivity": Kind(sensitivity, ("prior", "floor"), None),
}
