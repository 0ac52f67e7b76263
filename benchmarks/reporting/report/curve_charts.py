"""Charts of the learning curves of one data set: the models of the preset's Table 1, and the others separately."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup
from pandas import DataFrame

import zoo
from benchmarks.analysis.evidence import Evidence, model_label
from benchmarks.analysis.learning_curves import (
    DISTANCE,
    NLL,
    RECON,
    TEST_NLL,
    TRAIN_NLL,
    CurvePanel,
    curve_protocol,
    curve_summary,
)
from benchmarks.experiments.changes import split_name
from benchmarks.presets import PRESETS
from benchmarks.reporting.figures.palette import model_color
from benchmarks.reporting.report.charts import Line, line_chart


@dataclass(frozen=True)
class ChartSpec:
    """A chart of one quantity against epochs; `quantity` is its name in the bands of `curve_summary`."""

    panel: CurvePanel
    quantity: str
    title: str
    unit: str


def training_charts(evidence: Evidence, models: Sequence[str], dataset: str) -> tuple[list[Markup], list[Markup]]:
    """Charts of distance, reconstruction loss and NLL by epoch, for those that the records have.

    Returns:
        charts of the models of the preset's Table 1, and of the others.  If there are only others, they come first.
    """
    protocol = curve_protocol(evidence, models, dataset)
    specs = [
        ChartSpec(RECON, "recon", "Reconstruction loss while training", "each model’s own loss, of training images"),
        ChartSpec(NLL, "nll", "NLL under the flow, while training", "nats, of training images’ latents"),
    ]
    if protocol:
        metric = protocol[0]
        specs.insert(0, ChartSpec(DISTANCE, metric, f"{metric} while training", "distance of samples"))
    panels = [*(spec.panel for spec in specs), TRAIN_NLL, TEST_NLL]
    bands, _ = curve_summary(evidence, models, dataset, panels)
    preset_models = PRESETS[evidence.preset].models if evidence.preset in PRESETS else ()
    in_preset = [model for model in models if model in preset_models]
    others = [model for model in models if model not in preset_models]
    groups = (in_preset, others) if in_preset else (others, in_preset)
    first, second = (_charts_of(bands, group, specs) for group in groups)
    return first, second


def _charts_of(bands: DataFrame, models: Sequence[str], specs: Sequence[ChartSpec]) -> list[Markup]:
    drawn = []
    for spec in specs:
        shown = [model for model in models if spec.panel is not NLL or has_flow(model)]
        if lines := chart_lines(bands[bands["quantity"] == spec.quantity], shown):
            drawn.append(line_chart(lines, spec.title, spec.unit, spec.panel.log))
    if lines := split_nll_lines(bands, models):
        drawn.append(line_chart(lines, "NLL of training and test images", "nats, evaluation mode", may_log=False))
    return drawn


def split_nll_lines(bands: DataFrame, models: Sequence[str]) -> list[Line]:
    """The NLL of training latents, and dashed that of test latents, under the flows of some models."""
    flows, lines = [model for model in models if has_flow(model)], []
    for panel, split in ((TRAIN_NLL, "training"), (TEST_NLL, "test")):
        found = chart_lines(bands[bands["quantity"] == panel.column], flows)
        lines += [replace(line, label=f"{line.label}, {split}", is_dashed=panel is TEST_NLL) for line in found]
    return lines


def chart_lines(bands: DataFrame, models: Sequence[str]) -> list[Line]:
    """The curves of some models in one panel; a curve has at least two points, or a run that diverged."""
    lines = []
    for model in models:
        rows = bands[bands["model"] == model]
        mean = rows[rows["runs"] > 0].set_index("epoch")["mean"]
        ends = rows[rows["diverged"] > 0]
        if len(mean) > 1 or len(ends):
            lines.append(Line(model_label(model), model_color(model), [int(e) for e in mean.index], [*mean],
                              int(ends["epoch"].max()) if len(ends) else None))  # fmt: skip
    return lines


def has_flow(model: str) -> bool:
    """Whether a model has a flow on its latents. The NLL of other models may be of something else."""
    name, _ = split_name(model)
    return name in zoo.MODELS and "k" in inspect.signature(zoo.MODELS[name].model).parameters
