"""The key of a classifier: a hash of its images, its labels and its recipe, independent of paths and of file order."""

from __future__ import annotations

from hashlib import sha256

from benchmarks.data.fingerprint import digest
from benchmarks.data.split import Split
from benchmarks.evaluation.residual.recipe import Recipe


def labelled_fingerprint(split: Split) -> str:
    """64 hexadecimal digits that identify the images with their labels, independent of their order."""
    assert split.labels is not None
    pairs = zip(split.digests, split.labels.tolist(), strict=True)
    hashes = (sha256(image.tobytes() + label.to_bytes(8, "big")).digest() for image, label in pairs)
    total = sum(int.from_bytes(value, "big") for value in hashes) % 2**256
    return sha256(f"{total:064x} {tuple(split.images.shape)}".encode()).hexdigest()


def classifier_key(train: Split, test: Split, recipe: Recipe) -> str:
    """The sha256 that identifies a classifier by what it is trained and tested on and how."""
    return digest([labelled_fingerprint(train), labelled_fingerprint(test), recipe.plain()])
