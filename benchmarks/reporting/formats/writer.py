"""Writing a table in all chosen formats."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.data.fingerprint import digest
from benchmarks.execution.requirements import Grid
from benchmarks.experiments import records
from benchmarks.presets import PRESETS
from benchmarks.reporting.formats.csv import frame_to_csv
from benchmarks.reporting.formats.html import to_standalone_html
from benchmarks.reporting.formats.latex import to_latex, to_standalone_latex
from benchmarks.reporting.formats.markdown import to_markdown
from benchmarks.reporting.registry import FORMATS, TABLES
from benchmarks.reporting.tables.table import Table

TIDY_SUFFIX = "-tidy.csv"
MAX_NAME = 60  # characters of a list of models or of seeds in a file name


def to_csv(table: Table) -> str:
    """The table as printed: one line per row, strings."""
    return frame_to_csv(table.frame(), index=True)


def to_tidy_csv(table: Table) -> str:
    """The table as data: one line per cell, unrounded numbers; `tables.columns` documents the columns."""
    return frame_to_csv(table.tidy())


RENDERERS: dict[str, Callable[[Table, str], str]] = {  # suffix of a file's name -> its content
    ".csv": lambda table, _: to_csv(table),
    TIDY_SUFFIX: lambda table, _: to_tidy_csv(table),
    ".tex": to_latex,
    "-alone.tex": to_standalone_latex,
    ".md": to_markdown,
    ".html": to_standalone_html,
}
SHORT_NOTES = (".tex", "-alone.tex")  # suffixes of formats whose notes are short by default


def selection_name(name: str, grid: Grid) -> str:
    """What a table is of, for the names of its files: preset, data sets, metric, models, runs x sample sets.

    Models are named where they are not the preset's, and seeds where they do not count from 0; a long list is a hash.
    """
    default = (TABLES[name].requirements.models if name in TABLES else None) or (
        PRESETS[grid.preset].models if grid.preset in PRESETS else ()
    )
    parts = [grid.preset, "+".join(grid.datasets), grid.metric]
    if {*grid.models} != {*default}:
        parts.append(_shorten([*grid.models], "models"))
    if grid.seeds and [*grid.seeds] != [*range(len(grid.seeds))]:
        parts.append(_shorten([f"seed{grid.seeds[0]}", *map(str, grid.seeds[1:])], "seeds"))
    if counts := {len(keys) for keys in grid.keys.values()}:
        parts.append(f"{max(counts)}x{grid.draws}")
    name = "-".join(filter(None, parts)).replace("]", "")
    return re.sub(r"[^\w.+-]", "_", name, flags=re.ASCII)  # glf[beta=4] -> glf_beta_4


def _shorten(names: list[str], kind: str) -> str:
    """A list of names in a file name; a long one is a hash."""
    listed = "+".join(names)
    return listed if len(listed) <= MAX_NAME else f"{len(names)}{kind}-{digest(names)[:8]}"


def write_table(
    table: Table,
    results: Path,
    formats: Iterable[str] = tuple(FORMATS),
    *,
    notes: str | None = None,
    selection: str = "",
) -> list[Path]:
    """Write a table into RESULTS/tables, each file atomically.

    `table1.*` is the last table written: formats of an older one are removed.  `table1--SELECTION.*` is the same, and
    stays until a table of the same selection is written.  The tidy CSV is always written: other programs read it.

    Args:
        table: what to write.
        results: the results folder.
        formats: keys of `FORMATS`.
        notes: one of `NOTE_DETAILS`; None: short in LaTeX, full elsewhere.
        selection: what the table is of, as `selection_name` gives it; "" for no second name.

    Returns:
        the paths of `table1.*`; the CSV's comes first where there is one.
    """
    folder, chosen = results / "tables", {*formats}
    suffixes = [suffix for name, own in FORMATS.items() if name in chosen for suffix in own]
    suffixes.insert(1 if "csv" in chosen else 0, TIDY_SUFFIX)
    paths = []
    for suffix in suffixes:
        detail = notes or ("short" if suffix in SHORT_NOTES else "full")
        text = RENDERERS[suffix](table, detail)
        if selection:
            records.write_text(folder / f"{table.name}--{selection}{suffix}", text)
        paths.append(records.write_text(folder / f"{table.name}{suffix}", text))
    for suffix in RENDERERS:
        if suffix not in suffixes:
            (folder / f"{table.name}{suffix}").unlink(missing_ok=True)
    return paths
