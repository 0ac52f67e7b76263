"""Is it the decoder or the density of latents?  Section 2's two criteria, and how latents lie in their density."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from statistics import fmean, median
from types import MappingProxyType

from pandas import DataFrame

from benchmarks.analysis.statistics import far_off
from benchmarks.execution.grid import Grid
from benchmarks.paper import Pair
from benchmarks.reporting.tables.averages import Evaluations, ends, finer, over_trainings, place, trainings
from benchmarks.reporting.tables.captions import caption, ended, ending, legend, spreads
from benchmarks.reporting.tables.cells import Cell, Table

QUANTITIES = {  # column -> (label, decimals)
    "floor": ("training images", 2),
    "reconstruction": ("reconstructions", 1),
    "posterior": ("decoded posterior", 1),
    "prior": ("samples", 1),
    "a": ("(a) decoder", 1),
    "b": ("(b) density", 1),
}
LATENTS = {  # a record's diagnostics -> (label, decimals)
    "recon_sse": ("squared error", 1),
    "latent_std": ("std of latents", 2),
    "prior_mean": ("mean", 2),
    "prior_cov": ("covariance", 2),
    "latent_nll": ("NLL", 1),
}


def criteria(runs: DataFrame, grid: Grid) -> Table:
    """What Section 2's two criteria cost, per model and data set: is it the decoder or the density of latents?

    Arguments as `table1`.
    """
    pairs, rows = _rows(grid)
    evaluations = Evaluations(runs, grid.metric)
    cells = {}
    for row, (model, dataset) in pairs.items():
        wanted, identity = grid.keys.get((model, dataset), ()), grid.protocol_ids.get(dataset)
        values: dict[str, dict[str, list[float]]] = {}
        for source in ("floor", "reconstruction", "posterior", "prior"):
            draws = grid.draws if source == "prior" else 1
            counted = evaluations.of(wanted, source, identity, draws)
            values[source] = trainings(counted, wanted, grid.metric, draws)
        values["a"] = _difference(values["posterior"], values["floor"])
        values["b"] = _difference(values["prior"], values["posterior"])
        for column, (_, decimals) in QUANTITIES.items():
            where = place(model, dataset, column, identity)
            cell = over_trainings(evaluations.ends, wanted, values[column])
            cells[row, column] = replace(cell, where=where, decimals=decimals)
    cells = finer(cells, grid.decimals)
    notes = (
        "Distance to the test part of: training images, which no generator can be expected to undercut; "
        "reconstructions of the same test images; training images encoded (drawn from q(z|x) where that is a "
        "distribution) and decoded; samples.",
        "Section 2: (a), a good decoder for z from the aggregated posterior, costs decoded posterior − training "
        "images; (b), a match of that posterior and the model's density, costs samples − decoded posterior.",
        *(f"On {grid.datasets[d]} there are only {n} images to decode, which biases (b) down and (a) either way."
          for d, n in _fewer(runs, grid).items()),
    )  # fmt: skip
    return Table(
        name="criteria",
        caption=caption(cells, ended(runs, grid), grid, lead="Which of Section 2's criteria costs how much. "),
        notes=(*notes, *legend(cells), *grid.protocols, *grid.notes),
        rows=MappingProxyType(rows),
        columns=MappingProxyType({name: label for name, (label, _) in QUANTITIES.items()}),
        cells=MappingProxyType(cells),
        metric=grid.metric,
        preset=grid.preset,
    )


def latents(runs: DataFrame, grid: Grid) -> Table:
    """How the latents of test images lie in the density that models sample from, and how they are decoded.

    Arguments as `table1`.
    """
    pairs, rows = _rows(grid)
    how = ends(runs)
    finished = runs[runs["status"] == "done"].drop_duplicates("key")
    cells = {}
    for row, (model, dataset) in pairs.items():
        wanted = grid.keys.get((model, dataset), ())
        done = finished[finished["key"].isin(wanted)]
        for name, (_, decimals) in LATENTS.items():
            known = done.dropna(subset=[name]) if name in done else done.iloc[:0]
            values = {key: [float(v)] for key, v in zip(known["key"], known.get(name, ()), strict=True)}
            cells[row, name] = replace(
                over_trainings(how, wanted, values),
                where=place(model, dataset, name, None),
                decimals=decimals if grid.decimals is None else grid.decimals,
            )
    several = any(cell.wanted > 1 for cell in cells.values())
    spread = f": {spreads(cells.values(), 1)}" if several else ""
    notes = (
        "Squared error of reconstructed test images, summed over pixels; standard deviation of their latents over "
        "images, mean over dimensions.",
        "The latents' mean and covariance against the density that is sampled, whitened by its moments: norm of the "
        "mean, relative Frobenius distance of the covariance to the identity; 0 is a match.",
        "NLL: of the latents under that density, in nats; its zero depends on the latents' scale.",
        *_outliers(cells, rows),
    )
    return Table(
        name="latents",
        caption=f"Latents and the density they are sampled from{spread}. {ending(ended(runs, grid), grid)}",
        notes=(*notes, *legend(cells), *grid.notes),
        rows=MappingProxyType(rows),
        columns=MappingProxyType({name: label for name, (label, _) in LATENTS.items()}),
        cells=MappingProxyType(cells),
        metric="diagnostics",
        preset=grid.preset,
    )


def _outliers(cells: Mapping[tuple[str, str], Cell], rows: Mapping[str, str]) -> Iterator[str]:
    """Cells whose mean is that of one training or two, far from the others."""
    for (row, name), cell in cells.items():
        if far := far_off(cell.values):
            yield (f"{rows[row]}: the {LATENTS[name][0]} of {len(far)} of {len(cell.values)} trainings is far off the "
                   f"others ({max(far.values(), key=abs):.2g}); the median is "
                   f"{median(cell.values.values()):.{LATENTS[name][1]}f}.")  # fmt: skip


def _rows(grid: Grid) -> tuple[dict[str, Pair], dict[str, str]]:
    """One row for each model on each data set: row -> (model, data set), row -> label."""
    pairs = {f"{model} on {dataset}": (model, dataset) for dataset in grid.datasets for model in grid.models}
    several = len(grid.datasets) > 1
    return pairs, {r: grid.models[m] + (f", {grid.datasets[d]}" if several else "") for r, (m, d) in pairs.items()}


def _difference(a: Mapping[str, list[float]], b: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """Training by training: mean over draws of a, less that of b; where both are there."""
    return {key: [fmean(a[key]) - fmean(b[key])] for key in a if key in b}


def _fewer(runs: DataFrame, grid: Grid) -> dict[str, int]:
    """Data sets with fewer images to decode than there are samples -> how many."""
    found = {}
    for dataset, identity in grid.protocol_ids.items():
        mine = runs[(runs["protocol_id"] == identity) & (runs["source"] == "posterior")].dropna(subset=["n"])
        if len(mine) and (mine["n"] < mine["n_fake"]).any():
            found[dataset] = int(mine["n"].min())
    return found
