"""Figures 3 and 4: learning curves by β.  Pure functions of the records' epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from pandas import DataFrame

from benchmarks import environment
from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.learning_curves import (
    DISTANCE,
    ENTROPY,
    NLL,
    RECON,
    CurvePanel,
    curve_protocol,
    curve_summary,
)
from benchmarks.printing import escape_figure_text
from benchmarks.reporting.figures.palette import model_color

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Key of `FigureSpec.panels` -> quantity against epochs
PANELS: dict[str, CurvePanel] = {"distance": DISTANCE, "entropy": ENTROPY, "reconstruction": RECON, "nll": NLL}
LABEL_SPACING = 9.5  # points between the labels of two curves, at least


class CurveEnd(NamedTuple):
    """Where a curve ends, in data coordinates, and what is written there."""

    x: float
    y: float
    label: str
    color: str


def draw_curves(
    evidence: Evidence, models: Mapping[str, str], datasets: Mapping[str, str], panels: Sequence[CurvePanel]
) -> tuple[Figure, DataFrame]:
    """Draw learning curves, one row of panels per data set.

    Args:
        evidence: the records at one preset.
        models: name -> label, in order.
        datasets: name -> label.
        panels: the columns.

    Returns:
        The figure, and the numbers drawn in it: the bands of `curve_summary`, with a column for the data set.
    """
    figure, axes = create_axes(len(datasets), len(panels))
    frames, axis_ends = [], []
    for axes_row, (dataset, title) in zip(axes, datasets.items(), strict=True):
        band, divergences = curve_summary(evidence, [*models], dataset, panels)
        frames.append(band.assign(dataset=dataset))
        protocol = curve_protocol(evidence, [*models], dataset)
        for axis, panel in zip(axes_row, panels, strict=True):
            quantity = panel.column or (protocol or ("distance", ""))[0]
            axis.set_title(
                escape_figure_text(title) if axis is axes_row[0] else "", loc="left", fontsize=10, fontweight="bold"
            )
            axis.set_xlabel("epoch")
            axis.set_ylabel(panel.label.format(metric=quantity))
            is_quantity = band["quantity"] == quantity
            crosses = divergences[divergences["quantity"] == quantity]
            axis_ends.append((axis, draw_panel(axis, band[is_quantity], crosses, models, panel.log)))
    figure.canvas.draw()  # so that limits and sizes are known
    for axis, ends in axis_ends:
        label_curve_ends(axis, ends)
    return figure, pd.concat(frames, ignore_index=True)


def draw_panel(
    axis: Axes, band: DataFrame, divergences: DataFrame, models: Mapping[str, str], log: bool
) -> list[CurveEnd]:
    """Draw one panel; returns where its curves end.

    Args:
        axis: to draw on.
        band: mean, lowest and highest value by model and epoch.
        divergences: the last finite value of each diverged run.
        models: name -> label, in order.
        log: whether the axis is logarithmic if all values are positive.
    """
    if log and len(band) and (band["low"].dropna() > 0).all():
        axis.set_yscale("log")
    ends: list[CurveEnd] = []
    low, high = axis_limits(band, {*divergences["model"]}, axis.get_yscale() == "log")
    if np.isfinite(low):
        axis.set_ylim(low, high)
    if axis.get_yscale() == "log":
        label_log_ticks(
            axis, (low, high) if np.isfinite(low) else (float(band["low"].min()), float(band["high"].max()))
        )
    models_without_curve = 0
    for model, label in models.items():
        rows = band[(band["model"] == model) & (band["runs"] > 0)].sort_values("epoch")
        color = model_color(model)
        if len(rows):
            axis.plot(rows["epoch"], rows["mean"], color=color, lw=1.6)
            axis.fill_between(rows["epoch"], rows["low"], rows["high"], color=color, alpha=0.18, lw=0)
            last = min(max(float(rows["mean"].iloc[-1]), low), high)
            ends.append(CurveEnd(float(rows["epoch"].iloc[-1]), last, label, color))
        crosses = divergences[divergences["model"] == model].drop_duplicates(["epoch", "value"])
        for _, cross in crosses.iterrows():
            is_inside = low <= cross["value"] <= high
            transform = axis.transData if is_inside else axis.get_xaxis_transform()
            axis.plot([cross["epoch"]], [cross["value"] if is_inside else 0.97], "X", color=color, ms=8, mec="black",
                      mew=0.6, transform=transform, clip_on=False, zorder=5)  # fmt: skip
        if len(crosses) and not len(rows):
            text = escape_figure_text(f"{label}: diverged")
            axis.annotate(text, (float(crosses["epoch"].max()), 0.97), fontsize=7, color=color,
                          xycoords=axis.get_xaxis_transform(), xytext=(6, -2 - 9 * models_without_curve),
                          textcoords="offset points")  # fmt: skip
            models_without_curve += 1
    if not len(band):
        axis.text(0.5, 0.5, "not measured", transform=axis.transAxes, ha="center", color="0.5")
    return ends


def label_log_ticks(axis: Axes, limits: tuple[float, float]) -> None:
    """Label the ticks of a logarithmic axis: all if it spans little more than a decade, else those at 1, 2 and 5."""
    from matplotlib.ticker import FuncFormatter  # here: it takes a second to import

    is_wide = limits[1] > 15 * limits[0]

    def label(value: float, _: object) -> str:
        return "" if is_wide and f"{value:e}"[0] not in "125" else f"{value:g}"

    axis.yaxis.set_major_formatter(FuncFormatter(label))
    axis.yaxis.set_minor_formatter(FuncFormatter(label))
    axis.tick_params(axis="y", which="minor", labelsize=6)


def axis_limits(band: DataFrame, diverged_models: set[str], log: bool = False) -> tuple[float, float]:
    """Lower and upper limit of a panel's axis, or (-inf, inf) if Matplotlib is to choose them.

    The last values of a diverging run can be of any size.  If they would squeeze the other models' curves into less
    than a third of the panel, the limits are those of the other curves.
    """
    drawn = band[band["runs"] > 0]
    stable = drawn[~drawn["model"].isin(diverged_models)]
    if len(stable) in (0, len(drawn)):
        return -np.inf, np.inf
    low, high = float(stable["low"].min()), float(stable["high"].max())
    if not is_squeezed((low, high), (float(drawn["low"].min()), float(drawn["high"].max())), log):
        return -np.inf, np.inf
    if log:
        factor = (high / low) ** 0.08
        return low / factor, high * factor
    padding = 0.08 * (high - low)
    return (low - padding if low - padding > 0 or low <= 0 else low / 1.1), high + padding


def is_squeezed(stable: tuple[float, float], drawn: tuple[float, float], log: bool) -> bool:
    """Whether a panel of all curves would leave less than a third of its height to the stable ones.

    Args:
        stable: lowest and highest value of the curves that did not diverge.
        drawn: of all curves.
        log: whether the axis is logarithmic, where all values are positive.
    """
    if log:
        stable, drawn = (math.log(stable[0]), math.log(stable[1])), (math.log(drawn[0]), math.log(drawn[1]))
    height = stable[1] - stable[0]
    # Curves of a single value have no height that could be squeezed
    return height > 0 and drawn[1] - drawn[0] > 3 * height


def label_curve_ends(axis: Axes, ends: Sequence[CurveEnd]) -> None:
    """Write each curve's label at its end; labels that would overlap are moved apart.

    Args:
        axis: of a figure that has been drawn.
        ends: of its curves.
    """
    if not ends:
        return
    gap = LABEL_SPACING * axis.figure.dpi / 72 / axis.get_window_extent().height  # as a share of the axis
    to_axes = axis.transAxes.inverted()
    place_on_slurm = [(to_axes.transform(axis.transData.transform((end.x, end.y))).tolist(), end) for end in ends]
    place_on_slurm.sort(key=lambda item: item[0][1])
    heights = _spread_out([position[1] for position, _ in place_on_slurm], gap)
    for (position, end), height in zip(place_on_slurm, heights, strict=True):
        axis.annotate(escape_figure_text(end.label), position, xytext=(1.04, height), xycoords="axes fraction",
                      textcoords="axes fraction", fontsize=7, color=end.color, va="center", annotation_clip=False,
                      arrowprops={"arrowstyle": "-", "relpos": (0, 0.5), "color": "0.6", "lw": 0.5, "ls": (0, (2, 2)),
                                  "shrinkA": 0, "shrinkB": 1})  # fmt: skip


def _spread_out(heights: Sequence[float], gap: float) -> list[float]:
    """Sorted heights, moved apart to be at least `gap` from each other and at most 1."""
    moved = [*heights]
    for i in range(1, len(moved)):  # upwards, then the whole stack down if it leaves the axis
        moved[i] = max(moved[i], moved[i - 1] + gap)
    excess = max(0.0, moved[-1] - 1.0)
    moved = [height - excess for height in moved]
    for i in range(len(moved) - 2, -1, -1):
        moved[i] = min(moved[i], moved[i + 1] - gap)
    return moved


def create_axes(rows: int, columns: int) -> tuple[Figure, Any]:
    """A figure of panels with room for labels to the right of each."""
    pyplot = environment.import_pyplot()
    with pyplot.style.context({"axes.spines.top": False, "axes.spines.right": False, "font.size": 8,
                               "axes.grid": True, "grid.alpha": 0.25, "pdf.fonttype": 42}):  # fmt: skip
        figure, axes = pyplot.subplots(rows, columns, figsize=(4.6 * columns, 3.0 * rows), squeeze=False)
        figure.subplots_adjust(left=0.055, right=1 - 0.36 / columns, wspace=0.95, hspace=0.45, top=1 - 0.08 / rows,
                               bottom=0.16 / rows)  # fmt: skip
    return figure, axes
