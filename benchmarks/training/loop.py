"""The training loop, the same for every model.

It is fast for four reasons. Data stay on the device as uint8, and batches are selected by index. Each update has one
fused Adam. Each update computes gradients of its own parameters only. No step waits for the device.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from benchmarks.protocols import Schedule
from benchmarks.training import turns
from benchmarks.training.device import synchronized_time
from benchmarks.training.engine import Engine
from benchmarks.training.precision import matmul_precision
from benchmarks.training.steps import Steps, reset_optimizer
from benchmarks.training.streaming import stream_batches
from zoo.base import LatentModel, Stage, Update

State = dict[str, Any]
"""The state of a run: tensors, numbers and strings only, so that torch.load reads it with weights_only=True."""
STATE_KEYS = {"number", "epoch", "steps", "model", "optimisers", "random", "marks"}


@dataclass(frozen=True)
class Epoch:
    """One finished epoch.

    Attributes:
        row: stage, epoch (from 0), seconds (training only), steps, and the means over the epoch of the objective and
            of its terms.
        state: returns the state from which `train` can resume.
        engine_used: see `steps.Steps.engine_used`.
    """

    row: dict[str, Any]
    state: Callable[[], State]
    engine_used: str


class Diverged(RuntimeError):
    """A loss became NaN or infinite. `stage`, `epoch` and `part` (its name) locate it; `row` is the epoch's row."""

    def __init__(self, stage: str, epoch: int, part: str, row: dict[str, Any]):
        super().__init__(f"{part} is not finite in stage {stage!r}, epoch {epoch}")
        self.stage, self.epoch, self.part, self.row = stage, epoch, part, row


def train(
    model: LatentModel,
    x: Tensor,
    stages: Mapping[str, Schedule],
    resume: State | None = None,
    engine: Engine = Engine(),  # noqa: B008 - a constant
) -> Iterator[Epoch]:
    """Train a model through all of its stages, yielding after every epoch.

    The model may be sampled between epochs, as every epoch starts by setting it to training mode. On a CPU, a resumed
    run gives the same bits as an uninterrupted one.

    Args:
        model: a model on the device on which to train it.
        x: training images, (N, C, H, W) uint8, on the same device, or on the host if they do not fit.
        stages: stage name -> schedule, with its epochs set.
        resume: a state of an `Epoch` of the same model and data.
        engine: how steps run.

    Raises:
        Diverged: a loss is not finite at the end of an epoch.
        ValueError: a stage of the model has no schedule, or a parameter group has no learning rate.
    """
    return (epoch for epoch in train_in_turns(model, x, stages, resume, engine) if epoch is not None)


def train_in_turns(
    model: LatentModel,
    x: Tensor,
    stages: Mapping[str, Schedule],
    resume: State | None = None,
    engine: Engine = Engine(),  # noqa: B008 - a constant
) -> Generator[Epoch | None, None, None]:
    """Train a model as `train` does, and also yield None after some steps, when another run may use the process.

    TF32 is used while this generator runs, not between its turns, because metrics and sampling need fp32.
    """
    return turns.within(lambda: matmul_precision(engine.precision), _train(model, x, stages, resume, engine))


def _train(
    model: LatentModel, x: Tensor, stages: Mapping[str, Schedule], resume: State | None, engine: Engine
) -> Generator[Epoch | None, None, None]:
    device = model.device
    engine.resolve(device)
    if engine.channels_last:
        model.to(memory_format=torch.channels_last)
    # rng_states[i]: the random state before stage i began. A resumed run executes the code between stages again, and
    # this code must draw the same random numbers.
    rng_states: list[dict[str, Tensor]] = list(resume["marks"]) if resume else []
    if resume:
        model.load_state_dict(resume["model"])
    stage_iterator, stage_index = model.stages(x), 0
    while True:
        if resume and stage_index <= resume["number"]:
            set_rng_state(rng_states[stage_index], device)
        else:
            rng_states.append(get_rng_state(device))
        stage = next(stage_iterator, None)
        if stage is None:
            return
        if resume and stage_index < resume["number"]:
            stage_index += 1
            continue
        if stage.name not in stages:
            raise ValueError(f"no schedule for stage {stage.name!r}. Stages with one: {', '.join(stages)}")
        schedule, first, steps_taken = stages[stage.name], 0, 0
        optimizers = [make_adam(update, schedule) for update in stage.updates]
        if resume and stage_index == resume["number"]:
            first, steps_taken = resume["epoch"] + 1, resume["steps"]
            model.load_state_dict(resume["model"])
            for optimizer, saved in zip(optimizers, resume["optimisers"], strict=True):
                optimizer.load_state_dict(saved)
            set_rng_state(resume["random"], device)
        images = x if x.device == device else None
        steps = Steps(model, stage.updates, optimizers, engine, images, count_steps(schedule, len(x)))
        for epoch in range(first, schedule.epochs or 0):
            if schedule.fresh:
                for optimizer in optimizers:
                    reset_optimizer(optimizer)
            row = yield from train_epoch(model, stage, schedule, steps, epoch, steps_taken)
            steps_taken += row["steps"]
            yield Epoch(
                row, _state(model, optimizers, rng_states, stage_index, epoch, steps_taken, device), steps.engine_used
            )
        stage_index += 1


def train_epoch(
    model: LatentModel, stage: Stage, schedule: Schedule, steps: Steps, epoch: int, steps_taken: int
) -> Generator[None, None, dict[str, Any]]:
    """Train for one epoch and return its row; yield after some steps.

    `steps_taken` is the number of earlier steps of the stage. If other runs share the process, the row's seconds
    include theirs.
    """
    started, setup_before = synchronized_time(steps.device), steps.setup_seconds
    model.train()
    steps.start_epoch([{name: schedule.rate(name, epoch) for name in update.groups} for update in stage.updates])
    data = stage.data()
    n = len(data[0])
    batches = n // schedule.batch  # whole batches only, as batch norm fails on a batch of one
    if schedule.steps is not None:
        batches = min(batches, schedule.steps - steps_taken)
    if batches < 1:
        raise ValueError(f"stage {stage.name!r} has batches of {schedule.batch}, but there are {n} examples")
    order = torch.randperm(n, device=steps.device)[: batches * schedule.batch].view(batches, schedule.batch)
    for portion, rows in stream_batches(data, order, steps.engine.limit):
        yield from steps.run_in_turns(portion, rows)
    means = yield from steps.means_in_turns(batches)
    seconds = synchronized_time(steps.device) - started - (steps.setup_seconds - setup_before)
    row = {"stage": stage.name, "epoch": epoch, "seconds": seconds, "steps": batches, **means}
    not_finite = [name for name, value in means.items() if not isfinite(value)]
    if not_finite:  # name the term rather than the objective that contains it
        part_name = next((name for name in not_finite if not name.startswith("objective")), not_finite[0])
        raise Diverged(stage.name, epoch, part_name, row)
    return row


def count_steps(schedule: Schedule, n: int) -> int:
    """Steps of a whole stage on `n` examples."""
    steps = (schedule.epochs or 0) * (n // schedule.batch)
    return steps if schedule.steps is None else min(steps, schedule.steps)


def make_adam(update: Update, schedule: Schedule) -> torch.optim.Adam:
    """A fused Adam with one parameter group per group of the update."""
    groups = [
        {"params": [*parameters], "name": name, "lr": schedule.rate(name, 0), "weight_decay": schedule.decay(name)}
        for name, parameters in update.groups.items()
    ]
    return torch.optim.Adam(groups, betas=schedule.betas, fused=True)


def _state(
    model: LatentModel,
    optimizers: list[torch.optim.Adam],
    rng_states: list[dict[str, Tensor]],
    stage_index: int,
    epoch: int,
    steps: int,
    device: torch.device,
) -> Callable[[], State]:
    random = get_rng_state(device)  # now, as the caller may draw numbers before it calls state()

    def state() -> State:
        return {
            "number": stage_index,
            "epoch": epoch,
            "steps": steps,
            "model": {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()},
            "optimisers": [portable_state(optimizer.state_dict()) for optimizer in optimizers],
            "random": random,
            "marks": list(rng_states),
        }

    return state


def portable_state(optimizer: dict[str, Any]) -> dict[str, Any]:
    """Copy an optimizer's state, without the changes that engines make to it."""
    copied: dict[str, Any] = copy.deepcopy(optimizer)
    for group in copied["param_groups"]:
        group["lr"], group["capturable"] = float(group["lr"]), False
    return copied


def get_rng_state(device: torch.device) -> dict[str, Tensor]:
    """States of torch's global generators: that of the CPU and, on a GPU, that of the device."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_rng_state(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Restore the states that `get_rng_state` returned."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
