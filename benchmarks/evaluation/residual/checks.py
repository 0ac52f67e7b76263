"""Which labelled images a classifier can be trained on.  Everything is checked before any step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.data.datasets import Dataset, ImageFolder
from benchmarks.data.folders import count_classes, find_folder_errors
from benchmarks.data.paths import DataError
from benchmarks.data.split import Split
from benchmarks.evaluation.residual.recipe import MIN_IMAGES

SHOWN = 5  # classes in a message
ALTERNATIVES = "Choose --features inception or pixels, or the classifier of other images, --features classifier:NAME"


def is_labelled(source: str | ImageFolder) -> bool:
    """Whether a source is a folder whose images are all in subfolders, which are their classes."""
    if not isinstance(source, ImageFolder) or find_folder_errors(source.path):
        return False
    try:
        return not count_classes(source.path).stray
    except (DataError, OSError):
        return False


def find_class_errors(source: ImageFolder) -> list[str]:
    """Why a classifier cannot be trained on a folder, as far as the names of its files tell; [] if it can.

    What is wrong with the folder itself is not reported here: `datasets.find_errors` does.
    """
    if find_folder_errors(source.path):
        return []
    try:
        counts = count_classes(source.path)
    except (DataError, OSError) as error:
        return [str(error)]
    if counts.stray:
        where = f"{counts.stray} is in no subfolder. Put each image into a folder of its class"
        return [f"{source.path} has no labels to train a classifier on: {where}. {ALTERNATIVES}"]
    return _find_count_errors(str(source.path), counts.train, counts.test)


def find_label_errors(data: Dataset, classes: Sequence[str] = ()) -> list[str]:
    """Why a classifier cannot be trained on a loaded data set; [] if it can.

    Args:
        data: the data set.
        classes: names of its labels, for messages.
    """
    if data.train.labels is None or data.test.labels is None:
        return [f"{data.name} has no labels to train a classifier on. {ALTERNATIVES}"]
    return _find_count_errors(data.name, _count(data.train, classes), _count(data.test, classes))


def _count(split: Split, classes: Sequence[str]) -> dict[str, int]:
    """Class -> number of images."""
    assert split.labels is not None
    counts = split.labels.bincount().tolist()
    return {classes[label] if classes else str(label): count for label, count in enumerate(counts) if count}


def _find_count_errors(name: str, train: Mapping[str, int], test: Mapping[str, int] | None) -> list[str]:
    """What is wrong with the numbers of images of the classes; one message for each kind of error.

    Args:
        name: of the data set or folder, for messages.
        train: class -> number of training images.
        test: class -> number of test images; None if they are not known yet.
    """
    classes = sorted({*train, *(test or {})})
    if len(classes) < 2:
        return [f"{name} has only one class, {', '.join(classes)!r}; a classifier needs two. {ALTERNATIVES}"]
    errors = []
    if absent := [c for c in classes if not train.get(c)]:
        errors.append(f"{name} has no training images of {_list(absent)}. Add some, or remove the class")
    if few := {c: train[c] for c in classes if 0 < train.get(c, 0) < MIN_IMAGES}:
        counts = _list([*few], [*few.values()])
        errors.append(f"{name} has too few training images of {counts}. A class needs {MIN_IMAGES}")
    if test is not None and (absent := [c for c in classes if not test.get(c)]):
        errors.append(f"{name} has no test images of {_list(absent)}. The test accuracy needs all classes: move some "
                      "images to test/, or remove the class")  # fmt: skip
    return errors


def _list(classes: Sequence[str], counts: Sequence[int] = ()) -> str:
    """Classes in a message, with their numbers of images."""
    words = [repr(c) for c in classes]
    if counts:
        words = [f"{word} ({count})" for word, count in zip(words, counts, strict=True)]
    rest = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return f"class{'es' * (len(words) > 1)} {', '.join(words[:SHOWN])}{rest}"
