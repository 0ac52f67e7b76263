"""Everything that a command can regenerate, and what each needs of the runs' records."""

from __future__ import annotations

from benchmarks.execution.requirements import Requirements
from benchmarks.reporting.figures import FIGURES
from benchmarks.reporting.tables import TABLES

REQUIREMENTS: dict[str, Requirements] = {
    **{name: table.needs for name, table in TABLES.items()},
    **{name: figure.needs for name, figure in FIGURES.items()},
}
