"""Measure the steps of one run: their seconds, the time for compiling and capturing, and the number of kernels."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.files.gpu_speed import StageOperations, StageTimes
from benchmarks.perf.baselines import Case
from benchmarks.perf.operators import OperatorCounter
from benchmarks.perf.speed_measurement import smooth_random_images
from benchmarks.training.device import synchronized_time
from benchmarks.training.engine import Engine
from benchmarks.training.loop import Epoch, train_in_turns
from benchmarks.training.steps import STEPS_PER_TURN
from zoo.base import LatentModel

COUNTED_TURN = 1  # from 0: the first turn of a stage also compiles and captures


def start(case: Case, x: Tensor) -> tuple[LatentModel, Generator[Epoch | None, None, None]]:
    """A new model, and its training."""
    model = case.build()
    return model, train_in_turns(model, x, case.schedules(), engine=Engine(case.engine, case.precision))


@dataclass
class Blocks:
    """The blocks of one stage. Its first epoch is none of them, as it compiles and captures."""

    batch: int
    steps: int = 0
    epochs: int = 0
    seconds: list[float] = field(default_factory=list)
    setup_seconds: list[float] = field(default_factory=list)
    engine_used: str = ""
    nondeterministic: set[str] = field(default_factory=set)

    def add(self, epoch: Epoch, seconds: float, is_alone: bool) -> None:
        """Add an epoch that took some seconds. The row of a run that is alone tells its setup from its steps."""
        if self.epochs:
            self.seconds.append(seconds)
        elif is_alone:
            self.setup_seconds.append(max(0.0, seconds - epoch.row["seconds"]))
        self.epochs += 1
        self.steps, self.engine_used = epoch.row["steps"], epoch.engine_used
        self.nondeterministic |= {*epoch.nondeterministic}


def time_steps(case: Case, x: Tensor, deterministic: bool = True) -> list[StageTimes]:
    """Train, and time each epoch of each stage.

    Args:
        case: the training. Each stage has `case.laps` epochs, of which the first is not recorded.
        x: images on the device.
        deterministic: recorded only; the caller has chosen the algorithms.
    """
    device, found = torch.device(case.device), blocks(case)
    _, training = start(case, x)
    started = synchronized_time(device)
    for epoch in training:
        if epoch is not None:
            now = synchronized_time(device)
            found[epoch.row["stage"]].add(epoch, now - started, is_alone=True)
            started = now
    return as_records(found, deterministic)


def time_steps_and_second_setup(case: Case, x: Tensor) -> list[StageTimes]:
    """Time steps. If they are compiled, then train another model of the same kind, for the time of its setup only."""
    first = time_steps(case, x)
    if case.engine != "compiled":
        return first
    second = time_steps(replace(case, laps=1), x)
    return [
        StageTimes(**{**as_fields(a), "setup_seconds": [*a.setup_seconds, *b.setup_seconds]})
        for a, b in zip(first, second, strict=True)
    ]


def as_fields(times: StageTimes) -> dict[str, Any]:
    """The fields of a record's part."""
    return {name: getattr(times, name) for name in times.__struct_fields__}


def blocks(case: Case) -> dict[str, Blocks]:
    """Stage -> its blocks, still empty."""
    return {stage: Blocks(schedule.batch) for stage, schedule in case.schedules().items()}


def as_records(found: dict[str, Blocks], deterministic: bool = True) -> list[StageTimes]:
    """The blocks of all stages as parts of a record."""
    return [
        StageTimes(
            stage=stage, batch=b.batch, steps=b.steps, seconds=b.seconds, setup_seconds=b.setup_seconds,
            engine_used=b.engine_used, deterministic=deterministic,
            nondeterministic_operations=sorted(b.nondeterministic),
        )
        for stage, b in found.items()
    ]  # fmt: skip


class Counts(AbstractContextManager[Any], Protocol):
    """A context that counts what the device executes in it."""

    def total(self) -> int:
        """The count, after the context."""


class Operators(OperatorCounter):
    """Counts torch's operators."""

    def total(self) -> int:
        """The count."""
        return sum(self.counts.values())


class Kernels:
    """Counts the kernels, copies and fills that a GPU executes, those of replayed graphs too."""

    def __init__(self) -> None:
        self.profile = profile(activities=[ProfilerActivity.CUDA])

    def __enter__(self) -> Kernels:
        torch.cuda.synchronize()
        self.profile.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        torch.cuda.synchronize()
        self.profile.__exit__(*error)

    def total(self) -> int:
        """The count."""
        events = self.profile.events() or []
        return sum(event.device_type == DeviceType.CUDA and not event.is_user_annotation for event in events)


def count_operations(case: Case) -> list[StageOperations]:
    """Operations per step of each stage: kernels on a GPU, operators of eager steps on a CPU.

    Operators are also counted on a GPU whose profiler fails or sees nothing. Images are random, as more may be needed
    than the data set has.
    """
    if torch.device(case.device).type == "cuda":
        with suppress(RuntimeError):
            found = _count(case, "kernels")
            if all(part.count for part in found):
                return found
    return _count(replace(case, engine="eager"), "operators")


def _count(case: Case, counted: Literal["kernels", "operators"]) -> list[StageOperations]:
    """Count in the second turn of each stage, which takes `STEPS_PER_TURN` steps and nothing else."""
    schedules = case.schedules()
    n = (2 * STEPS_PER_TURN + 1) * max(schedule.batch for schedule in schedules.values())
    x = smooth_random_images(n, case.image_shape).to(case.device)
    counts: list[int] = []
    _, training = start(replace(case, laps=1), x)
    with closing(training):
        turn = 0
        while len(counts) < len(schedules):
            counter: Counts | None = None
            if turn == COUNTED_TURN:
                counter = Kernels() if counted == "kernels" else Operators([])
            with counter or nullcontext():
                item = next(training)
            if counter is not None:
                counts.append(counter.total())
            turn = 0 if item is not None else turn + 1
    return [
        StageOperations(stage=stage, count=count / STEPS_PER_TURN, counted=counted)
        for stage, count in zip(schedules, counts, strict=True)
    ]
