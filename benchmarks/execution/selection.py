"""Which models, data sets and features a command names, and whether they go together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import zoo
from benchmarks import protocols
from benchmarks.data import datasets
from benchmarks.data.datasets import ImageFolder
from benchmarks.evaluation.extractors import make_extractor
from benchmarks.evaluation.names import image_file_name
from benchmarks.execution.options import Options, names
from benchmarks.execution.requirements import Grid, Requirements
from benchmarks.presets import PRESETS, Preset

MAX_FILE_NAME = 200  # bytes: most file systems take 255, and temporary files have longer names


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


def find_name_error(model: str, dataset: str) -> str | None:
    """Why files cannot be named after a model and a data set; None if they can."""
    if len(image_file_name("reconstruct", dataset, model).encode()) <= MAX_FILE_NAME:
        return None
    return (f"the name {model[:60]}... makes a file name of more than {MAX_FILE_NAME} bytes: change fewer settings by "
            "--set, or give the class a shorter name")  # fmt: skip


def find_feature_error(features: str, source: str | ImageFolder, device: torch.device | None) -> ValueError | None:
    """Why a feature extractor cannot be used on a data set's images; None if it can."""
    row = source.like if isinstance(source, ImageFolder) else source
    try:
        make_extractor(features, row, datasets.dataset_spec(source).shape, device or torch.device("cpu"))
    except ValueError as error:
        return error
    return None


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
