"""The files of residual classifiers: those that come with the package, and those in the user's cache.

The former let records of different machines be compared.  Each was made once by the command `classifier`, and is named
by its hash.  That of CIFAR-10's images in JPEG:

    python -m benchmarks.run classifier folder:PATH --name cifar10-jpeg --like cifar10 --device cpu --precision bf16
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

from benchmarks.data.paths import cache_folder

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


def cached_file(key: str) -> Path:
    """Where the classifier of a key is kept."""
    return cache_folder() / "classifiers" / f"{key}.pt"


def find_cached_file(name: str) -> Path | None:
    """The file in the cache of a classifier that records name as NAME-HASH, where HASH begins its sha256."""
    named = re.fullmatch(r".+-([0-9a-f]{8})", name)
    files = sorted(cached_file("").parent.glob("*.pt")) if named else []
    return next((path for path in files if named and sha256(path.read_bytes()).hexdigest().startswith(named[1])), None)
