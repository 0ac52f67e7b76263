"""Ours against the paper: the verdict on each number, the order of the models, and what a table says of both."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import replace

from pandas import DataFrame

from benchmarks.analysis import verdicts
from benchmarks.analysis.verdicts import Verdict
from benchmarks.data.datasets import DATASETS
from benchmarks.execution.grid import Grid
from benchmarks.paper import NEAREST, Pair, Published
from benchmarks.reporting.tables.captions import span
from benchmarks.reporting.tables.cells import Cell, signed

IMAGES = 10_000  # of each kind, in the paper's distances


def with_cited(grid: Grid, paper: Mapping[Pair, Published]) -> dict[str, str]:
    """The grid's rows, and at the paper's place the rows it only cites: name -> label."""
    names, labels = [*grid.models], dict(grid.models)
    order = [*dict.fromkeys(model for model, _ in paper)]
    for (model, dataset), entry in paper.items():
        if entry.cited and dataset in grid.datasets and model not in labels:
            after = [name for name in order[order.index(model) :] if name in grid.models]
            names.insert(names.index(after[0]) if after else len(names), model)
            labels[model] = entry.label
    return {name: labels[name] for name in names}


def oddities(paper: Mapping[Pair, tuple[Published, ...]], shown: Container[Pair], grid: Grid) -> Iterator[str]:
    """The paper's footnotes and what is odd about its numbers, of those shown; each once, with what it is about."""
    seen = {pair: entries for pair, entries in paper.items() if pair in shown}
    for note in dict.fromkeys(entry.note for entries in seen.values() for entry in entries if entry.note):
        about = [pair for pair, entries in seen.items() if any(entry.note == note for entry in entries)]
        subjects = []
        for model in dict.fromkeys(model for model, _ in about):
            own = [dataset for other, dataset in about if other == model]
            all_of_them = len(own) > 1 and len(own) == sum(other == model for other, _ in seen)
            where = "" if all_of_them else f", {', '.join(grid.datasets[dataset] for dataset in own)}"
            subjects.append(paper[model, own[0]][0].label + where)
        yield f"The paper's {'; '.join(subjects)}: {note}"


def verdict(cell: Cell, counted: DataFrame, grid: Grid, paper: Published | None) -> Verdict:
    """What a cell says of the paper's number; only the interval of ours where the two cannot be compared."""
    values = [*cell.values.values()]
    sizes = {int(n) for name in ("n_real", "n_fake") if name in counted for n in counted[name].dropna()}
    if grid.metric != "fid":
        why = "another metric than the paper's"
    elif paper is None or paper.std is None:
        why = "the paper has no such number"
    elif paper.cited:
        why = "the paper only cites this number"
    elif grid.preset != "paper":
        why = "a shorter budget than the paper's"
    elif sizes - {IMAGES}:
        why = f"not from {IMAGES:,} images of each kind"
    elif lost := _lost(cell):
        found = verdicts.judge(values, paper.mean, paper.std, share=grid.margin)
        return replace(found, word="undecided", why=lost)
    else:
        return verdicts.judge(values, paper.mean, paper.std, share=grid.margin)
    return Verdict(*verdicts.interval(values), why=why)


def _lost(cell: Cell) -> str:
    """How many trainings ended without a number, or ""; those that are left may be the luckier ones, not any ones."""
    ends = [f"{n} {word}" for n, word in ((cell.diverged, "diverged"), (cell.failed, "failed")) if n]
    return f"of {cell.wanted} trainings, {' and '.join(ends)}" if ends else ""


# --- the order of the models


def ranking(cells: Mapping[Pair, Cell], dataset: str, printed: Mapping[Pair, Published]) -> verdicts.Order:
    """How the models rank on a data set, and whether the paper has them in that order.

    A model that lost a training is left out: by the trainings that are left, which may be the luckier ones, it would
    rank too low.
    """
    ours = {
        model: [*cell.values.values()]
        for (model, d), cell in cells.items()
        if d == dataset and cell.wanted and not _lost(cell)
    }
    other = NEAREST.get(dataset, dataset)
    theirs = {model: entry.mean for (model, d), entry in printed.items() if d == other and not entry.cited}
    return verdicts.order(ours, theirs)


def order_notes(orders: Mapping[str, verdicts.Order], cells: Mapping[Pair, Cell], grid: Grid) -> Iterator[str]:
    """What can be said of the order where the numbers themselves may be of another scale."""
    found = []
    for dataset, order in orders.items():
        if order.rho is None:
            continue
        told = [f"{len(order.models)} models"]
        if dataset in NEAREST:
            told.insert(0, f"the paper's {DATASETS[NEAREST[dataset]].label}")
        if order.low is not None and order.high is not None:
            told.append(f"95 %, were the trainings drawn again, {signed(order.low)} to {signed(order.high)}")
        found.append(f"{grid.datasets[dataset]} {signed(order.rho)} ({', '.join(told)})")
    if found:
        yield f"Spearman's rank correlation with the paper's order of models: {'; '.join(found)}."
    for dataset, order in orders.items():
        if order.chances:
            first = min(order.chances, key=lambda model: (-order.chances[model][0], model))
            behind = span({cells[model, dataset].done for model in order.chances})
            yield (
                f"On {grid.datasets[dataset]}, {grid.models[first]} is the lowest of {len(order.chances)} models with "
                f"probability {order.chances[first][0]:.2f} (parametric bootstrap over {behind} trainings)."
            )
        out = [grid.models[m] for (m, d), cell in cells.items() if d == dataset and cell.done and _lost(cell)]
        if out and (order.chances or order.rho is not None):
            where = grid.datasets[dataset]
            yield f"Left out of the order on {where}, as trainings diverged or failed: {', '.join(out)}."


# --- what is said of the paper's numbers


def paper_notes(name: str, cells: Mapping[Pair, Cell], grid: Grid, paper: Mapping[Pair, Published]) -> Iterator[str]:
    """Whose the columns marked “paper” are, the verdicts, and the paper's own footnotes to the cells shown."""
    shown = [pair for pair, cell in cells.items() if cell.paper is not None]
    if not shown:
        return
    yield (
        f"Marked “paper”: Table {name.removeprefix('table')} of “Generative Latent Flow”, mean ± standard "
        "deviation over 10 trials, “each "
        "trial is computing the FID between 10k generated images and 10k real images”. By that sentence, and by its "
        "size, its ± is to be compared with ours over sample sets"
        + (", the second one" if grid.draws > 1 else ", of which there is one here, hence no such ±")
        + "; if a trial was a training, with ours over trainings"
        + (", the first one." if grid.draws > 1 else ".")
    )
    words = dict.fromkeys(c.verdict.word for c in cells.values() if c.verdict and c.verdict.word)
    if words:
        signs = ", ".join(f"{sign} {word}" for word, sign in verdicts.SIGNS.items() if word in words)
        yield (
            f"{signs}: by two one-sided t-tests at {100 * verdicts.LEVEL:g} % over trainings, with a margin of the "
            f"larger of {100 * grid.margin:g} % of the paper's number and {verdicts.SPREADS} of its standard "
            f"deviations; undecided with fewer than {verdicts.ENOUGH} trainings."
        )
    else:
        whys = dict.fromkeys(c.verdict.why for pair, c in cells.items() if c.wanted and c.verdict and pair in shown)
        yield from (f"No verdict on the paper's numbers: {why}." for why in whys)
    if any(paper[pair].cited for pair in shown):
        yield "(cited): the paper cites this number and trained no such model."
    yield from oddities({pair: (entry,) for pair, entry in paper.items()}, shown, grid)
