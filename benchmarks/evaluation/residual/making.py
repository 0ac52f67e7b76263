"""Find the classifier of a labelled data set, or train it and keep it in the user's cache."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.data.datasets import Dataset
from benchmarks.evaluation.reference_cache import file_lock
from benchmarks.evaluation.residual import weights_file
from benchmarks.evaluation.residual.content import classifier_key
from benchmarks.evaluation.residual.files import cached_file, shipped_files
from benchmarks.evaluation.residual.fit import Progress, Training, predict
from benchmarks.evaluation.residual.network import WIDTHS
from benchmarks.evaluation.residual.recipe import MEASURED_ACCURACY, RECIPE, Recipe
from benchmarks.evaluation.residual.weights_file import Description
from benchmarks.training.device import device_name

Report = Callable[[str], None]
REPORT_SECONDS = 5.0  # between two lines about epochs, at least


def find_classifier(data: Dataset, recipe: Recipe = RECIPE) -> Path | None:
    """The weights file of a data set's classifier: one that comes with the package, or one in the cache.

    Args:
        data: a data set with labels.
        recipe: of the training.

    Returns:
        The file; None if there is none that can be read.
    """
    return _find(classifier_key(data.train, data.test, recipe))


def _find(key: str) -> Path | None:
    for path in (*shipped_files().values(), cached_file(key)):
        if not path.is_file():
            continue
        try:
            description = weights_file.read(path).description
        except ValueError as error:
            warnings.warn(f"{error}. It is ignored", stacklevel=2)
            continue
        if description.key == key:
            return path
    return None


def make_classifier(
    data: Dataset, device: torch.device, report: Report, precision: str = "fp32", recipe: Recipe = RECIPE
) -> Path:
    """The weights file of a data set's classifier, which is trained if there is none.

    Several processes may call this at once: one trains, the others wait.  An interrupted training is continued after
    its last epoch.

    Args:
        data: a data set with labels, without errors of `checks.find_label_errors`.
        device: where it is trained.
        report: takes lines of text: what is about to be done and how long it takes, the epochs, the test accuracy.
        precision: fp32, tf32 or bf16; features are always computed in fp32.
        recipe: of the training.

    Raises:
        ValueError: the training diverged.
        OSError: the cache folder cannot be written.
    """
    key = classifier_key(data.train, data.test, recipe)
    target = cached_file(key)
    target.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(target.with_suffix(".lock")):
        found = _find(key)
        if found is not None:
            return found
        state_file = target.with_suffix(".state")
        content = _train(data, key, device, report, precision, recipe, state_file)
        weights_file.write(content, target)
        state_file.unlink(missing_ok=True)
    return target


def _train(
    data: Dataset, key: str, device: torch.device, report: Report, precision: str, recipe: Recipe, state_file: Path
) -> bytes:
    """Train a classifier; the content of its weights file."""
    assert data.train.labels is not None
    assert data.test.labels is not None
    classes = int(data.train.labels.max()) + 1
    training = Training(data.train.canonical(), classes, recipe, device, precision)
    seconds_per_step = training.seconds_per_step()
    training.resume(key, state_file)
    for line in describe(data.name, training, seconds_per_step, state_file):
        report(line)
    last_report = time.monotonic()

    def report_epoch(progress: Progress) -> None:
        nonlocal last_report
        if time.monotonic() - last_report > REPORT_SECONDS or progress.epoch == progress.epochs:
            last_report = time.monotonic()
            report(f"classifier of {data.name}: {progress}")

    training.fit(key, state_file, report_epoch)
    state = weights_file.round_state(training.net)
    net = weights_file.load_state(state, training.shape, classes).to(device)
    accuracy = (predict(net, data.test.images, device) == data.test.labels).double().mean().item()
    report(f"classifier of {data.name}: test accuracy {accuracy:.4f}")
    description = Description(
        format=weights_file.FORMAT,
        dataset=data.name,
        key=key,
        channels=1 if training.shape[0] == 1 else 3,
        side=training.shape[1],
        classes=classes,
        width=WIDTHS[-1],
        accuracy=accuracy,
        n_train=len(data.train),
        n_test=len(data.test),
        epochs=training.epochs,
        precision=precision,
        device=device_name(device),
        torch=str(torch.__version__),
        recipe=recipe.plain(),
        state_sha256=weights_file.hash_state(state),
    )
    return weights_file.encode(description, state)


def describe(name: str, training: Training, seconds_per_step: float, state_file: Path) -> list[str]:
    """What is about to be trained, how long it takes, and what to expect, one line each."""
    n, (_, height, width) = len(training.images), training.shape
    seconds = seconds_per_step * training.steps * (training.epochs - training.epoch)
    done = f", of which {training.epoch} are done" if training.epoch else ""
    lines = [
        f"training a classifier of {name}: {n:,} images of {width}x{height}, {training.classes} classes, "
        f"{training.epochs} epochs of {training.steps:,} steps{done}",
        f"one step takes {seconds_per_step:.3f} s here, so that this takes about {format_seconds(seconds)}; the state "
        "is saved after each epoch, and the same command continues it",
    ]
    if MEASURED_ACCURACY:
        measured = ", ".join(f"{accuracy:.2f} on {images}" for images, accuracy in MEASURED_ACCURACY.items())
        lines.append(f"what to expect: with this recipe, the test accuracy is {measured}")
    return [*lines, f"the classifier is kept in {state_file.with_suffix('.pt')}"]


def format_seconds(seconds: float) -> str:
    """A duration, in seconds or minutes."""
    return f"{max(1.0, seconds):.0f} s" if seconds < 100 else f"{seconds / 60:.0f} minutes"
