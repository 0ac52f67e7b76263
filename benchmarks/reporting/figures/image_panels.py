"""Figures 2, 5, 6 and 7: grids of samples and of interpolations, from kept images and weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import environment
from benchmarks.analysis.evidence import Evidence
from benchmarks.evaluation.image_grid import draw_image
from benchmarks.evaluation.names import image_file_name
from benchmarks.experiments.log import has_file
from benchmarks.printing import escape_figure_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLES, INTERPOLATIONS = "samples", "interpolate"
KIND_LABELS = {SAMPLES: "samples", INTERPOLATIONS: "lines between samples"}


@dataclass(frozen=True)
class ImagePanel:
    """One panel of a figure: an image grid, or why there is none.

    Attributes:
        title: model, data set and kind.
        path: of a PNG; None where there is none.
        reason: why there is none.
    """

    title: str
    path: Path | None
    reason: str = ""


def find_image(kind: str, evidence: Evidence, model: str, dataset: str, results: Path) -> tuple[Path | None, str]:
    """The image grid of a cell's first finished run, or None and why there is none.

    Grids of samples lie beside the weights and, once a table has been written, in figures/.  Interpolations are drawn
    from the weights.
    """
    statuses = evidence.statuses(model, dataset)
    finished = [key for key, status in statuses.items() if status == "done"]
    figure_copy = results / "figures" / image_file_name(kind, dataset, model)
    has_runs_folder = (results / "runs").is_dir()  # committed results have no weights to look for
    for key in map(str, finished if has_runs_folder else ()):
        if kind == SAMPLES and has_file(path := results / "runs" / key / "samples.png"):
            return path, ""
        if kind == INTERPOLATIONS and has_file(results / "runs" / key / "weights.pt"):
            from benchmarks.evaluation import image_grid
            from benchmarks.experiments import checkpoint, run_trial  # here: torch takes seconds to import
            from benchmarks.reporting import gallery

            network = checkpoint.load_model_if_valid(results / "runs" / key / "weights.pt")
            if network is not None:
                columns = gallery.INTERPOLATION_STEPS
                images = network.path(gallery.INTERPOLATION_ROWS, columns, seed=run_trial.GRID_SEED)
                return image_grid.save_grid(images.flatten(0, 1), figure_copy, columns=columns), ""
    if finished and has_file(figure_copy):
        return figure_copy, ""
    if finished:
        return None, "its weights were not kept"
    return None, f"{statuses.iloc[0]}" if len(statuses) else "not trained"


def find_panels(
    kinds: Sequence[str], evidence: Evidence, models: Mapping[str, str], datasets: Mapping[str, str], results: Path
) -> list[list[ImagePanel]]:
    """A row of panels for each kind and model, a column for each data set."""
    rows = []
    for kind in kinds:
        for model, label in models.items():
            row = []
            for dataset, name in datasets.items():
                path, reason = find_image(kind, evidence, model, dataset, results)
                row.append(ImagePanel(f"{label}, {name}: {KIND_LABELS[kind]}", path, reason))
            rows.append(row)
    return rows


def draw_panels(rows: Sequence[Sequence[ImagePanel]]) -> Figure:
    """Draw image grids side by side, each under its title."""
    pyplot = environment.import_pyplot()
    columns = max(map(len, rows))
    if columns == 1 and len(rows) > 1:  # one data set: its panels stand side by side
        rows, columns = [[row[0] for row in rows]], len(rows)
    size = (max(3.1 * columns, 3.6), 3.35 * len(rows))
    figure: Figure
    figure, axes = pyplot.subplots(len(rows), columns, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.axis("off")
    for axes_row, row in zip(axes, rows, strict=True):
        for axis, panel in zip(axes_row, row, strict=False):
            axis.set_title(escape_figure_text(panel.title), fontsize=8)
            draw_image(axis, panel.path, panel.reason)
    return figure
