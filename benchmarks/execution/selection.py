"""Which models, data sets and features a command names, and whether they go together."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

import zoo
from benchmarks import protocols
from benchmarks.data import datasets
from benchmarks.data.datasets import Dataset, ImageFolder, load_cached
from benchmarks.data.folders import count_classes
from benchmarks.evaluation.classifier import shipped_weights
from benchmarks.evaluation.extractors import Extractor, ResidualExtractor, UntrainedClassifier, make_extractor
from benchmarks.evaluation.residual.checks import find_label_errors, is_labelled
from benchmarks.evaluation.residual.files import default_classifier, shipped_files
from benchmarks.evaluation.residual.making import find_classifier, make_classifier
from benchmarks.execution.options import MissingErrors, Options, UserErrors, names
from benchmarks.execution.requirements import Grid, Requirements
from benchmarks.presets import PRESETS, Preset
from benchmarks.program import program

CLASSIFIER = "classifier"  # of --features, without a name


def default_models(needs: Requirements, preset: Preset | None) -> tuple[str, ...]:
    """The rows where the command names none: the table's, of those that there are, or the preset's."""
    if needs.models is not None:
        return tuple(name for name in needs.models if name in zoo.MODELS)
    return preset.models if preset else ()


def default_datasets(needs: Requirements, models: Sequence[str], preset: Preset | None) -> tuple[str, ...]:
    """The columns where the command names none: a figure's, at the paper's budget, those with a protocol."""
    if preset is None or needs.datasets is None or preset is not PRESETS["paper"]:
        return preset.datasets if preset else ()
    return tuple(name for name in needs.datasets if any(protocols.has_row(model, name) for model in models))


def parse_datasets(options: Options, default: tuple[str, ...], errors: list[str]) -> list[str | ImageFolder]:
    """The data sets and folders of --on, or the default ones; errors are added to `errors`."""
    sources: list[str | ImageFolder] = []
    for text in split_datasets(options.on) if options.on is not None else default:
        if not text.startswith("folder:"):
            if text in datasets.DATASETS:
                sources.append(text)
            else:
                errors.append(error_message(datasets.dataset_spec, text))
            continue
        missing = [f"--{o} {o.upper()}" for o in ("name", "like") if getattr(options, o) is None]
        if missing:
            errors.append(
                f"{text} needs {' and '.join(missing)}: the name in records, and the data set whose settings to use"
            )
            continue
        folder = ImageFolder(Path(text.removeprefix("folder:")), options.name or "", options.like or "")
        try:
            datasets.dataset_spec(folder)
        except ValueError as error:
            errors.append(str(error))
            continue
        sources.append(folder)
    if "folder:" not in (options.on or ""):
        errors += [f"--{o} belongs to --on folder:PATH" for o in ("name", "like") if getattr(options, o) is not None]
    return sources


def split_datasets(text: str) -> list[str]:
    """Data sets of --on; a folder comes last, as its path may hold a comma."""
    listed, folder, path = text.partition("folder:")
    return [name for name in names(listed) if name or not folder] + ([folder + path] if folder else [])


def error_message(call: Any, *arguments: Any) -> str:
    """What a call that must fail says."""
    try:
        call(*arguments)
    except ValueError as error:
        return str(error)
    raise AssertionError(f"{call} accepted {arguments}")


def find_missing_protocols(models: list[str], sources: list[str | ImageFolder]) -> list[str]:
    """Cells without a protocol."""
    errors = []
    for model in models:
        for source in sources:
            row = source.like if isinstance(source, ImageFolder) else source
            try:
                protocols.row(model, row)
            except ValueError as error:
                errors.append(str(error))
    return errors


def find_feature_error(features: str, source: str | ImageFolder, device: torch.device | None) -> ValueError | None:
    """Why a feature extractor cannot be used on a data set's images; None if it can."""
    row = source.like if isinstance(source, ImageFolder) else source
    try:
        make_extractor(features, row, datasets.dataset_spec(source).shape, device or torch.device("cpu"))
    except ValueError as error:
        return error
    return None


class UntrainedClassifiers(MissingErrors):
    """Classifiers that must be trained before a command.  Nothing else is wrong with it.

    Attributes:
        sources: the folders of their images.
        device: where they are trained.
    """

    def __init__(self, sources: Sequence[ImageFolder], device: torch.device):
        super().__init__([describe_untrained(source) for source in sources])
        self.sources, self.device = tuple(sources), device


def describe_untrained(source: ImageFolder) -> str:
    """What to do about a classifier that is not trained yet."""
    words = [CLASSIFIER, f"folder:{source.path}", "--name", source.name, "--like", source.like]
    return f"the classifier of {source.name} is not trained yet. It is trained by: {program()} {shlex.join(words)}"


def has_own_classifier(features: str, source: str | ImageFolder) -> bool:
    """Whether features are those of a classifier that is trained on the images of a folder.

    An unlabelled folder uses the classifier of the data set in `--like`, if there is one.
    """
    if features != CLASSIFIER or not isinstance(source, ImageFolder):
        return False
    has_default = source.like in shipped_weights() or default_classifier(source.like) in shipped_files()
    return is_labelled(source) or not has_default


def make_dataset_extractor(features: str, source: str | ImageFolder, data: Dataset, device: torch.device) -> Extractor:
    """The extractor of `--features` for a data set; an `UntrainedClassifier` if its classifier must be trained first.

    Raises:
        UserErrors: a classifier cannot be trained on these images.
        ValueError: as `make_extractor`.
    """
    if not has_own_classifier(features, source):
        return make_extractor(features, data.row, data.spec.shape, device)
    if errors := find_label_errors(data, class_names(source)):
        raise UserErrors(errors)
    file = find_classifier(data)
    if file is None:
        return UntrainedClassifier(data.name)
    return make_extractor(f"{CLASSIFIER}:{file}", data.row, data.spec.shape, device)


def class_names(source: str | ImageFolder) -> list[str]:
    """Names of the labels of a folder; [] for a data set of the registry."""
    return count_classes(source.path).names if isinstance(source, ImageFolder) else []


def job_features(features: str, extractor: Extractor) -> str:
    """The extractor as jobs name it: a worker reads the weights file that the plan has found."""
    if features == CLASSIFIER and isinstance(extractor, ResidualExtractor):
        return f"{CLASSIFIER}:{extractor.path}"
    return features


def train_classifiers(needed: UntrainedClassifiers, report: Callable[[str], None]) -> None:
    """Train the classifiers that a command needs.

    Raises:
        UserErrors: a training diverged.
    """
    for source in needed.sources:
        try:
            make_classifier(load_cached(source, None), needed.device, report)
        except ValueError as error:
            raise UserErrors([str(error)]) from error


def grid_without_runs(models: Sequence[str], sources: Sequence[str | ImageFolder], preset: str) -> Grid:
    """The grid of a table without runs: names and labels alone."""
    named_specs = [
        (source.name if isinstance(source, ImageFolder) else source, datasets.dataset_spec(source))
        for source in sources
    ]
    return Grid(
        models={model: zoo.entry(model).label for model in models},
        datasets={name: spec.label for name, spec in named_specs},
        keys={},
        metric="",
        protocol_ids={},
        preset=preset,
    )
