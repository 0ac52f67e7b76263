"""What is said of a table's numbers; the protocol behind them comes with the grid's notes."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.tables.cells import NOTHING, Cell, Grid, Pair


def caption(cells: Mapping[Pair, Cell], grid: Grid, lead: str = "") -> str:
    """What the numbers are; the protocol behind them comes with the grid's notes."""
    if grid.metric == "fid":
        quantity = "FID (column fid)"
    elif grid.metric.startswith("fd_"):
        quantity = f"Fréchet distance (column {grid.metric})"
    else:
        quantity = f"Column {grid.metric}"
    wanted = {cell.wanted for cell in cells.values() if cell.wanted}
    if not wanted:
        spread = "no training wanted"
    elif wanted == {1}:
        spread = "the value of one training, hence without a spread"
    else:
        spread = f"mean ± standard deviation over {span(wanted)} trainings"
    if grid.draws > 1 and wanted:
        spread = (
            f"mean ± standard deviation over {span(wanted)} training{'s' * (wanted != {1})} ± standard deviation over "
            f"the {grid.draws} sample sets of one"
        )
    short = "" if grid.preset == "paper" else ", a shorter budget than the paper's"
    direction = "between generated and real images, lower is better"
    return f"{lead}{quantity} {direction}: {spread}. Preset {grid.preset}{short}."


def span(counts: set[int]) -> str:
    """10, or 3 to 10."""
    return str(*counts) if len(counts) == 1 else f"{min(counts)} to {max(counts)}"


def legend(cells: Mapping[Pair, Cell]) -> tuple[str, ...]:
    """The signs that this table uses, and only those."""
    trained = [cell for cell in cells.values() if cell.wanted]
    texts = {
        "Bold: the lowest of its column.": any(cell.best for cell in trained),
        "(m/n): m of the n wanted trainings are done.": any(0 < c.done < c.wanted for c in trained),
        "[n diverged]: trainings that ended in a number that is not finite.": any(c.diverged for c in trained),
        "[n failed]: trainings that ended in an error.": any(cell.failed for cell in trained),
        f"{NOTHING}: no number.": any(cell.mean is None for cell in cells.values()),
    }
    return tuple(text for text, used in texts.items() if used)
