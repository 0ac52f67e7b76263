"""Figures 2, 5, 6 and 7: grids of samples and of lines between samples, from pictures and weights that are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from benchmarks.analysis.evidence import Evidence

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLES, LINES = "samples", "interpolate"
WORDS = {SAMPLES: "samples", LINES: "lines between samples"}


@dataclass(frozen=True)
class Picture:
    """One panel: a picture, or why there is none.

    Attributes:
        title: model and data set.
        path: of a PNG; None where there is none.
        reason: why not.
    """

    title: str
    path: Path | None
    reason: str = ""


def find(kind: str, evidence: Evidence, model: str, dataset: str, results: Path) -> tuple[Path | None, str]:
    """The picture of a cell's first finished training, or None and why.

    Sample grids lie beside the weights and, once a table has been written, in figures/; lines are drawn from weights.
    """
    statuses = evidence.statuses(model, dataset)
    done = [key for key, status in statuses.items() if status == "done"]
    shown = results / "figures" / f"{'samples' if kind == SAMPLES else 'interpolate'}-{dataset}-{model}.png"
    there = (results / "runs").is_dir()  # of committed results it is not; without asking for each of thousands
    for key in map(str, done if there else ()):
        if kind == SAMPLES and (path := results / "runs" / key / "samples.png").is_file():
            return path, ""
        if kind == LINES and (results / "runs" / key / "weights.pt").is_file():
            from benchmarks.evaluation import image_grid
            from benchmarks.experiments import checkpoint, trial  # here: torch takes seconds to import
            from benchmarks.reporting import gallery

            network = checkpoint.kept(results / "runs" / key / "weights.pt")
            if network is not None:
                images = network.path(gallery.LINES, gallery.STEPS, seed=trial.GRID_SEED)
                return image_grid.save_grid(images.flatten(0, 1), shown, columns=gallery.STEPS), ""
    if shown.is_file() and done:
        return shown, ""
    if done:
        return None, "its weights were removed"
    return None, f"{statuses.iloc[0]}" if len(statuses) else "not trained"


def panels(
    kinds: Sequence[str], evidence: Evidence, models: Mapping[str, str], datasets: Mapping[str, str], results: Path
) -> list[list[Picture]]:
    """A row for each kind and model, a column for each data set."""
    rows = []
    for kind in kinds:
        for model, label in models.items():
            row = []
            for dataset, name in datasets.items():
                path, reason = find(kind, evidence, model, dataset, results)
                row.append(Picture(f"{label}, {name}: {WORDS[kind]}", path, reason))
            rows.append(row)
    return rows


def draw(rows: Sequence[Sequence[Picture]]) -> Figure:
    """Put pictures side by side, each under its title."""
    import matplotlib  # here: it takes a second to import

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = max(map(len, rows))
    if columns == 1 and len(rows) > 1:  # one data set: its pictures stand side by side
        rows, columns = [[row[0] for row in rows]], len(rows)
    size = (max(3.1 * columns, 3.6), 3.35 * len(rows))
    figure, axes = pyplot.subplots(len(rows), columns, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.axis("off")
    for line, row in zip(axes, rows, strict=True):
        for axis, picture in zip(line, row, strict=False):
            axis.set_title(picture.title, fontsize=8)
            if picture.path is None:
                axis.text(0.5, 0.5, picture.reason, transform=axis.transAxes, ha="center", color="0.4")
            else:
                axis.imshow(np.asarray(Image.open(picture.path).convert("RGB")), interpolation="nearest")
    return figure
