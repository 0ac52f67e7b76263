"""Table 5: how long an epoch takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from types import MappingProxyType
from typing import Any

from pandas import DataFrame

from benchmarks.execution.requirements import Grid
from benchmarks.paper import Pair, PublishedValue, published_cells
from benchmarks.reporting import wording
from benchmarks.reporting.tables.aggregation import make_id_columns
from benchmarks.reporting.tables.paper_comparison import paper_footnotes
from benchmarks.reporting.tables.table import MISSING, CellText, Note, Table, merge_notes

REFERENCE = "glf"  # the model that ratios refer to
REQUIRED_COLUMNS = ("purpose", "model", "dataset", "stage", "seconds_per_epoch", "images", "device", "precision",
                    "engine", "channels_last", "processes", "exclusive", "synthetic")  # fmt: skip
SETTING = ["device", "precision", "engine"]  # the same for all measurements of a table
MEASURE_NOTE = Note(
    "Missing",
    f"{MISSING}: not measured; python -m benchmarks.perf.speed --out RESULTS/speed measures it.",
    f"{MISSING}: not measured.",
)
EXCLUDED_TEXT = "Left out: {} measurements beside other work, or of another device, precision, engine or memory format."


@dataclass(frozen=True)
class TimingCell:
    """One cell of Table 5.

    Attributes:
        stages: stage -> seconds per epoch; empty where none were measured.
        ratio: seconds of all stages together over the reference's; None where either is missing.
        paper: the paper's seconds, one number per stage.
        paper_ratio: the same ratio of the paper's seconds.
        id_columns: model, data set and source.
    """

    stages: Mapping[str, float]
    ratio: float | None = None
    paper: tuple[PublishedValue, ...] = ()
    paper_ratio: float | None = None
    id_columns: Mapping[str, str | None] = field(default_factory=dict)

    def render(self, decimals: int) -> Mapping[str, CellText]:
        """Seconds by stage, and the ratio in parentheses."""
        ours = "/".join(f"{seconds:.{decimals}f}" for seconds in self.stages.values())
        texts = {"": CellText(ours or MISSING, _format_ratio(self.ratio))}
        if self.paper:
            published = "/".join(f"{value.mean:g}" for value in self.paper)
            texts["paper"] = CellText(published, _format_ratio(self.paper_ratio))
        return texts

    def value_columns(self) -> dict[str, Any]:
        """Seconds of all stages together, and both ratios."""
        return {
            "seconds_per_epoch": sum(self.stages.values()) if self.stages else None,
            "seconds_per_epoch_by_stage": "/".join(f"{seconds:.6g}" for seconds in self.stages.values()),
            "ratio_to_glf": self.ratio,
            "paper_seconds_per_epoch": sum(value.mean for value in self.paper) if self.paper else None,
            "paper_seconds_per_epoch_by_stage": "/".join(f"{value.mean:g}" for value in self.paper),
            "paper_ratio_to_glf": self.paper_ratio,
        }


def table5(speed: DataFrame, grid: Grid) -> Table:
    """Table 5: seconds per epoch and their ratio to GLF's, beside the paper's.

    Args:
        speed: one row per measurement, with the columns `REQUIRED_COLUMNS`.
        grid: the rows and columns of the table; its run keys are not used.
    """
    paper = published_cells("table5")
    paper_only = {m: values[0].label for (m, d), values in paper.items() if m not in grid.models and d in grid.datasets}
    rows = {**grid.models, **paper_only}
    speed, excluded = _select_comparable(speed, grid)
    seconds = {pair: _mean_by_stage(speed, pair) for pair in ((m, d) for m in rows for d in grid.datasets)}
    cells = {}
    for (model, dataset), stages in seconds.items():
        reference = _mean_by_stage(speed, (REFERENCE, dataset))
        published, published_reference = paper.get((model, dataset), ()), paper.get((REFERENCE, dataset), ())
        cells[model, dataset] = TimingCell(
            stages=stages,
            ratio=_ratio(sum(stages.values()), sum(reference.values())),
            paper=published,
            paper_ratio=_ratio(sum(v.mean for v in published), sum(v.mean for v in published_reference)),
            id_columns=make_id_columns(model, dataset, "speed", None),
        )
    own = [cell for (model, _), cell in cells.items() if model in grid.models]
    measured = sum(bool(cell.stages) for cell in own)
    notes = [
        Note("Columns", "A number per stage; in parentheses: all stages together over GLF's."),
        *_measurement_notes(speed, grid),
        *wording.missing_notes(measured, len(own), unit="cells"),
        *([MEASURE_NOTE] if measured < len(own) else []),
        *([Note("Missing", EXCLUDED_TEXT.format(excluded), "")] if excluded else []),
        Note("Paper", "The paper's seconds are of a GTX 1080: compare only the ratios."),
        *paper_footnotes(paper, cells, grid),
    ]
    return Table(
        name="table5",
        caption="Training time per epoch in seconds.",
        notes=merge_notes(notes),
        rows=MappingProxyType(rows),
        columns=grid.datasets,
        cells=MappingProxyType(cells),
        metric="seconds_per_epoch",
        preset=grid.preset,
        decimals=1 if grid.decimals is None else grid.decimals,
    )


def _select_comparable(speed: DataFrame, grid: Grid) -> tuple[DataFrame, int]:
    """The measurements that can be compared, and the number of those that are left out.

    They are of one run alone on its device, made for the table, and share the device, precision and engine that most
    cells were measured with.
    """
    own = speed[speed["model"].isin([*grid.models]) & speed["dataset"].isin([*grid.datasets])]
    is_usual = (own["purpose"] == "table") & (own["processes"] == 1) & ~own["channels_last"].astype(bool)
    alone = own[is_usual & own["exclusive"].astype(bool)]
    groups = dict(iter(alone.groupby(SETTING, dropna=False, sort=True)))
    counts = {setting: len(rows.drop_duplicates(["model", "dataset"])) for setting, rows in groups.items()}
    if not counts:
        return alone, len(own)
    best = max(counts, key=lambda setting: (counts[setting], str(setting)))
    return groups[best], len(own) - len(groups[best])


def _measurement_notes(speed: DataFrame, grid: Grid) -> Iterator[Note]:
    """Images per epoch, repetitions and device of the measurements of a table, which share one setting."""
    if not len(speed):
        return
    sizes = [f"{grid.datasets[str(dataset)]} {'/'.join(f'{int(n):,}' for n in sorted({*rows['images'].dropna()}))}"
             for dataset, rows in speed.groupby("dataset", sort=False)]  # fmt: skip
    yield Note("Data", f"Images per epoch: {', '.join(sizes)}.")
    if synthetic := [grid.datasets[str(d)] for d in speed.loc[speed["synthetic"].astype(bool), "dataset"].unique()]:
        yield Note("Data", f"{wording.join(synthetic)}: random images of the right shape.")
    repeated = [f"{grid.models[str(m)]} on {grid.datasets[str(d)]} ({n})"
                for (m, d), rows in speed.groupby(["model", "dataset"], sort=False)
                if (n := rows["stage"].value_counts().max()) > 1]  # fmt: skip
    if repeated:
        yield Note("Statistics", f"Means of several measurements: {', '.join(repeated)}.", "")
    device, precision, engine = speed[SETTING].iloc[0]
    yield Note("Environment", f"One run alone on {device}, {precision}, engine {engine}.")


def _mean_by_stage(speed: DataFrame, pair: Pair) -> dict[str, float]:
    """Stage -> mean seconds per epoch over the measurements of a model on a data set."""
    own = speed[(speed["model"] == pair[0]) & (speed["dataset"] == pair[1])]
    return {str(stage): fmean(map(float, rows["seconds_per_epoch"]))
            for stage, rows in own.groupby("stage", sort=False)}  # fmt: skip


def _ratio(value: float, reference: float) -> float | None:
    return value / reference if value and reference else None


def _format_ratio(ratio: float | None) -> str:
    return "" if ratio is None else f" ({ratio:.2f})"
