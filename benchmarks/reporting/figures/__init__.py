"""Figures: records, and pictures that are kept, in; PNG, PDF and the numbers drawn out.  Nothing here trains.

`FIGURES` is the registry.  A figure names the models that it compares; those that the zoo does not have yet are left
out until it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import zoo
from benchmarks.analysis.evidence import Evidence, own_rows
from benchmarks.analysis.learning_curves import DISTANCE, ENTROPY, NLL, RECON, Panel, curve_protocol
from benchmarks.execution.requirements import Requirements
from benchmarks.experiments import records
from benchmarks.reporting.figures import curves, grids
from benchmarks.reporting.figures.grids import LINES, SAMPLES


@dataclass(frozen=True)
class FigureSpec:
    """A figure, and what it needs of each training's record.

    Attributes:
        caption: what it shows, and where the paper has it.
        models: its curves or pictures, keys of `zoo.MODELS`.
        datasets: the paper's; other presets than `paper` show their own.
        panels: of curves against epochs.
        pictures: kinds of pictures.
        diagnostics: those of `columns.DIAGNOSTICS` that it draws.
    """

    caption: str
    models: tuple[str, ...]
    datasets: tuple[str, ...]
    panels: tuple[Panel, ...] = ()
    pictures: tuple[str, ...] = ()
    diagnostics: tuple[str, ...] = ()

    @property
    def needs(self) -> Requirements:
        """What it needs of each training's record."""
        return Requirements(self.models, self.datasets, diagnostics=self.diagnostics, learning_curve=bool(self.panels))

    @property
    def known(self) -> tuple[str, ...]:
        """Its models that there are."""
        return tuple(model for model in self.models if model in zoo.MODELS)


FLOW_PRIORS = ("vae-flow-prior", "vae-flow-prior-10", "vae-flow-prior-50", "vae-flow-prior-100", "vae-flow-prior-400",
               "vae-flow-prior-learned")  # fmt: skip
REGULARIZED = ("glf-regularized-1", "glf-regularized-10", "glf-regularized-50", "glf-regularized",
               "glf-regularized-400")  # fmt: skip
FOUR = ("mnist", "fashion", "cifar10", "celeba")
CURVES = (
    "Means over trainings; bands from the lowest to the highest; a cross marks where a training diverged; "
    "epochs with samples that are not finite have no point. "
)
FIGURES: dict[str, FigureSpec] = {
    "figure2": FigureSpec("Samples, and lines between samples that are straight in the flow's noise (Figure 2).",
                    ("glf",), (*FOUR, "celeba-hq"), pictures=(SAMPLES, LINES)),
    "figure3": FigureSpec(CURVES + "GLF and VAEs with a flow prior while they train, by β: distance, entropy loss, NLL "
                    "(Figure 3).", (*FLOW_PRIORS, "glf"), ("cifar10",), (DISTANCE, ENTROPY, NLL),
                    diagnostics=("posterior_var",)),
    "figure4": FigureSpec(CURVES + "GLF and regularized GLF while they train, by β: distance, reconstruction loss, NLL "
                    "(Figure 4, which leaves out β = 1 and 10).",
                    (*REGULARIZED, "glf"), ("cifar10",), (DISTANCE, RECON, NLL), diagnostics=("posterior_var",)),
    "figure5": FigureSpec("Samples of GLF, with squared error or perceptual loss (Figure 5).",
                    ("glf", "glf-perceptual"), FOUR, pictures=(SAMPLES,)),
    "figure6": FigureSpec("Samples of GLF with perceptual loss (Figure 6).",
                    ("glf-perceptual",), ("celeba-hq",), pictures=(SAMPLES,)),
    "figure7": FigureSpec("Lines between samples, straight in the flow's noise, of GLF with perceptual loss "
                    "(Figure 7).",
                    ("glf-perceptual",), ("celeba",), pictures=(LINES,)),
}  # fmt: skip


def caption(name: str, evidence: Evidence, models: Mapping[str, str], datasets: Mapping[str, str]) -> str:
    """What a figure shows, of how many trainings, under which protocol; what is missing is said."""
    spec = FIGURES[name]
    counts = {len(evidence.keys(model, dataset)) for model in models for dataset in datasets} or {0}
    short = "" if evidence.preset == "paper" else ", a shorter budget than the paper’s"
    each = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else f"{min(counts)}"
    parts = [spec.caption, f"Preset {evidence.preset}{short}; {each} training{'s' * (each != '1')} of each model."]
    for dataset, label in datasets.items() if spec.panels else ():
        protocol = curve_protocol(evidence, [*models], dataset)
        parts.append(f"{label}: {protocol[0]}, metric protocol {protocol[1]}." if protocol
                     else f"{label}: no distance was measured during training (--progress).")  # fmt: skip
    for dataset, label in datasets.items():
        if said := own_rows(evidence, dataset, models):
            parts.append(f"Settings on {label}: {said}.")
    absent = [f"{models[m]} on {datasets[d]}" for d in datasets for m in models if not evidence.keys(m, d)]
    return " ".join([*parts, *([f"Not trained: {', '.join(absent)}."] if absent else [])])


def write(
    name: str,
    evidence: Evidence,
    models: Mapping[str, str],
    datasets: Mapping[str, str],
    results: Path,
    stem: str | None = None,
) -> list[Path]:
    """Write a figure below RESULTS/figures as PNG, PDF, its caption and, for curves, its numbers; the PNG comes first.

    Args:
        name: a key of `FIGURES`.
        evidence: the records at one preset.
        models: name -> label.
        datasets: name -> label.
        results: results folder.
        stem: of the files' names; the figure's name by default.
    """
    stem = stem or name
    spec, folder = FIGURES[name], results / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    text = caption(name, evidence, models, datasets)
    paths = [folder / f"{stem}.png", folder / f"{stem}.pdf", folder / f"{stem}.md"]
    if spec.panels:
        figure, frame = curves.draw(evidence, models, datasets, spec.panels)
        paths.append(records.write_text(folder / f"{stem}.csv", frame.to_csv(index=False, lineterminator="\n")))
    else:
        rows = grids.panels(spec.pictures, evidence, models, datasets, results)
        drawn = [row for row in rows if any(picture.path for picture in row)]
        figure = grids.draw(drawn or rows)
        missing = [f"{picture.title}: {picture.reason}" for row in rows for picture in row if picture.path is None]
        text += f" Not shown: {'; '.join(missing)}." if missing else ""
    records.write_text(paths[2], text + "\n")
    for path in paths[:2]:
        temporary = path.with_name(f".{path.name}.tmp{path.suffix}")
        # No date in the file: the same records give the same bytes
        figure.savefig(temporary, dpi=150, metadata={"CreationDate" if path.suffix == ".pdf" else "Software": None})
        temporary.replace(path)
    from matplotlib import pyplot

    pyplot.close(figure)
    return paths
