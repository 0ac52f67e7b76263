"""Short trials on digits, and the numbers that are equal in two records of one trial."""

from dataclasses import replace
from pathlib import Path

from benchmarks.data.datasets import load
from benchmarks.experiments.job import Job
from benchmarks.experiments.trial import Trial

DIGITS = load("digits", None)


def trial(model="rae-gmm", epochs=2, images=256, **changes):
    """A short trial on digits: some epochs in each stage, of four batches each by default."""
    made = Trial.for_cell(model, DIGITS, "demo", 0)
    stages = {name: replace(s, epochs=epochs, steps=None) for name, s in made.protocol.stages.items()}
    return replace(made, protocol=replace(made.protocol, stages=stages), images=images, **changes)


def job(folder, trial, draws=1, features="classifier", images=500):
    """A job on the CPU that evaluates with some hundred generated images."""
    return Job(trial, "digits", None, Path(folder), "cpu", features, draws, images=images)


def numbers(record):
    """The part of a record that must be equal in two records of one trial: everything except times."""
    epochs = [{k: v for k, v in row.items() if k != "seconds"} for row in record["epochs"]]
    return epochs, [e["values"] for e in record["evaluations"]], record["diagnostics"], record["status"]


def with_learning_rate(base, value):
    """The same trial with another learning rate in all stages."""
    stages = {name: replace(s, lr=value) for name, s in base.protocol.stages.items()}
    return replace(base, protocol=replace(base.protocol, stages=stages))
