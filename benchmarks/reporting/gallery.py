"""Pictures from finished trainings whose weights were kept: samples, lines between samples, reconstructions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

import zoo
from benchmarks.data.datasets import DATASETS, load_cached
from benchmarks.evaluation import image_grid
from benchmarks.experiments import records
from benchmarks.experiments.checkpoint import kept
from benchmarks.experiments.trial import GRID, GRID_SEED
from benchmarks.protocols import PRESETS

LINES, STEPS = 8, 8  # of an interpolation
PAIRS = 32  # of a reconstruction
KINDS = ("sample", "interpolate", "reconstruct")


def draw(kind: str, model: str, dataset: str, results: Path, root: Path | None, preset: str | None = None) -> Path:
    """Write one picture of a finished training into results/figures.

    Args:
        kind: "sample", "interpolate" (straight lines between random latents; in a flow's noise where there is
            one, Figure 2f) or "reconstruct" (test images beside their reconstructions).
        model: as `zoo.adopt` takes it.
        dataset: as its records name it.
        results: results folder.
        root: data root, for reconstructions.
        preset: of the training; None takes the longest there is.

    Returns:
        The picture's path.

    Raises:
        ValueError: no such training, its weights are gone, or it has no encoder to reconstruct with.
    """
    record = finished(model, dataset, results, preset)
    network = kept(results / "runs" / record["key"] / "weights.pt")
    if network is None:
        raise ValueError(f"the weights of {model} on {dataset!r} are broken: remove runs/{record['key']} and run again")
    path = results / "figures" / image_grid.name_of(kind, dataset, model)
    if kind == "sample":
        return image_grid.save_grid(network.sample(GRID, seed=GRID_SEED), path)
    if kind == "interpolate":
        return image_grid.save_grid(network.path(LINES, STEPS, seed=GRID_SEED).flatten(0, 1), path, columns=STEPS)
    if dataset not in DATASETS:
        raise ValueError(f"reconstruct needs images: {', '.join(DATASETS)}; {dataset!r} is a folder's name")
    try:
        images = load_cached(dataset, root).test.canonical(PAIRS).images
        pairs = torch.stack([images.float().div(255), network.reconstruct(images)], dim=1)
    except NotImplementedError as error:
        raise ValueError(f"{model} cannot reconstruct: {error}") from None
    return image_grid.save_grid(pairs.flatten(0, 1), path)


def finished(model: str, dataset: str, results: Path, preset: str | None) -> dict[str, Any]:
    """The record of the finished training with kept weights that has the longest budget, and the lowest seed."""
    zoo.adopt(model)
    runs, _ = records.read(results)
    mine = runs[(runs["model"] == model) & (runs["dataset"] == dataset) & (runs["status"] == "done")]
    if preset is not None:
        mine = mine[mine["preset"] == preset]
    order = list(PRESETS)
    ranked = sorted(
        (order.index(row["preset"]) if row["preset"] in order else len(order), int(row["seed"]), str(row["key"]))
        for _, row in mine.iterrows()
    )
    kept = [key for _, _, key in ranked if (results / "runs" / key / "weights.pt").is_file()]
    if not kept:
        known = ", ".join(sorted({f"{row['model']} {row['dataset']}" for _, row in runs.iterrows()})) or "none"
        why = "its weights were removed" if ranked else f"trainings there: {known}"
        wanted = f" at preset {preset}" if preset else ""
        raise ValueError(f"no finished {model} on {dataset!r}{wanted} with weights in {results}: {why}")
    record = records.find(results, kept[0])
    assert record is not None
    return record
