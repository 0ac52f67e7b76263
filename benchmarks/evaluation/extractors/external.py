"""Extractors that users write: `--features mypackage.mymodule:MyExtractor`."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.data.fingerprint import digest
from benchmarks.data.preprocessing import Shape
from benchmarks.evaluation.extractors.base import Extractor
from zoo import module_sources
from zoo.external import import_module


def make_external_extractor(module: str, name: str, shape: Shape, device: torch.device) -> Extractor:
    """An extractor from outside the package, checked before any model is trained.

    Its distance column is `fd_` and its dotted name, so it cannot take the name of another extractor or of FID. The
    hash of its weights includes the source text of its module and of the modules beside it that it imports.

    Raises:
        ValueError: it cannot be imported or made, or is not an `Extractor`. The message says why.
    """
    option = f"--features {module}:{name}"
    try:
        extractor_class = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise ValueError(f"{option}: {error}; it must be on the Python path") from error
    except Exception as error:  # external code may raise anything
        raise ValueError(f"{option}: {type(error).__name__}: {error}") from error
    if not (isinstance(extractor_class, type) and issubclass(extractor_class, Extractor)):
        raise ValueError(f"{option} is not a subclass of benchmarks.evaluation.extractors.Extractor")
    if extractor_class.metric is not Extractor.metric:
        raise ValueError(
            f"{option} defines `metric`. Remove it, because the column of its distances is made from `name`"
        )
    try:
        extractor: Extractor = extractor_class(shape, device)  # type: ignore[call-arg]
        extractor.name, extractor.device = f"{module}:{name}", device
        # Changed code gives other numbers, even if the class names the same weights.
        sources = module_sources.class_sources(extractor_class) | module_sources.module_sources(module)
        extractor.weights = digest([extractor.weights, *(sources[n].decode(errors="replace") for n in sorted(sources))])
        probe = extractor(torch.zeros(2, *shape, dtype=torch.uint8))
    except Exception as error:  # external code may raise anything
        raise ValueError(f"{option} does not work on images of {shape}: {type(error).__name__}: {error}") from error
    if not np.isfinite(probe).all():
        raise ValueError(f"{option} returns features that are not finite for a black image")
    return extractor
