"""Measure several runs in one process, each advanced in turn with a stream and generators of its own."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.files.gpu_speed import StageTimes
from benchmarks.perf.baselines import Case
from benchmarks.perf.gpu.steps import as_records, blocks, start
from benchmarks.training import turns
from benchmarks.training.loop import Epoch
from zoo.base import LatentModel

Run = Generator[Epoch | None, None, LatentModel]


def train_in_lane(case: Case, x: Tensor) -> Run:
    """Train a new model, and return it. It is built in the first turn, with the random numbers of its run."""
    model, training = start(case, x)
    yield from training
    return model


def start_runs(case: Case, x: Tensor, count: int) -> list[Run]:
    """Runs that share the process as those of a worker do. Their seeds are the case's seed and those after it."""
    device = torch.device(case.device)
    return [turns.isolated(train_in_lane(replace(case, seed=case.seed + i), x), device) for i in range(count)]


def advance(runs: Sequence[Run]) -> list[Epoch | LatentModel]:
    """Advance all runs in turn, each to the end of its next epoch, or to its end; return epochs or models."""
    found: dict[int, Epoch | LatentModel] = {}
    while len(found) < len(runs):
        for number, run in enumerate(runs):
            if number not in found:
                try:
                    item: Epoch | LatentModel | None = next(run)
                except StopIteration as end:
                    item = end.value
                if item is not None:
                    found[number] = item
    return [found[number] for number in range(len(runs))]


def time_runs(case: Case, x: Tensor, count: int) -> list[StageTimes]:
    """Time blocks of one epoch of each run. All runs begin a block together, when the device has nothing to do.

    Args:
        case: the training of each run. Each stage has `case.laps` epochs, of which the first is not recorded.
        x: images on the device, which the runs share.
        count: number of runs.
    """
    found = blocks(case)
    with ExitStack() as stack:
        runs = [stack.enter_context(closing(run)) for run in start_runs(case, x, count)]
        while True:
            started = wait_for(case.device)
            items = advance(runs)
            seconds = wait_for(case.device) - started
            first = items[0]
            if not isinstance(first, Epoch):
                return as_records(found)
            found[first.row["stage"]].add(first, seconds, is_alone=False)


def wait_for(device: str) -> float:
    """The time in seconds, after all streams of the device have finished."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return time.perf_counter()
