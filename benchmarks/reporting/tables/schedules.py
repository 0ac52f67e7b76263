"""Table 2: how many epochs a model trains, and after how many it is nearly as good as it gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from pandas import DataFrame

from benchmarks.execution.grid import Grid
from benchmarks.paper import Published, printed
from benchmarks.reporting.tables.against import oddities, with_cited
from benchmarks.reporting.tables.averages import ends, over_trainings, place
from benchmarks.reporting.tables.captions import ending, legend, measured, spreads
from benchmarks.reporting.tables.cells import CITED, NOTHING, Cell, Shown, Table

NEAR = 0.05  # share of the final distance: from there on, a model is nearly as good as it gets


@dataclass(frozen=True)
class Epochs:
    """One cell of Table 2.

    Attributes:
        stages: stage -> epochs of the protocol; empty where the model has none there.
        reached: epochs of all stages until the distance is near its final value, over trainings.
        paper: what the paper prints there.
    """

    stages: Mapping[str, int]
    reached: Cell
    paper: tuple[Published, ...] = ()

    @property
    def where(self) -> Mapping[str, str | None]:
        """Model and data set."""
        return self.reached.where

    def shown(self, decimals: int) -> Mapping[str, Shown]:
        """Epochs stage by stage, 400/800."""
        shown = {"": Shown("/".join(map(str, self.stages.values())) or NOTHING)}
        if self.paper:
            theirs = "/".join(f"{entry.mean:.0f}" for entry in self.paper)
            shown["paper"] = Shown(theirs + (CITED if self.paper[0].cited else ""))
        shown["reached"] = Shown(self.reached.value(decimals), self.reached.marks())
        return shown

    def data(self) -> dict[str, Any]:
        """All stages together, and what reaching took."""
        numbers = self.reached.data()
        kept = ("trainings", "wanted", "diverged", "failed")
        return {
            "epochs": sum(self.stages.values()) if self.stages else None,
            "stages": "/".join(map(str, self.stages.values())),
            "reached_mean": numbers["mean"],
            "reached_std": numbers["std"],
            **{name: numbers[name] for name in kept},
            "paper_epochs": sum(entry.mean for entry in self.paper) if self.paper else None,
            "paper_stages": "/".join(f"{entry.mean:.0f}" for entry in self.paper),
            "cited": any(entry.cited for entry in self.paper),
        }


def table2(runs: DataFrame, epochs: DataFrame, grid: Grid) -> Table:
    """Table 2: epochs of the protocols, beside the paper's and those that it took to get near the final distance.

    Args:
        runs: first frame of `records.read`.
        epochs: its second one; the column of the grid's metric, where a training has it, is the distance of samples
            after an epoch.
        grid: as for `table1`, with `stages`.
    """
    paper = printed("table2")
    rows = with_cited(grid, {pair: entries[0] for pair, entries in paper.items()})
    curves, ended = _curves(runs, epochs, grid), ends(runs)
    cells = {}
    first = False  # whether a model was near its end at the first point that there is
    for model in rows:
        for dataset in grid.datasets:
            pair = model, dataset
            wanted = grid.keys.get(pair, ())
            near = {key: reach(curves[key].epochs, curves[key].distances) for key in wanted if key in curves}
            cell = over_trainings(ended, wanted, {key: [float(epoch)] for key, epoch in near.items()})
            first |= any(epoch == curves[key].epochs[0] for key, epoch in near.items())
            where = place(model, dataset, "curve", next((curves[key].protocol_id for key in near), None))
            cells[pair] = Epochs(grid.stages.get(pair, {}), replace(cell, where=where), paper.get(pair, ()))
    over = [cell.reached for cell in cells.values()]
    scales = {cell.where["dataset"]: cell.where["protocol_id"] for cell in over if cell.where["protocol_id"]}
    notes = [
        "Epochs of the protocols, 400/800 for two stages; for the paper's, they are those “to obtain the FID scores in "
        "Table 1”, which are its full schedules.",
        f"Reached: epochs, of all stages together, until the distance of samples is at most {100 * NEAR:g} % above "
        f"that after the last epoch ({grid.metric}, at the points measured while training): {spreads(over, 1)}.",
    ]
    if scales:
        named = ", ".join(f"{grid.datasets[str(dataset)]} {identity}" for dataset, identity in scales.items())
        notes.append(f"Metric protocol of those points, which may be of fewer images than Table 1's: {named}.")
    if first:
        notes.append("Where a model is that near at the first point that there is, it may have been so earlier.")
    if not curves:
        notes.append(f"{NOTHING}: no training here has distances from while it trained; --progress measures them.")
    notes += oddities(paper, cells, grid)
    return Table(
        name="table2",
        caption=f"Number of training epochs. {ending(measured(over), grid)}",
        notes=(*notes, *legend({pair: cell.reached for pair, cell in cells.items()}), *grid.notes),
        rows=MappingProxyType(rows),
        columns=grid.datasets,
        cells=MappingProxyType(cells),
        metric="epochs",
        preset=grid.preset,
        decimals=0 if grid.decimals is None else grid.decimals,
    )


def reach(epochs: list[int], distances: list[float]) -> int:
    """The first epoch whose distance is at most `NEAR` above the last one's.

    Args:
        epochs: how many have been trained at each point, counted over all stages.
        distances: at each point; lower is better.
    """
    near = distances[-1] + NEAR * abs(distances[-1])
    return next(epoch for epoch, distance in zip(epochs, distances, strict=True) if distance <= near)


@dataclass(frozen=True)
class _Curve:
    """Distances while a training went on: after how many epochs of all stages, and by which metric protocol."""

    epochs: list[int]
    distances: list[float]
    protocol_id: str | None


def _curves(runs: DataFrame, epochs: DataFrame, grid: Grid) -> dict[str, _Curve]:
    """Training key -> its curve, of trainings that were done and have a point after their last epoch."""
    done = {*runs.loc[runs["status"] == "done", "key"]}
    if grid.metric not in epochs:
        return {}
    curves = {}
    wanted = {key for keys in grid.keys.values() for key in keys} & done
    for key, rows in epochs[epochs["key"].isin(wanted)].groupby("key", sort=False):
        there = rows[grid.metric].notna().to_numpy()
        if there[-1]:
            identity = rows["protocol_id"].iloc[0] if "protocol_id" in rows else None
            points = [i + 1 for i, measured in enumerate(there) if measured]
            curves[str(key)] = _Curve(points, [float(d) for d in rows[grid.metric][there]], identity)
    # Points of two metric protocols (of fewer images, say) are two scales: on a data set only the commonest counts.
    kept: dict[str, _Curve] = {}
    for dataset in grid.datasets:
        keys = [key for (_, where), some in grid.keys.items() if where == dataset for key in some]
        mine = {key: curves[key] for key in keys if key in curves}
        counts = Counter(curve.protocol_id for curve in mine.values())
        commonest = min(counts, key=lambda identity: (-counts[identity], str(identity)), default=None)
        kept |= {key: curve for key, curve in mine.items() if curve.protocol_id == commonest}
    return kept
