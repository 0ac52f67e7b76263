"""Extractors without Inception: the shipped classifiers' features, and the pixels themselves."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.data.preprocessing import Shape
from benchmarks.evaluation.classifier import load_classifier
from benchmarks.evaluation.extractors.base import Extractor


class ClassifierExtractor(Extractor):
    """Penultimate features of the small classifier that ships for digits, mnist and fashion (32 or 64 wide).

    Args:
        dataset: the data set that the classifier was trained on.
        device: where it runs.
    """

    def __init__(self, dataset: str, device: torch.device):
        self.net, content, self.weights = load_classifier(dataset)
        self.net.to(device)
        self.device, self.spec = device, content["spec"]
        self.name, self.dims = f"classifier:{dataset}", int(self.spec["width"])
        self.note = f"test accuracy {content['accuracy']:.4f}"

    @property
    def metric(self) -> str:
        """One column for all data sets; the metric protocol names the classifier."""
        return "fd_classifier"

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) of the classifier's size -> (B, dims)."""
        return self.net.features(x)


class PixelExtractor(Extractor):
    """The pixels themselves, in [0, 1]."""

    name, weights, backend = "pixels", "none", "none"
    device = torch.device("cpu")

    def __init__(self, shape: Shape):
        self.dims = shape[0] * shape[1] * shape[2]

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C * H * W)."""
        return x.flatten(1)
