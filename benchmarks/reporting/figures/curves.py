"""Figures 3 and 4: what happens during training, by β.  Pure functions of the records' epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas import DataFrame

from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.learning_curves import Panel, bands, curve_protocol, points
from benchmarks.reporting.figures.palette import colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw(
    evidence: Evidence, models: Mapping[str, str], datasets: Mapping[str, str], panels: Sequence[Panel]
) -> tuple[Figure, DataFrame]:
    """Draw the curves, one row of panels per data set.

    Args:
        evidence: the records at one preset.
        models: name -> label, in order.
        datasets: name -> label.
        panels: the columns.

    Returns:
        The figure, and what is drawn in it: `bands`, with a column for the data set.
    """
    figure, axes = sheet(len(datasets), len(panels))
    frames, ends = [], []
    for line, (dataset, title) in zip(axes, datasets.items(), strict=True):
        frame = points(evidence, [*models], dataset, panels)
        band = bands(frame)
        frames.append(band.assign(dataset=dataset))
        protocol = curve_protocol(evidence, [*models], dataset)
        for axis, panel in zip(line, panels, strict=True):
            quantity = panel.column or (protocol or ("distance", ""))[0]
            axis.set_title(title if axis is line[0] else "", loc="left", fontsize=10, fontweight="bold")
            axis.set_xlabel("epoch")
            axis.set_ylabel(panel.label.format(metric=quantity))
            mine = band["quantity"] == quantity
            ended = frame[(frame["quantity"] == quantity) & frame["ended"].astype(bool)]
            ends.append((axis, _panel(axis, band[mine], ended, models, panel.log)))
    figure.canvas.draw()  # so that limits and sizes are known
    for axis, names in ends:
        name_ends(axis, names)
    return figure, pd.concat(frames, ignore_index=True)


def _panel(
    axis: Axes, band: DataFrame, ended: DataFrame, models: Mapping[str, str], log: bool
) -> list[tuple[float, float, str, str]]:
    """Draw one panel; returns where each curve ends, its label and colour."""
    if log and len(band) and (band["low"].dropna() > 0).all():
        axis.set_yscale("log")
    ends: list[tuple[float, float, str, str]] = []
    fallen = 0
    low, high = limits(band, {*ended["model"]}, axis.get_yscale() == "log")
    if np.isfinite(low):
        axis.set_ylim(low, high)
    if axis.get_yscale() == "log":
        name_ticks(axis, (low, high) if np.isfinite(low) else (float(band["low"].min()), float(band["high"].max())))
    for model, label in models.items():
        rows, tint = band[(band["model"] == model) & (band["trainings"] > 0)].sort_values("epoch"), colour(model)
        if len(rows):
            axis.plot(rows["epoch"], rows["mean"], color=tint, lw=1.6)
            axis.fill_between(rows["epoch"], rows["low"], rows["high"], color=tint, alpha=0.18, lw=0)
            last = min(max(float(rows["mean"].iloc[-1]), low), high)
            ends.append((float(rows["epoch"].iloc[-1]), last, label, tint))
        mine = ended[ended["model"] == model].drop_duplicates(["epoch", "value"])
        for _, row in mine.iterrows():
            there = low <= row["value"] <= high
            at = axis.transData if there else axis.get_xaxis_transform()
            axis.plot([row["epoch"]], [row["value"] if there else 0.97], "X", color=tint, ms=8, mec="black", mew=0.6,
                      transform=at, clip_on=False, zorder=5)  # fmt: skip
        if len(mine) and not len(rows):
            axis.annotate(f"{label}: diverged", (float(mine["epoch"].max()), 0.97), fontsize=7, color=tint,
                          xycoords=axis.get_xaxis_transform(), xytext=(6, -2 - 9 * fallen),
                          textcoords="offset points")  # fmt: skip
            fallen += 1
    if not len(band):
        axis.text(0.5, 0.5, "not measured", transform=axis.transAxes, ha="center", color="0.5")
    return ends


def name_ticks(axis: Axes, drawn: tuple[float, float]) -> None:
    """Numbers on a logarithmic axis: of all ticks over little more than a decade, else of those at 1, 2 and 5."""
    from matplotlib.ticker import FuncFormatter  # here: it takes a second to import

    wide = drawn[1] > 15 * drawn[0]

    def named(value: float, _: object) -> str:
        return "" if wide and f"{value:e}"[0] not in "125" else f"{value:g}"

    axis.yaxis.set_major_formatter(FuncFormatter(named))
    axis.yaxis.set_minor_formatter(FuncFormatter(named))
    axis.tick_params(axis="y", which="minor", labelsize=6)


def limits(band: DataFrame, diverged: set[str], log: bool = False) -> tuple[float, float]:
    """Lower and upper end of a panel's axis, or (-inf, inf) where Matplotlib is to choose.

    A diverging training's last values can be of any size: where they would squeeze the other models' curves into less
    than a third of the panel, the curves leave it.
    """
    drawn = band[band["trainings"] > 0]
    calm = drawn[~drawn["model"].isin(diverged)]
    if len(calm) in (0, len(drawn)):
        return -np.inf, np.inf
    low, high = float(calm["low"].min()), float(calm["high"].max())
    if not squeezed((low, high), (float(drawn["low"].min()), float(drawn["high"].max())), log):
        return -np.inf, np.inf
    if log:
        pad = (high / low) ** 0.08
        return low / pad, high * pad
    pad = 0.08 * (high - low)
    return (low - pad if low - pad > 0 or low <= 0 else low / 1.1), high + pad


def squeezed(calm: tuple[float, float], drawn: tuple[float, float], log: bool) -> bool:
    """Whether a panel of all that is drawn would leave less than a third of its height to the calm curves.

    Args:
        calm: lowest and highest value of the curves that did not diverge.
        drawn: of all curves.
        log: whether the axis is logarithmic, where all values are positive.
    """
    (low, high), (bottom, top) = (tuple(math.log(v) for v in ends) if log else ends for ends in (calm, drawn))
    # Curves that are all one value have no height that could be squeezed
    return high > low and top - bottom > 3 * (high - low)


def name_ends(axis: Axes, ends: list[tuple[float, float, str, str]]) -> None:
    """Write each curve's label at its end, moved apart where they would overlap.

    Args:
        axis: of a figure that has been drawn.
        ends: (x, y, label, colour) of each.
    """
    if not ends:
        return
    height = axis.get_window_extent().height
    gap = 9.5 * axis.figure.dpi / 72 / height  # a line of text, as a share of the axis
    inverse = axis.transAxes.inverted()
    at = [(inverse.transform(axis.transData.transform((x, y))).tolist(), label, tint) for x, y, label, tint in ends]
    at.sort(key=lambda item: item[0][1])
    ys = [item[0][1] for item in at]
    for i in range(1, len(ys)):  # upwards, then the whole stack down where it leaves the axis
        ys[i] = max(ys[i], ys[i - 1] + gap)
    over = max(0.0, ys[-1] - 1.0)
    ys = [y - over for y in ys]
    for i in range(len(ys) - 2, -1, -1):
        ys[i] = min(ys[i], ys[i + 1] - gap)
    for (where, label, tint), y in zip(at, ys, strict=True):
        axis.annotate(label, where, xytext=(1.04, y), xycoords="axes fraction", textcoords="axes fraction", fontsize=7,
                      color=tint, va="center", annotation_clip=False,
                      arrowprops={"arrowstyle": "-", "relpos": (0, 0.5), "color": "0.6", "lw": 0.5, "ls": (0, (2, 2)),
                                  "shrinkA": 0, "shrinkB": 1})  # fmt: skip


def sheet(rows: int, columns: int) -> tuple[Figure, Any]:
    """A figure of panels with room for labels beside each."""
    import matplotlib  # here: it takes a second to import

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.style.context({"axes.spines.top": False, "axes.spines.right": False, "font.size": 8,
                               "axes.grid": True, "grid.alpha": 0.25, "pdf.fonttype": 42}):  # fmt: skip
        figure, axes = pyplot.subplots(rows, columns, figsize=(4.6 * columns, 3.0 * rows), squeeze=False)
        figure.subplots_adjust(left=0.055, right=1 - 0.36 / columns, wspace=0.95, hspace=0.45, top=1 - 0.08 / rows,
                               bottom=0.16 / rows)  # fmt: skip
    return figure, axes
