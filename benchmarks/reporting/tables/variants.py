"""What a number depends on beside the model: the same images scored under several metric protocols."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean
from types import MappingProxyType

from pandas import DataFrame

from benchmarks.execution.grid import Grid
from benchmarks.paper import Pair
from benchmarks.reporting.tables.averages import Evaluations, finer, over_trainings, place, trainings
from benchmarks.reporting.tables.captions import caption, ended
from benchmarks.reporting.tables.cells import NOTHING, Cell, Table


def sensitivity(runs: DataFrame, grid: Grid) -> Table:
    """The same samples scored under each metric protocol that people use (the table behind Appendix B.4).

    Arguments as `table1`; the grid's `variants` say which protocols there are.
    """
    columns: dict[str, tuple[str | None, str]] = {}  # column -> model, or None for the training images; data set
    labels: dict[str, str] = {}
    for dataset, name in grid.datasets.items():
        of = f", {name}" if len(grid.datasets) > 1 else ""
        for model, label in grid.models.items():
            columns[f"{model} on {dataset}"], labels[f"{model} on {dataset}"] = (model, dataset), label + of
        columns[f"floor of {dataset}"] = (None, dataset)
        labels[f"floor of {dataset}"] = "training images" + of
    evaluations = Evaluations(runs, grid.metric)
    cells: dict[Pair, Cell] = {}
    for column, (only, dataset) in columns.items():
        source = "prior" if only else "floor"
        # The floor is in the record of every training on a data set: any one will do.
        keys = [k for (m, d), k in grid.keys.items() if d == dataset and only in (m, None)]
        wanted = tuple(key for some in keys for key in some)
        draws = grid.draws if source == "prior" else 1
        base: dict[str, list[float]] = {}
        for variant in grid.labels:
            identity = grid.variants.get((dataset, variant))
            counted = evaluations.of(wanted, source, identity, draws)
            found = trainings(counted, wanted, grid.metric, draws)
            if only is None:
                found = dict(zip(("any",), found.values(), strict=False))
            base = found if variant == "base" else base
            cell = over_trainings(evaluations.ends, wanted if only else (), found)
            shift = [fmean(found[k]) / fmean(base[k]) - 1 for k in found if fmean(base.get(k, [0.0])) > 0]
            aside = f" ({_percent(fmean(shift))})" if shift and found is not base else ""
            where = {**place(only, dataset, source, identity), "variant": variant}
            cells[variant, column] = replace(cell, where=where, aside=aside, decimals=None if only else 2)
    cells = finer(cells, grid.decimals)
    notes = (
        "In brackets: against the first row.",
        f"{NOTHING}: the data set or the extractor cannot have it, or the images would be compared with themselves.",
        "Training images are scored as if they were samples; stretched: each image to [0, 1] by its own minimum and "
        "maximum, as in the code of Two-Stage VAE; JPEG: by Pillow, in memory.",
        *(f"Metric protocols on {grid.datasets[d]}: " + ", ".join(
            f"{label}: {grid.variants[d, v]}" for v, label in grid.labels.items() if (d, v) in grid.variants
        ) + "." for d in grid.datasets),
    )  # fmt: skip
    return Table(
        name="sensitivity",
        caption=caption(cells, ended(runs, grid), grid, lead="The same images scored under several metric protocols. "),
        notes=(*notes, *grid.protocols, *grid.notes),
        rows=grid.labels,
        columns=MappingProxyType(labels),
        cells=MappingProxyType(cells),
        metric=grid.metric,
        preset=grid.preset,
        head="Protocol",
    )


def _percent(share: float) -> str:
    """+5 %, −3 %, or 0 % where there is nothing to see."""
    percent = round(100 * share)
    return f"{percent:+d} %".replace("-", "−") if percent else "0 %"
