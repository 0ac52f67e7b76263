"""Two figures: distance against budget, and learning curves with the NLL of training and test latents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from pandas import DataFrame

from benchmarks.analysis.budgets import Source, device_kind, is_shortened, mean_points
from benchmarks.analysis.learning_curves import DISTANCE, NLL, TEST_NLL, TRAIN_NLL, curve_protocol, curve_summary
from benchmarks.analysis.verdicts import MIN_RUNS
from benchmarks.evaluation.names import NLL_TEST, NLL_TRAIN
from benchmarks.experiments.changes import split_name
from benchmarks.printing import escape_figure_text
from benchmarks.protocols import OURS
from benchmarks.reporting.budget.text import format_budget
from benchmarks.reporting.figures.curves import (
    CurveEnd,
    create_axes,
    draw_panel,
    label_curve_ends,
    label_log_ticks,
)
from benchmarks.reporting.figures.palette import model_color
from benchmarks.reporting.report.curve_charts import has_flow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Quantity -> its line style, and the images whose latents it is of
NLL_LINES = {
    NLL_TRAIN: ("-", "training images"),
    NLL_TEST: ("--", "test images"),
    "nll": (":", "training batches"),
}


def draw_budgets(runs: DataFrame, labels: Mapping[str, str], datasets: Mapping[str, str]) -> Figure:
    """Draw distance against budget, a panel per data set: a point per run, and lines through the means.

    Args:
        runs: as `budget_runs` returns them.
        labels: model -> label.
        datasets: name -> label; one panel each.
    """
    figure, axes = create_axes(1, len(datasets))
    figure.set_size_inches(5.4 * len(datasets), 3.7)
    figure.subplots_adjust(left=0.36 / len(datasets) / 2.6, right=1 - 0.22 / len(datasets), wspace=0.5, bottom=0.26,
                           top=0.9)  # fmt: skip
    points = mean_points(runs)
    all_ends: list[tuple[Axes, list[CurveEnd]]] = []
    for axis, (dataset, title) in zip(axes[0], datasets.items(), strict=True):
        own = runs[runs["dataset"] == dataset]
        whose = " (other images, schedules of ours)" if (own["schedule"] == OURS).any() else ""
        _set_title(axis, title + whose)
        axis.set_xlabel("training images seen, as a share of the full budget")
        axis.set_ylabel(f"{own['metric'].iloc[0]} (lower is better)")
        axis.set_xscale("log")
        axis.set_yscale("log")
        ends = [_draw_model(axis, own[own["model"] == model], points[points["dataset"] == dataset], model, label)
                for model, label in labels.items()]  # fmt: skip
        all_ends.append((axis, [end for end in ends if end is not None]))
        _label_budgets(axis, own)
        if len(finite := own["distance"].dropna()):
            low, high = float(finite.min()) / 1.12, float(finite.max()) * 1.12
            axis.set_ylim(low, high)
            label_log_ticks(axis, (low, high))
            axis.tick_params(axis="y", which="both", labelsize=7)
    figure.canvas.draw()
    for axis, curve_ends in all_ends:
        label_curve_ends(axis, curve_ends)
    return figure


def _set_title(axis: Axes, text: str) -> None:
    axis.set_title(escape_figure_text(text), loc="left", fontsize=10, fontweight="bold")


def _draw_model(axis: Axes, runs: DataFrame, points: DataFrame, model: str, label: str) -> CurveEnd | None:
    """Draw the runs of one model; returns where its line ends."""
    color, own = model_color(model), points[points["model"] == model]
    finished = runs[runs["distance"].notna()]
    axis.scatter(finished["budget"], finished["distance"], s=14, color=color, alpha=0.45, lw=0, zorder=3)
    axis.errorbar(own["budget"], own["mean"], yerr=own["sd"].fillna(0), color=color, lw=1.4, capsize=3, zorder=2)
    for point in own.to_dict("records"):
        face = color if point["runs"] >= MIN_RUNS else "white"
        axis.plot([point["budget"]], [point["mean"]], "o", ms=5, mfc=face, mec=color, mew=1.4, zorder=4)
    lost: Any = runs[runs["status"] != "done"].groupby("budget")
    for budget, rows in lost:
        axis.plot([budget], [0.97], "X", color=color, ms=8, mec="black", mew=0.6, zorder=5, clip_on=False,
                  transform=axis.get_xaxis_transform())  # fmt: skip
        axis.annotate(f"{len(rows)} lost", (budget, 0.97), xytext=(6, -3), textcoords="offset points", fontsize=7,
                      xycoords=axis.get_xaxis_transform(), color=color)  # fmt: skip
    if own.empty:
        return None
    return CurveEnd(float(own["budget"].iloc[-1]), float(own["mean"].iloc[-1]), label, color)


def _label_budgets(axis: Axes, runs: DataFrame) -> None:
    """Ticks at the budgets of the runs: the budget, the results folders, kinds of device and numbers of runs."""
    ticks, texts = [], []
    groups: Any = runs.groupby(runs["budget"].map(format_budget), sort=False)
    for budget, rows in groups:
        devices = " and ".join(sorted({device_kind(str(device)) for device in rows["device"]}))
        counts = " or ".join(map(str, dict.fromkeys(rows.groupby("model", sort=False).size())))
        plural = "" if counts == "1" else "s"
        ticks.append(float(rows["budget"].mean()))
        texts.append([budget, *dict.fromkeys(rows["folder"]), f"{devices}, {counts} run{plural}"])
    axis.set_xticks(ticks, ["\n".join(map(escape_figure_text, lines)) for lines in texts], fontsize=7)
    axis.set_xticks([], minor=True)
    if ticks:
        axis.set_xlim(min(ticks) / 1.7, max(ticks) * 1.5)


@dataclass(frozen=True)
class CurveRow:
    """The learning curves of one folder, data set and budget.

    Attributes:
        source: the records.
        dataset: its name.
        setting: changed settings in the names of the models, such as "budget=0.1".
        models: names in the records -> label.
    """

    source: Source
    dataset: str
    setting: str
    models: Mapping[str, str]


def curve_rows(sources: Sequence[Source], labels: Mapping[str, str]) -> list[CurveRow]:
    """The learning curves that the records have, for some models: a row per data set, preset and budget.

    If several folders have such curves, the folder with those of the most models is shown, then the first.
    """
    rows: dict[tuple[str, str, str], list[CurveRow]] = {}
    for source in sources:
        curves, found = source.evidence.learning_curves, dict[tuple[str, str], dict[str, str]]()
        for (name, dataset), keys in source.evidence.cells.items():
            base, setting = split_name(name)
            if base in labels and is_shortened(name, base) and curves["key"].isin(keys).any():
                found.setdefault((dataset, setting), {})[name] = labels[base]
        for (dataset, setting), models in found.items():
            row = CurveRow(source, dataset, setting, models)
            rows.setdefault((dataset, source.evidence.preset, setting), []).append(row)
    return [max(candidates, key=lambda row: len(row.models)) for candidates in rows.values()]


def draw_learning_curves(rows: Sequence[CurveRow], datasets: Mapping[str, str]) -> tuple[Figure, DataFrame]:
    """Draw the distance, and the NLL of latents under the models' flows, by epoch.

    Returns:
        The figure, and the numbers drawn: the bands of `curve_summary` with columns for data set, folder and setting.
    """
    panels = (DISTANCE, TRAIN_NLL, TEST_NLL, NLL)
    figure, axes = create_axes(len(rows), 2)
    frames, all_ends = [], []
    for axes_row, row in zip(axes, rows, strict=True):
        evidence, names = row.source.evidence, [*row.models]
        band, ends = (frame.assign(model=frame["model"].map(lambda name: split_name(name)[0]))
                      for frame in curve_summary(evidence, names, row.dataset, panels))  # fmt: skip
        labels = {split_name(name)[0]: label for name, label in row.models.items()}
        metric = (curve_protocol(evidence, names, row.dataset) or ("distance",))[0]
        flows = [name for name in labels if has_flow(name)]
        band = band[(band["quantity"] == metric) | band["model"].isin(flows)]
        frames.append(band.assign(dataset=row.dataset, folder=row.source.folder, setting=row.setting))
        where = f"{datasets.get(row.dataset, row.dataset)}: {row.source.folder}"
        _set_title(axes_row[0], where + (f", {row.setting}" if row.setting else ""))
        axes_row[0].set_ylabel(f"{metric} (lower is better)")
        axes_row[1].set_ylabel("NLL of latents under the flow (nats)")
        for axis in axes_row:
            axis.set_xlabel("epoch")
        of_distance = ends[ends["quantity"] == metric]
        drawn = draw_panel(axes_row[0], band[band["quantity"] == metric], of_distance, labels, log=True)
        all_ends.append((axes_row[0], drawn))
        all_ends.append((axes_row[1], _draw_nll(axes_row[1], band, {name: labels[name] for name in flows})))
    figure.canvas.draw()
    for axis, curve_ends in all_ends:
        label_curve_ends(axis, curve_ends)
    return figure, pd.concat(frames, ignore_index=True)


def _draw_nll(axis: Axes, band: DataFrame, models: Mapping[str, str]) -> list[CurveEnd]:
    ends = []
    for model, label in models.items():
        for quantity, (style, images) in NLL_LINES.items():
            line = band[(band["model"] == model) & (band["quantity"] == quantity) & (band["runs"] > 0)]
            if line.empty:
                continue
            color = model_color(model)
            axis.plot(line["epoch"], line["mean"], ls=style, color=color, lw=1.4)
            axis.fill_between(line["epoch"], line["low"], line["high"], color=color, alpha=0.12, lw=0)
            end = float(line["epoch"].iloc[-1]), float(line["mean"].iloc[-1])
            ends.append(CurveEnd(*end, f"{label}, {images}", color))
    return ends
