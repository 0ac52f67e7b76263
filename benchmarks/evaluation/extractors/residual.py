"""Features of the residual classifiers of `evaluation.residual`."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from benchmarks.data.preprocessing import Shape
from benchmarks.evaluation.extractors.base import Extractor
from benchmarks.evaluation.residual import weights_file
from benchmarks.evaluation.residual.files import shipped_files
from benchmarks.evaluation.residual.network import WIDTHS

METRIC = "fd_classifier"  # one column for all classifiers; the metric protocol has the hash of the weights
OTHER_FEATURES = "choose --features inception or pixels"


class ResidualExtractor(Extractor):
    """The 64 standardized features of a residual classifier.

    Its name is the one of a shipped classifier, or the data set's with the first digits of the file's sha256: two
    classifiers never have the same name.

    Args:
        path: its weights file.
        shape: (C, H, W) of the images to come.
        device: where it runs.

    Raises:
        ValueError: the file is not valid, or its classifier takes images of another size or number of channels.
    """

    def __init__(self, path: Path, shape: Shape, device: torch.device):
        loaded = weights_file.read(path)
        description = loaded.description
        if description.shape != tuple(shape):
            expected, given = ("x".join(map(str, s)) for s in (description.shape, shape))
            raise ValueError(f"the classifier {path.name} takes {expected} images, not {given}: {OTHER_FEATURES}")
        self.path = path.absolute()
        self.net, self.weights, self.dims, self.device = loaded.net.to(device), loaded.sha256, WIDTHS[-1], device
        suffix = f"-{self.weights[:8]}"
        shipped = [name for name, file in shipped_files().items() if file.stem.endswith(suffix)]
        self.name = f"classifier:{shipped[0] if shipped else description.dataset + suffix}"
        self.note = f"test accuracy {description.accuracy:.4f}"

    @property
    def metric(self) -> str:
        """One column for all classifiers; the metric protocol names the classifier."""
        return METRIC

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) of the classifier's size -> (B, 64)."""
        return self.net.features(x)


class UntrainedClassifier(Extractor):
    """The extractor of a plan whose classifier is not trained yet: no run has been scored with it.

    Args:
        dataset: name of the data set.
    """

    weights, dims, device = "not trained yet", WIDTHS[-1], torch.device("cpu")

    def __init__(self, dataset: str):
        self.name = f"classifier:{dataset}"
        self.note = "the classifier is not trained yet"

    @property
    def metric(self) -> str:
        """The column that its distances will have."""
        return METRIC

    def features(self, x: Tensor) -> Tensor:
        """Raise RuntimeError."""
        raise RuntimeError(f"{self.name} is not trained yet")
