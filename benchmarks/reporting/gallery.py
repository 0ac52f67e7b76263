"""Image grids from a finished run whose weights were kept: samples, interpolations, reconstructions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

import zoo
from benchmarks.data.datasets import DATASETS, ImageFolder, load_cached
from benchmarks.evaluation import image_grid
from benchmarks.evaluation.names import image_file_name
from benchmarks.experiments import records
from benchmarks.experiments.changes import split_name
from benchmarks.experiments.checkpoint import load_model_if_valid
from benchmarks.experiments.log import has_file
from benchmarks.experiments.run_trial import GRID_SEED, GRID_SIZE
from benchmarks.presets import PRESETS

INTERPOLATION_ROWS, INTERPOLATION_STEPS = 8, 8
RECONSTRUCTION_PAIRS = 32


def draw_image_grid(
    kind: str, model: str, source: str | ImageFolder, results: Path, root: Path | None, preset: str | None = None
) -> Path:
    """Write an image grid of a finished run into RESULTS/figures.

    Args:
        kind: "sample", "interpolate" (along straight lines between random latents, or between noise vectors if the
            model has a flow, as in Figure 2f) or "reconstruct" (test images beside their reconstructions).
        model: as records name it, such as "glf" or "glf[beta=4]".
        source: the data set, as its records name it; or the folder of its images, which a reconstruction needs if the
            data set is a folder.
        results: results folder.
        root: data root, for reconstructions.
        preset: of the run; None: the longest preset with such a run.

    Returns:
        The image's path.

    Raises:
        ValueError: there is no such run, its weights were removed, its images are missing, or other images were used
            for training; or the model has no encoder to reconstruct with.
    """
    dataset = source.name if isinstance(source, ImageFolder) else source
    record = find_finished_run(model, dataset, results, preset)
    network = load_model_if_valid(results / "runs" / record["key"] / "weights.pt")
    if network is None:
        raise ValueError(f"the weights of {model} on {dataset!r} are broken: remove runs/{record['key']} and run again")
    path = results / "figures" / image_file_name(kind, dataset, model)
    if kind == "sample":
        return image_grid.save_grid(network.sample(GRID_SIZE, seed=GRID_SEED), path)
    if kind == "interpolate":
        images = network.path(INTERPOLATION_ROWS, INTERPOLATION_STEPS, seed=GRID_SEED).flatten(0, 1)
        return image_grid.save_grid(images, path, columns=INTERPOLATION_STEPS)
    if not isinstance(source, ImageFolder) and source not in DATASETS:
        raise ValueError(
            f"reconstruct needs the images of {dataset!r}, which was a folder: name it as folder:PATH --name {dataset} "
            "--like NAME"
        )
    data = load_cached(source, root)
    used = record["data"]["test_fingerprint"]
    if data.test.fingerprint != used:
        raise ValueError(
            f"these are not the images of {dataset!r} that the run was scored with: the test split's "
            f"fingerprint is {data.test.fingerprint[:8]}, that of the run {used[:8]}"
        )
    try:
        images = data.test.canonical(RECONSTRUCTION_PAIRS).images
        pairs = torch.stack([images.float().div(255), network.reconstruct(images)], dim=1)
    except NotImplementedError as error:
        raise ValueError(f"{model} cannot reconstruct: {error}") from None
    return image_grid.save_grid(pairs.flatten(0, 1), path)


def find_finished_run(model: str, dataset: str, results: Path, preset: str | None) -> dict[str, Any]:
    """The record of a finished run with kept weights: the one with the longest budget, then the lowest seed.

    Raises:
        ValueError: there is no such run.
    """
    zoo.adopt(split_name(model)[0])
    evaluations, _ = records.read(results)
    is_model = (evaluations["model"] == model) & (evaluations["dataset"] == dataset)
    finished = evaluations[is_model & (evaluations["status"] == "done")]
    if preset is not None:
        finished = finished[finished["preset"] == preset]
    order = list(PRESETS)
    ranked = sorted(
        (order.index(row["preset"]) if row["preset"] in order else len(order), int(row["seed"]), str(row["key"]))
        for _, row in finished.iterrows()
    )
    with_weights = [key for _, _, key in ranked if has_file(results / "runs" / key / "weights.pt")]
    if not with_weights:
        known = ", ".join(sorted({f"{row['model']} {row['dataset']}" for _, row in evaluations.iterrows()})) or "none"
        reason = "its weights were not kept" if ranked else f"finished runs: {known}"
        suffix = f" at preset {preset}" if preset else ""
        raise ValueError(f"no finished {model} on {dataset!r}{suffix} with weights in {results}: {reason}")
    record = records.find(results, with_weights[0])
    assert record is not None
    return record
