"""Everything that a command can write: tables, figures, image grids and file formats, as literal tables.

This is the one list of names.  It imports neither torch, pandas nor matplotlib, so that the command line can print its
help at once.  The code that builds a table or a figure is imported when it is built.

To add a table, write a function from data frames and a `Grid` to a `Table` in `benchmarks/reporting/tables/`, and add
one line to `TABLES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.execution.requirements import Grid, Requirements


@dataclass(frozen=True)
class TableSpec:
    """A table, and what it needs from each run's record.

    Attributes:
        builder: "module:function" in `benchmarks.reporting.tables`; takes the frames of `inputs`, in order, and a grid.
        inputs: "evaluations" and "epochs" of `records.read`, "speed" of `speed_records.read_epoch_seconds`.
        requirements: what each run's record must hold.
        has_image_grids: whether grids of samples are written beside the table.
        is_informative: grid -> whether the table shows something that no other table shows.
    """

    builder: str
    inputs: tuple[str, ...] = ("evaluations",)
    requirements: Requirements = field(default_factory=Requirements)
    has_image_grids: bool = False
    is_informative: Callable[[Grid], bool] = lambda grid: True


TABLES: dict[str, TableSpec] = {
    "table1": TableSpec("quality:table1", has_image_grids=True),
    "table2": TableSpec("schedules:table2", ("evaluations", "epochs"), Requirements(
        models=("two-stage-vae", "glf"), learning_curve=True)),
    # For the GANs, the paper cites no metric other than FID.
    "table4": TableSpec("quality:table4", is_informative=lambda grid: grid.metric == "fid"),
    "table5": TableSpec("timing:table5", ("speed",), Requirements(
        models=("two-stage-vae", "glf", "glann", "glf-perceptual"), trains=False)),
    "table6": TableSpec("precision_recall:table6", requirements=Requirements(models=("glf",), metrics=("fd", "prd"))),
    "criteria": TableSpec("diagnostics:criteria_table", requirements=Requirements(
        sources=("prior", "posterior", "reconstruction", "floor"))),
    "latents": TableSpec("diagnostics:latents_table", requirements=Requirements(
        diagnostics=("recon_sse", "latent_std", "prior_mean", "prior_cov", "latent_nll"))),
    "sensitivity": TableSpec("sensitivity:sensitivity_table",
        requirements=Requirements(sources=("prior", "floor"), variants=None),
        is_informative=lambda grid: len(grid.variants) > len(grid.datasets)),
}  # fmt: skip


@dataclass(frozen=True)
class FigureSpec:
    """A figure, and what it needs from each run's record.

    Attributes:
        caption: what it shows, and which figure of the paper it is, without a full stop.
        models: its curves or images, keys of `zoo.MODELS`; a figure skips those that the zoo does not have.
        datasets: the paper's; presets other than `paper` show their own.
        panels: of learning curves, keys of `figures.curves.PANELS`.
        image_kinds: kinds of image grids, keys of `figures.image_panels.KIND_LABELS`.
        diagnostics: those of `evaluation.names.DIAGNOSTICS` that it draws.
    """

    caption: str
    models: tuple[str, ...]
    datasets: tuple[str, ...]
    panels: tuple[str, ...] = ()
    image_kinds: tuple[str, ...] = ()
    diagnostics: tuple[str, ...] = ()

    @property
    def requirements(self) -> Requirements:
        """What each run's record must hold."""
        return Requirements(self.models, self.datasets, diagnostics=self.diagnostics, learning_curve=bool(self.panels))

    @property
    def available_models(self) -> tuple[str, ...]:
        """Its models that the zoo has."""
        from zoo import MODELS  # here: torch takes seconds to import

        return tuple(model for model in self.models if model in MODELS)


_FLOW_PRIORS = ("vae-flow-prior", "vae-flow-prior-10", "vae-flow-prior-50", "vae-flow-prior-100", "vae-flow-prior-400",
                "vae-flow-prior-learned")  # fmt: skip
_REGULARIZED = ("glf-regularized-1", "glf-regularized-10", "glf-regularized-50", "glf-regularized",
                "glf-regularized-400")  # fmt: skip
_TABLE1_DATASETS = ("mnist", "fashion", "cifar10", "celeba")
FIGURES: dict[str, FigureSpec] = {
    "figure2": FigureSpec("Samples, and interpolations that are straight lines in the flow's noise (Figure 2)",
                          ("glf",), (*_TABLE1_DATASETS, "celeba-hq"), image_kinds=("samples", "interpolate")),
    "figure3": FigureSpec("Learning curves of GLF and of VAEs with a flow prior, by β (Figure 3)",
                          (*_FLOW_PRIORS, "glf"), ("cifar10",), ("distance", "entropy", "nll"),
                          diagnostics=("posterior_var",)),
    "figure4": FigureSpec("Learning curves of GLF and of regularized GLF, by β (Figure 4, which leaves out β = 1 "
                          "and 10)",
                          (*_REGULARIZED, "glf"), ("cifar10",), ("distance", "reconstruction", "nll"),
                          diagnostics=("posterior_var",)),
    "figure5": FigureSpec("Samples of GLF, with squared error or perceptual loss (Figure 5)",
                          ("glf", "glf-perceptual"), _TABLE1_DATASETS, image_kinds=("samples",)),
    "figure6": FigureSpec("Samples of GLF with perceptual loss (Figure 6)",
                          ("glf-perceptual",), ("celeba-hq",), image_kinds=("samples",)),
    "figure7": FigureSpec("Interpolations of GLF with perceptual loss, straight lines in the flow's noise "
                          "(Figure 7)", ("glf-perceptual",), ("celeba",), image_kinds=("interpolate",)),
}  # fmt: skip

REQUIREMENTS: dict[str, Requirements] = {
    **{name: table.requirements for name, table in TABLES.items()},
    **{name: figure.requirements for name, figure in FIGURES.items()},
}

# Image grids that a command draws from one finished run (benchmarks/reporting/gallery.py).
IMAGE_GRIDS = ("sample", "interpolate", "reconstruct")

# --notes: how much of a table's notes is printed
NOTE_DETAILS = ("none", "short", "full")

# --format -> suffixes of the files that it writes; `formats.RENDERERS` has the function behind each suffix.
FORMATS: dict[str, tuple[str, ...]] = {
    "csv": (".csv",),
    "latex": (".tex", "-alone.tex"),
    "markdown": (".md",),
    "html": (".html",),
}
