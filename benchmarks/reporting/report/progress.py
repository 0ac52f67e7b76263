"""What happened during training, as small charts: the models of the preset's Table 1 first, the others apart."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from markupsafe import Markup
from pandas import DataFrame

import zoo
from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.evidence import label as model_label
from benchmarks.analysis.learning_curves import DISTANCE, NLL, RECON, curve_protocol, points
from benchmarks.protocols import PRESETS
from benchmarks.reporting.figures.palette import colour
from benchmarks.reporting.report import charts
from benchmarks.reporting.report.charts import Line


def curves(evidence: Evidence, models: Sequence[str], dataset: str) -> tuple[list[Markup], list[Markup]]:
    """Distance, reconstruction and NLL by epoch: those that the records have.

    Returns:
        charts of the preset's models, and of the others; all in the first where the preset has none of them.
    """
    protocol = curve_protocol(evidence, models, dataset)
    panels = [(DISTANCE, protocol[0], f"{protocol[0]} while training", "distance of samples")] if protocol else []
    panels += [(RECON, "recon", "Reconstruction loss while training", "each model’s own loss, of training images"),
               (NLL, "nll", "NLL under the flow, while training", "nats, of training images’ latents")]  # fmt: skip
    frame = points(evidence, models, dataset, [panel for panel, *_ in panels])
    usual = PRESETS[evidence.preset].models if evidence.preset in PRESETS else ()
    main, rest = ([m for m in models if (m in usual) is side] for side in (True, False))
    drawn: list[list[Markup]] = []
    for some in (main, rest) if main else (rest, main):
        drawn.append([])
        for panel, quantity, title, unit in panels:
            flows = [model for model in some if panel is not NLL or has_flow(model)]
            if lines := lines_of(frame[frame["quantity"] == quantity], flows):
                drawn[-1].append(charts.curves(lines, title, unit, panel.log))
    return drawn[0], drawn[1]


def lines_of(frame: DataFrame, models: Sequence[str]) -> list[Line]:
    """The curves of some models in one panel; a curve has two points, or ends in a cross."""
    lines = []
    for model in models:
        rows = frame[frame["model"] == model]
        alive, ended = rows[~rows["ended"].astype(bool)], rows[rows["ended"].astype(bool)]
        mean = alive.groupby("epoch")["value"].mean()
        if len(mean) > 1 or len(ended):
            lines.append(Line(model_label(model), colour(model), [int(e) for e in mean.index], [*mean],
                              int(ended["epoch"].max()) if len(ended) else None))  # fmt: skip
    return lines


def has_flow(model: str) -> bool:
    """Whether a model has a flow on its latents; other stages may have an NLL of something else."""
    return model in zoo.MODELS and "k" in inspect.signature(zoo.MODELS[model].model).parameters
