"""Compare the bits of trainings that must be equal: repeated, resumed, captured, and beside other runs."""

from __future__ import annotations

import gc
import io
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor

from benchmarks.files.gpu_speed import Comparison
from benchmarks.perf.baselines import Case
from benchmarks.perf.gpu.runs import advance, start_runs, wait_for
from benchmarks.perf.gpu.steps import start
from benchmarks.training.engine import Engine, find_engine_errors
from benchmarks.training.loop import Epoch, train
from zoo.base import LatentModel

RUNS = 4  # runs at once that are compared with runs alone

REPEATED = "two runs"
EAGER = "graph and eager"
RESUMED = "resumed and uninterrupted"
TOGETHER = f"{RUNS} runs at once and one"


@dataclass(frozen=True)
class Outcome:
    """The result of a training.

    Attributes:
        weights: sha256 of the weights.
        rows: of all epochs, without their seconds.
        nondeterministic: operations that have no deterministic algorithm.
    """

    weights: str
    rows: list[dict[str, Any]]
    nondeterministic: frozenset[str] = field(default=frozenset(), compare=False)


def compare_trainings(case: Case, x: Tensor) -> list[Comparison]:
    """Train several times, and compare weights and epochs bit for bit.

    Args:
        case: the training; each stage has `case.laps` epochs.
        x: images on the device.
    """
    other_seed = replace(case, seed=case.seed + RUNS - 1)
    alone = train_alone(case, x)
    found = [
        compare(REPEATED, alone, train_alone(case, x)),
        compare(RESUMED, alone, train_with_interruption(case, x)),
        compare_with_eager(case, x, alone),
    ]
    together = train_together(case, x, RUNS)
    pairs = [(alone, together[0]), (train_alone(other_seed, x), together[-1])]
    results = [compare(TOGETHER, one, many) for one, many in pairs]
    return [*found, next((result for result in results if not result.equal), results[0])]


def compare_with_eager(case: Case, x: Tensor, alone: Outcome) -> Comparison:
    """Compare a captured training with an eager one. Compiled losses have other bits."""
    if errors := find_engine_errors("graph", case.precision, torch.device(case.device)):
        return Comparison(name=EAGER, equal=None, detail="; ".join(errors))
    if case.engine != "graph":
        return Comparison(name=EAGER, equal=None, detail=f"the engine is {case.engine}")
    return compare(EAGER, alone, train_alone(replace(case, engine="eager"), x))


def train_alone(case: Case, x: Tensor) -> Outcome:
    """Train one model, and free its memory."""
    model, training = start(case, x)
    return outcome(model, [epoch for epoch in training if epoch is not None])


def train_with_interruption(case: Case, x: Tensor) -> Outcome:
    """Train half of all epochs, write the state to a file, read it, and train a new model from it to the end."""
    epochs: list[Epoch] = []
    file = io.BytesIO()
    _, training = start(case, x)
    with closing(training):
        for epoch in training:
            if epoch is not None:
                epochs.append(epoch)
                if len(epochs) == case.laps * len(case.schedules()) // 2:
                    torch.save(epoch.state(), file)
                    break
    file.seek(0)
    state = torch.load(file, weights_only=True)
    model = case.build()
    torch.manual_seed(case.seed + 1)  # the state brings its own random numbers
    engine = Engine(case.engine, case.precision)
    epochs += train(model, x, case.schedules(), resume=state, engine=engine)
    return outcome(model, epochs)


def train_together(case: Case, x: Tensor, count: int) -> list[Outcome]:
    """Train several models in turn; see `start_runs`."""
    epochs: list[list[Epoch]] = [[] for _ in range(count)]
    with ExitStack() as stack:
        runs = [stack.enter_context(closing(run)) for run in start_runs(case, x, count)]
        while True:
            models: list[LatentModel] = []
            for number, item in enumerate(advance(runs)):
                if isinstance(item, Epoch):
                    epochs[number].append(item)
                else:
                    models.append(item)
            if models:
                wait_for(case.device)  # each run has queued its last work on a stream of its own
                return [outcome(model, of_run) for model, of_run in zip(models, epochs, strict=True)]


def outcome(model: LatentModel, epochs: Iterable[Epoch]) -> Outcome:
    """The outcome of a training."""
    digest, rows, operations = sha256(), [], set()
    for epoch in epochs:
        rows.append({name: value for name, value in epoch.row.items() if name != "seconds"})
        operations |= {*epoch.nondeterministic}
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    gc.collect()
    return Outcome(digest.hexdigest(), rows, frozenset(operations))


def compare(name: str, a: Outcome, b: Outcome) -> Comparison:
    """Whether two outcomes are equal, and their first difference."""
    difference = next(differences(a, b), "")
    operations = a.nondeterministic | b.nondeterministic
    detail = difference
    if difference and operations:
        detail += f"; without a deterministic algorithm: {', '.join(sorted(operations))}"
    return Comparison(name=name, equal=not difference, detail=detail, weights=[a.weights, b.weights])


def differences(a: Outcome, b: Outcome) -> Iterator[str]:
    """The differences of two outcomes, earliest first."""
    if len(a.rows) != len(b.rows):
        yield f"{len(a.rows)} epochs against {len(b.rows)}"
    for one, other in zip(a.rows, b.rows, strict=False):
        for name in {**one, **other}:
            if one.get(name) != other.get(name):
                yield (f"stage {one['stage']}, epoch {one['epoch']}: {name} is {one.get(name)} "
                       f"against {other.get(name)}")  # fmt: skip
    if a.weights != b.weights:
        yield "the weights differ"
