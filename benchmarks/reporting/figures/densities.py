"""The figure of the command `densities`: distance of samples against held-out likelihood, one point per fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pandas import DataFrame

from benchmarks import environment
from benchmarks.experiments import records
from benchmarks.files.names import file_name
from benchmarks.files.writing import replacing
from benchmarks.printing import escape_figure_text
from benchmarks.reporting import wording
from benchmarks.reporting.formats.csv import frame_to_csv
from benchmarks.reporting.formats.markdown import escape_markdown
from benchmarks.reporting.tables.densities import DensityGrid

NAME = "densities"
MARKERS = "osD^vP*Xd<"
COLUMNS = ("model", "dataset", "density", "seed", "held_out_nll", "distance")


def figure_points(densities: DataFrame, wanted: DensityGrid) -> DataFrame:
    """One row per fit with a distance and a likelihood: mean distance over its sample sets; columns `COLUMNS`."""
    keys = {key for some in wanted.keys.values() for key in some}
    own = densities[densities["key"].isin(keys) & densities["protocol_id"].isin(wanted.grid.protocol_ids.values())]
    own = own.dropna(subset=["held_out_nll", "distance"])
    means = own.groupby("key")["distance"].mean()
    once = own.drop_duplicates("key")
    points = once.assign(distance=once["key"].map(means)).filter(items=[*COLUMNS])
    return points.sort_values(by=[*COLUMNS[:4]], ignore_index=True)


def write_density_figure(densities: DataFrame, wanted: DensityGrid, results: Path, stem: str = NAME) -> list[Path]:
    """Write RESULTS/figures/densities.{png,pdf,md,csv}: a panel per auto-encoder and data set.

    Args:
        densities: the frame of `experiments.densities.records.read_densities`.
        wanted: the fits that count.
        results: results folder.
        stem: of the files' names.

    Returns:
        the paths written; the PNG comes first.
    """
    points, folder = figure_points(densities, wanted), results / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{file_name(stem)}{suffix}" for suffix in (".png", ".pdf", ".md", ".csv")]
    grid = wanted.grid
    counts = {len(keys) for keys in wanted.keys.values()} or {0}
    absent = [label for density, label in wanted.labels.items() if density not in {*points["density"]}]
    caption = (
        f"Distance of samples ({grid.metric}) against the NLL of held-out latents, one point per density and seed "
        f"({wording.format_range(counts)} seeds). The dashed line is the mean of the decoded training latents. "
        f"{wording.budget(grid.preset)}"
        + (f" Left out, without a likelihood or a distance: {'; '.join(absent)}." if absent else "")
    )
    records.write_text(paths[2], escape_markdown(caption) + "\n")
    records.write_text(paths[3], frame_to_csv(points))
    figure = draw_densities(points, wanted, results)
    for path in paths[:2]:
        with replacing(path, suffix=path.suffix) as temporary:
            # No date in the file: the same records give the same bytes
            figure.savefig(temporary, dpi=150, metadata={"CreationDate" if path.suffix == ".pdf" else "Software": None})
    environment.import_pyplot().close(figure)
    return paths


def draw_densities(points: DataFrame, wanted: DensityGrid, results: Path) -> Any:
    """Draw the points of `figure_points`, and the distances of decoded training latents from the records of runs.

    A density without any point is not in the legend.
    """
    pyplot, grid = environment.import_pyplot(), wanted.grid
    panels = [(model, dataset) for dataset in grid.datasets for model in grid.models]
    figure, axes = pyplot.subplots(1, len(panels), figsize=(0.8 + 3.6 * len(panels), 3.8), squeeze=False,
                                   layout="constrained")  # fmt: skip
    floors = _floors(wanted, results)
    markers: dict[str, Any] = {}  # density -> a marker of it, for the legend; a density without points has none
    for axis, (model, dataset) in zip(axes[0], panels, strict=True):
        own = points[(points["model"] == model) & (points["dataset"] == dataset)]
        for number, density in enumerate(wanted.labels):
            some = own[own["density"] == density]
            if some.empty:
                continue
            markers[density] = axis.scatter(
                some["held_out_nll"], some["distance"], s=22, alpha=0.8, color=f"C{number % 10}",
                marker=MARKERS[number % len(MARKERS)], linewidths=0,
            )  # fmt: skip
        if (model, dataset) in floors:
            axis.axhline(floors[model, dataset], color="0.5", linestyle="--", linewidth=1)
        axis.set_title(escape_figure_text(f"{grid.models[model]}, {grid.datasets[dataset]}"), fontsize=10)
        axis.set_xlabel("NLL of held-out latents, nats")
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}")
    axes[0][0].set_ylabel(f"distance of samples ({grid.metric})")
    labels = {name: escape_figure_text(label) for name, label in wanted.labels.items() if name in markers}
    figure.legend([markers[name] for name in labels], [*labels.values()], loc="outside lower center", ncols=3,
                  fontsize=8, frameon=False)  # fmt: skip
    return figure


def _floors(wanted: DensityGrid, results: Path) -> dict[tuple[str, str], float]:
    """Mean distance of the decoded training latents of each cell, from the runs' records."""
    evaluations, grid = records.read_evaluations(results), wanted.grid
    floors = {}
    for (model, dataset), keys in grid.keys.items():
        own = evaluations[
            evaluations["key"].isin(keys)
            & (evaluations["source"] == "posterior")
            & (evaluations["protocol_id"] == grid.protocol_ids.get(dataset))
        ]
        if grid.metric in own and own[grid.metric].notna().any():
            floors[model, dataset] = float(own[grid.metric].mean())
    return floors
