"""The check for memorization: distances of a run's samples and of test images to the nearest training images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pandas import DataFrame
from torch import Tensor

from benchmarks.data import datasets
from benchmarks.data.datasets import Dataset, ImageFolder
from benchmarks.evaluation import image_grid
from benchmarks.evaluation.extractors import Extractor, make_extractor
from benchmarks.evaluation.image_ops import round_to_uint8
from benchmarks.evaluation.metrics.memorization import Neighbors, nearest_training_images, summarize_memorization
from benchmarks.evaluation.names import image_file_name
from benchmarks.evaluation.protocol import MAX_IMAGES
from benchmarks.evaluation.requests import EvaluationRequest
from benchmarks.evaluation.scoring import NonFiniteImages, Scorer
from benchmarks.experiments import records
from benchmarks.experiments.checkpoint import load_model_if_valid
from benchmarks.files.names import file_name
from benchmarks.reporting.formats.csv import frame_to_csv
from benchmarks.reporting.gallery import find_finished_run
from zoo import LatentModel

SHOWN_PAIRS = 24  # of each kind of images
# Column of the CSV file -> its title on the terminal
COLUMNS = {
    "images": "images", "n": "n", "smallest": "smallest\ndistance", "median": "median\ndistance",
    "median_ratio": "ratio of\nmedians", "close": "closer than\n95 % of test", "copies": "copies",
    "p_farther": "P(farther\nthan test)", "z": "z",
}  # fmt: skip
NOTES = (
    "distances: to the nearest training image, in feature space. Without copying, both rows have about equal values",
    "copies: the nearest training image is less than a third as far as the second nearest one",
    "z: Mann-Whitney; far below 0: samples are closer to training images than test images are. Images that are "
    "smoother than real ones can be closer, too: look at the picture",
)


class MemorizationErrors(ValueError):
    """Why a run cannot be checked.

    Attributes:
        errors: one message each.
    """

    def __init__(self, errors: Sequence[str]):
        super().__init__("\n".join(errors))
        self.errors = [*errors]


@dataclass(frozen=True)
class Check:
    """A run that can be checked, with all that the check needs."""

    model: str
    record: dict[str, Any]
    network: LatentModel
    data: Dataset
    extractor: Extractor
    images: int
    results: Path


@dataclass(frozen=True)
class Result:
    """What a check found.

    Attributes:
        headings: lines that say what was compared.
        table: a row for the samples and one for the test images, as in the CSV file.
        paths: the CSV file and the picture.
    """

    headings: tuple[str, ...]
    table: DataFrame
    paths: tuple[Path, Path]


def prepare(
    model: str,
    source: str | ImageFolder,
    results: Path,
    root: Path | None,
    device: torch.device,
    images: int = MAX_IMAGES,
    features: str | None = None,
    preset: str | None = None,
) -> Check:
    """Find a run, its data and its features, before anything is computed.

    Args:
        model: as records name it.
        source: the data set that it was trained on.
        results: results folder.
        root: data root.
        device: where samples and features are computed.
        images: number of samples and of test images, at most.
        features: as `--features` takes it; None: those that the run was scored with.
        preset: of the run; None: the longest one.

    Raises:
        MemorizationErrors: all that is wrong with them.
    """
    name = source.name if isinstance(source, ImageFolder) else source
    errors: list[str] = []
    record, network, data, extractor = None, None, None, None
    try:
        record = find_finished_run(model, name, results, preset)
        network = load_model_if_valid(results / "runs" / record["key"] / "weights.pt")
        if network is None:
            errors.append(f"the weights of {model} on {name!r} are broken: remove runs/{record['key']} and run again")
    except ValueError as error:
        errors.append(str(error))
    try:
        data = datasets.load_cached(source, root)
    except ValueError as error:
        errors.append(str(error))
    spec, row = datasets.dataset_spec(source), source.like if isinstance(source, ImageFolder) else source
    if features is not None or record is not None:
        try:
            extractor = make_extractor(features or _features_of(record), row, spec.shape, device)
        except ValueError as error:
            errors.append(str(error))
    if record is not None and data is not None:
        trained_on = record["data"]["train_fingerprint"]
        if trained_on != data.train.fingerprint:
            errors.append(f"{model} was not trained on these images of {name!r}: their fingerprint is "
                          f"{data.train.fingerprint}, and its record names {trained_on}")  # fmt: skip
    if errors:
        raise MemorizationErrors(errors)
    assert record is not None
    assert network is not None
    assert data is not None
    assert extractor is not None
    return Check(model, record, network.to(device).eval(), data, extractor, min(images, len(data.test)), results)


def _features_of(record: dict[str, Any] | None) -> str:
    """The features that a run was scored with first."""
    evaluations = record["evaluations"] if record else []
    return str(evaluations[0]["protocol"]["extractor"]) if evaluations else "pixels"


def measure(check: Check) -> Result:
    """Search the nearest training images of samples and test images; write the table and the closest pairs.

    The samples are the first sample set that tables score, rounded to 8 bits.

    Raises:
        MemorizationErrors: the model gives images that are not finite, or out of [0, 1].
    """
    record, data, extractor = check.record, check.data, check.extractor
    train = data.train.canonical(record["settings"]["images"])
    test = data.test.canonical(check.images)
    scorer = Scorer(data, extractor, check.images, allow_few=True)
    try:
        made = scorer.make_images(check.network, train, EvaluationRequest(), record["seed"])
    except (NonFiniteImages, ValueError) as error:
        raise MemorizationErrors([f"{check.model} has no samples to compare: {error}"]) from None
    if isinstance(made, str):
        raise MemorizationErrors([f"{check.model} has no samples to compare: {made}"])
    samples = round_to_uint8(made.cpu())
    protocol = scorer.base_protocol
    of_train = replace(protocol, split="train", real_fingerprint=data.train.fingerprint, n_real=len(train))
    train_features = scorer.reference_features(of_train).features
    images = {"samples": samples, "test images": test.images}
    features = {"samples": extractor(samples), "test images": scorer.reference_features(protocol).features}
    neighbors = {kind: nearest_training_images(features[kind], train_features) for kind in images}
    table = DataFrame([
        {
            "model": check.model, "dataset": data.name, "preset": record["preset"], "seed": record["seed"],
            "images": kind, "n": len(images[kind]),
            **summarize_memorization(neighbors[kind], neighbors["test images"]),
            "train_images": len(train), "extractor": extractor.name, "weights": extractor.weights,
            "input": extractor.default_input, "key": record["key"],
        }
        for kind in images
    ])  # fmt: skip
    picture = (
        check.results / "figures" / image_file_name(f"memorization-{file_name(extractor.name)}", data.name, check.model)
    )
    written = records.write_text(picture.with_suffix(".csv"), frame_to_csv(table))
    blocks = {
        f"{check.model} on {data.name}: {kind} (left) closest to a training image (right), with their distance":
        _closest_pairs(images[kind], train.images, neighbors[kind])
        for kind in images
    }  # fmt: skip
    headings = (
        f"run: {check.model} on {data.name}, preset {record['preset']}, seed {record['seed']}",
        f"features: {extractor.name}, {extractor.dims:,} dimensions; {len(train):,} training images",
    )
    return Result(headings, table, (written, image_grid.save_pairs(blocks, picture)))


def _closest_pairs(images: Tensor, train: Tensor, neighbors: Neighbors) -> image_grid.Pairs:
    """The images that are closest to a training image, the closest first."""
    chosen = np.argsort(neighbors.distance, kind="stable")[:SHOWN_PAIRS]
    left, right = images[torch.from_numpy(chosen)], train[torch.from_numpy(neighbors.index[chosen])]
    labels = tuple(f"{neighbors.distance[i]:.3g}" for i in chosen)
    return image_grid.Pairs(left.float().div(255), right.float().div(255), labels)
