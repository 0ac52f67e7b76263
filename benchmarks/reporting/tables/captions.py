"""What is said of a table's numbers; the protocol behind them comes with the grid's notes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pandas import DataFrame

from benchmarks.execution.grid import Grid
from benchmarks.paper import Pair
from benchmarks.reporting.tables.cells import NOTHING, Cell


def caption(cells: Mapping[Pair, Cell], there: int, grid: Grid, lead: str = "") -> str:
    """What the numbers are; the protocol behind them comes with the grid's notes."""
    if grid.metric == "fid":
        quantity = "FID (column fid)"
    elif grid.metric.startswith("fd_"):
        quantity = f"Fréchet distance (column {grid.metric})"
    else:
        quantity = f"Column {grid.metric}"
    direction = "between generated and real images, lower is better"
    return f"{lead}{quantity} {direction}: {spreads(cells.values(), grid.draws)}. {ending(there, grid)}"


def spreads(cells: Iterable[Cell], draws: int) -> str:
    """What each ± is of."""
    wanted = {cell.wanted for cell in cells if cell.wanted}
    if not wanted:
        return "no training wanted"
    if draws > 1:
        return (
            f"mean ± standard deviation over {span(wanted)} training{'s' * (wanted != {1})} ± standard deviation over "
            f"the {draws} sample sets of one"
        )
    if wanted == {1}:
        return "the value of one training, hence without a spread"
    return f"mean ± standard deviation over {span(wanted)} trainings"


def ending(ended: int, grid: Grid) -> str:
    """The budget, and whether some of the wanted trainings are missing."""
    wanted = sum(map(len, grid.keys.values()))
    short = "" if grid.preset == "paper" else ", a shorter budget than the paper's"
    missing = f" Incomplete: {ended} of {wanted} trainings are there." if ended < wanted else ""
    return f"Preset {grid.preset}{short}.{missing}"


def measured(cells: Iterable[Cell]) -> int:
    """Trainings in cells that should have all of theirs; one that diverged is there."""
    return sum(cell.done + cell.diverged for cell in cells)


def ended(runs: DataFrame, grid: Grid) -> int:
    """Trainings that ended and were measured somehow, for cells that cannot have everything of each."""
    wanted = {key for keys in grid.keys.values() for key in keys}
    there = (runs["status"] == "diverged") | ((runs["status"] == "done") & runs["metric"].notna())
    return int(runs.loc[there & runs["key"].isin(wanted), "key"].nunique())


def made_on(runs: DataFrame, cells: Iterable[Cell]) -> Iterator[str]:
    """Where the trainings behind a table differ: devices, versions of torch; and those of code that was changed."""
    keys = {key for cell in cells for key in cell.values}
    mine = runs[runs["key"].isin(keys)].drop_duplicates("key")
    for column, lead in (("device", "Trained on several devices"), ("torch", "Trained with several versions of torch")):
        if column in mine:
            names = mine[column].dropna().astype(str)
            if column == "torch":
                names = names.str.split("+").str[0]  # 2.15.0+cu132 and 2.15.0 are builds of one version
            counts = names.value_counts()
            if len(counts) > 1:
                yield f"{lead}: {', '.join(f'{name} ({counts[name]})' for name in sorted(counts.index))}."
    if "dirty" in mine:
        changed = mine.loc[mine["dirty"].fillna(False).astype(bool), "commit"].astype(str).str[:10].value_counts()
        if len(changed):
            named = ", ".join(f"{name} ({changed[name]})" for name in sorted(changed.index))
            yield f"Trained by code with changes that are in no commit, on top of: {named}."


def span(counts: set[int]) -> str:
    """10, or 3 to 10."""
    return str(*counts) if len(counts) == 1 else f"{min(counts)} to {max(counts)}"


def legend(cells: Mapping[Pair, Cell]) -> tuple[str, ...]:
    """The signs that this table uses, and only those."""
    trained = [cell for cell in cells.values() if cell.wanted]
    lost = any(cell.lost for cell in trained)
    texts = {
        "Bold: the lowest of its column.": any(cell.best for cell in trained) and not lost,
        "Bold: the lowest of its column, of those that lost no training.": any(cell.best for cell in trained) and lost,
        "(m/n): m of the n wanted trainings are done.": any(0 < c.done < c.wanted for c in trained),
        "[n diverged]: trainings that ended in a number that is not finite.": any(c.diverged for c in trained),
        "[n failed]: trainings that ended in an error.": any(cell.failed for cell in trained),
        f"{NOTHING}: no number.": any(cell.mean is None for cell in cells.values()),
    }
    return tuple(text for text, used in texts.items() if used)
