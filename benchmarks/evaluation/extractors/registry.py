"""FEATURES: the built-in extractors by name, and the function that makes what `--features` names."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

import torch

from benchmarks.data.preprocessing import Shape
from benchmarks.evaluation.classifier import shipped_weights
from benchmarks.evaluation.extractors.base import Extractor
from benchmarks.evaluation.extractors.clean_inception import CleanInceptionExtractor
from benchmarks.evaluation.extractors.dinov2 import ARCHITECTURES, DEFAULT, Dinov2Extractor
from benchmarks.evaluation.extractors.external import make_external_extractor
from benchmarks.evaluation.extractors.inception import InceptionExtractor
from benchmarks.evaluation.extractors.residual import ResidualExtractor
from benchmarks.evaluation.extractors.simple import ClassifierExtractor, PixelExtractor
from benchmarks.evaluation.names import FEATURE_FORMS, is_classifier_file, is_external
from benchmarks.evaluation.residual.files import default_classifier, find_cached_file, shipped_files
from zoo.registry import did_you_mean


def _make_classifier(argument: str, dataset: str, shape: Shape, device: torch.device) -> Extractor:
    name = argument or default_classifier(dataset)
    residual = shipped_files()
    if name in residual:
        return ResidualExtractor(residual[name], shape, device)
    if argument and is_classifier_file(argument):
        return ResidualExtractor(Path(argument), shape, device)
    if cached := find_cached_file(argument):
        return ResidualExtractor(cached, shape, device)
    if name not in shipped_weights():
        raise ValueError(
            f"no classifier for {name!r}. Choose --features inception or pixels, the classifier of another data set, "
            f"--features classifier:NAME (NAME: {', '.join(sorted({*shipped_weights(), *residual}))}), or one of your "
            "own, --features classifier:FILE, which the command classifier makes of labelled images"
        )
    extractor = ClassifierExtractor(name, device)
    channels, side = extractor.spec["channels"], extractor.spec["side"]
    if (channels, side) != (shape[0], shape[1]):
        raise ValueError(
            f"the classifier of {name!r} takes {channels}x{side}x{side} images, not {shape}: "
            f"choose --features inception or pixels"
        )
    return extractor


def _make_dinov2(name: str, argument: str, dataset: str, shape: Shape, device: torch.device) -> Extractor:
    return Dinov2Extractor(name, device, argument)


# name -> function(text after the colon, data set, image shape, device); `names.FEATURE_FORMS` lists their forms
FEATURES: dict[str, Callable[[str, str, Shape, torch.device], Extractor]] = {
    "inception": lambda argument, dataset, shape, device: InceptionExtractor(
        device, Path(argument) if argument else None
    ),
    "classifier": _make_classifier,
    "pixels": lambda argument, dataset, shape, device: PixelExtractor(shape),
    "clean-inception": lambda argument, dataset, shape, device: CleanInceptionExtractor(
        device, Path(argument) if argument else None
    ),
    "dinov2": partial(_make_dinov2, DEFAULT),
    **{name: partial(_make_dinov2, name) for name in ARCHITECTURES},
}


@lru_cache(maxsize=4)
def make_extractor(features: str, dataset: str, shape: Shape, device: torch.device) -> Extractor:
    """The extractor that `--features` names, for a data set.

    Args:
        features: inception, inception:PATH (a file of weights), classifier, classifier:NAME (the one of
            another data set), classifier:FILE (a file of the command classifier), pixels, clean-inception,
            clean-inception:PATH, dinov2 (ViT-L/14), dinov2-vits14, dinov2-vitb14, dinov2-vitl14, each of the last four
            also with :PATH, or package.module:Class (a subclass of `Extractor`).
        dataset: name of the data set; of a folder, that of the data set that it is like.
        shape: (C, H, W) of its images.
        device: where it runs.

    Raises:
        ValueError: unknown name, missing weights, or images that it cannot take. The message says what to do.
    """
    name, colon, argument = features.partition(":")
    if name in FEATURES and (argument or not colon) and not (colon and name == "pixels"):
        return FEATURES[name](argument, dataset, shape, device)
    if is_external(features):
        return make_external_extractor(name, argument, shape, device)
    forms = ", ".join(FEATURE_FORMS)
    suggestion = did_you_mean(name, FEATURES)
    raise ValueError(f"unknown features {features!r}{suggestion}. Known: {forms} (benchmarks/evaluation/extractors)")
