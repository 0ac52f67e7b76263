"""The residual classifiers that come with the package, so that records of different machines can be compared.

Each file was made once by the command `classifier` and is named by its hash.  That of CIFAR-10's images in JPEG:

    python -m benchmarks.run classifier folder:PATH --name cifar10-jpeg --like cifar10 --device cpu --precision bf16
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "weights"
PREFIX = "classifier-"
# Data set of the registry -> the shipped classifier that `--features classifier` uses for it.  The published CIFAR-10
# images and their JPEG copies have the same content; the metric protocol names the classifier.
DEFAULTS = {"cifar10": "cifar10-jpeg"}


def shipped_files() -> dict[str, Path]:
    """Name of a classifier -> its weights file, classifier-NAME-HASH.pt, where HASH begins its sha256."""
    files = sorted(FOLDER.glob(f"{PREFIX}*.pt"))
    return {path.stem.removeprefix(PREFIX).rpartition("-")[0]: path for path in files}


def default_classifier(dataset: str) -> str:
    """The name of the classifier that a data set of the registry uses."""
    name = DEFAULTS.get(dataset, dataset)
    return name if name in shipped_files() else dataset
