"""Table 5: how long an epoch takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean
from types import MappingProxyType
from typing import Any

from pandas import DataFrame

from benchmarks.execution.grid import Grid
from benchmarks.paper import Pair, Published, printed
from benchmarks.reporting.tables.against import oddities
from benchmarks.reporting.tables.averages import place
from benchmarks.reporting.tables.cells import NOTHING, Shown, Table

REFERENCE = "glf"  # the row that the ratios are to
SPEED = ("purpose", "model", "dataset", "stage", "seconds_per_epoch", "images", "device", "precision", "engine",
         "channels_last", "processes", "exclusive", "synthetic")  # fmt: skip
SAME = ["device", "precision", "engine"]  # what all measurements of a table have in common


@dataclass(frozen=True)
class Seconds:
    """One cell of Table 5.

    Attributes:
        stages: stage -> seconds per epoch; empty where it was not measured.
        ratio: of all its stages together to the reference; None where either is missing.
        paper: what the paper prints there.
        paper_ratio: the same ratio of the paper's seconds.
    """

    stages: Mapping[str, float]
    ratio: float | None = None
    paper: tuple[Published, ...] = ()
    paper_ratio: float | None = None
    where: Mapping[str, str | None] = field(default_factory=dict)

    def shown(self, decimals: int) -> Mapping[str, Shown]:
        """Seconds stage by stage, and the ratio in brackets."""
        ours = "/".join(f"{seconds:.{decimals}f}" for seconds in self.stages.values())
        shown = {"": Shown(ours or NOTHING, _ratio(self.ratio))}
        if self.paper:
            shown["paper"] = Shown("/".join(f"{entry.mean:g}" for entry in self.paper), _ratio(self.paper_ratio))
        return shown

    def data(self) -> dict[str, Any]:
        """All stages together, and both ratios."""
        return {
            "seconds_per_epoch": sum(self.stages.values()) if self.stages else None,
            "stages": "/".join(f"{seconds:.6g}" for seconds in self.stages.values()),
            "ratio": self.ratio,
            "paper_seconds": sum(entry.mean for entry in self.paper) if self.paper else None,
            "paper_stages": "/".join(f"{entry.mean:g}" for entry in self.paper),
            "paper_ratio": self.paper_ratio,
        }


def table5(speed: DataFrame, grid: Grid) -> Table:
    """Table 5: seconds per epoch, and how they compare with GLF's, beside the paper's.

    Args:
        speed: one row per measurement, with the columns `SPEED`.
        grid: the rows and columns of the table; its keys are of no account.
    """
    paper = printed("table5")
    theirs_alone = {m: e[0].label for (m, d), e in paper.items() if m not in grid.models and d in grid.datasets}
    rows = {**grid.models, **theirs_alone}
    speed, how = _alike(speed, grid)
    seconds = {pair: _stages(speed, pair) for pair in ((m, d) for m in rows for d in grid.datasets)}
    cells = {}
    for (model, dataset), stages in seconds.items():
        ours = _over(sum(stages.values()), sum(_stages(speed, (REFERENCE, dataset)).values()))
        there, reference = paper.get((model, dataset), ()), paper.get((REFERENCE, dataset), ())
        theirs = _over(sum(e.mean for e in there), sum(e.mean for e in reference))
        where = place(model, dataset, "speed", None)
        cells[model, dataset] = Seconds(stages, ours, there, theirs, where)
    asked = [cell for (model, _), cell in cells.items() if model in grid.models]
    missing = sum(not cell.stages for cell in asked)
    notes = [
        "In brackets: all stages together against GLF's. The paper's seconds are of a GTX 1080, so only the ratios "
        "compare.",
        how,
        *oddities(paper, cells, grid),
    ]
    if missing:
        notes.insert(0, f"{NOTHING}: not measured; python -m benchmarks.perf.speed --out RESULTS/speed does.")
    incomplete = f" Incomplete: {len(asked) - missing} of {len(asked)} cells are measured." if missing else ""
    return Table(
        name="table5",
        caption=f"Training time per epoch in seconds.{incomplete}",
        notes=tuple(note for note in notes if note),
        rows=MappingProxyType(rows),
        columns=grid.datasets,
        cells=MappingProxyType(cells),
        metric="seconds_per_epoch",
        preset=grid.preset,
        decimals=1 if grid.decimals is None else grid.decimals,
    )


def _alike(speed: DataFrame, grid: Grid) -> tuple[DataFrame, str]:
    """The measurements that compare, those of most cells, and what is said of them.

    They are of one training alone, made for the table, on one device at one precision by steps of one engine.
    """
    mine = speed[speed["model"].isin([*grid.models]) & speed["dataset"].isin([*grid.datasets])]
    usual = (mine["purpose"] == "table") & (mine["processes"] == 1) & ~mine["channels_last"].astype(bool)
    alone = mine[usual & mine["exclusive"].astype(bool)]
    groups = dict(iter(alone.groupby(SAME, dropna=False, sort=True)))
    counts = {key: len(rows.drop_duplicates(["model", "dataset"])) for key, rows in groups.items()}
    if not counts:
        return alone, _left_out(len(mine))
    device, precision, engine = best = max(counts, key=lambda key: (counts[key], str(key)))
    kept = groups[best]
    said = [f"Measured alone on {device}, {precision}; steps taken: {engine}."]
    sizes = [f"{grid.datasets[str(dataset)]} {'/'.join(f'{int(n):,}' for n in sorted({*rows['images'].dropna()}))}"
             for dataset, rows in kept.groupby("dataset", sort=False)]  # fmt: skip
    said.append(f"Images per epoch: {', '.join(sizes)}.")
    if made := [grid.datasets[str(d)] for d in kept.loc[kept["synthetic"].astype(bool), "dataset"].unique()]:
        said.append(f"Random images of the right shape stood for {', '.join(made)}.")
    cells = kept.groupby(["model", "dataset"], sort=False)
    several = [f"{grid.models[str(m)]} on {grid.datasets[str(d)]} ({n})"
               for (m, d), rows in cells if (n := rows["stage"].value_counts().max()) > 1]  # fmt: skip
    if several:
        said.append(f"Means of several measurements: {', '.join(several)}.")
    return kept, " ".join([*said, _left_out(len(mine) - len(kept))]).strip()


def _left_out(count: int) -> str:
    """What is said of measurements that are not shown."""
    reasons = "beside other work, or of another device, precision, engine, memory format or purpose"
    return f"Left out: {count} measurements {reasons}." if count else ""


def _stages(speed: DataFrame, pair: Pair) -> dict[str, float]:
    """Stage -> mean seconds per epoch over the measurements of a model on a data set."""
    mine = speed[(speed["model"] == pair[0]) & (speed["dataset"] == pair[1])]
    return {str(stage): fmean(map(float, rows["seconds_per_epoch"]))
            for stage, rows in mine.groupby("stage", sort=False)}  # fmt: skip


def _over(value: float, reference: float) -> float | None:
    return value / reference if value and reference else None


def _ratio(value: float | None) -> str:
    return "" if value is None else f" ({value:.2f})"
