"""The items that are measured, the most important ones first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from benchmarks.files.names import file_name
from benchmarks.perf.speed_measurement import device_slug
from benchmarks.training.engine import find_engine_errors

MODEL, DATASET, PRECISION, ENGINE = "glf", "mnist", "tf32", "graph"
CPU_DATASET = "digits"
RUN_COUNTS = (1, 2, 4, 8, 16)
MANY = 8  # number of runs at once with which the time of a column is extrapolated
REPRODUCED_MODELS = ("glf", "wae-mmd", "glann-mse")
OTHER_MODELS = (
    "two-stage-vae",
    "vae-flow-prior",
    "vae-flow-posterior",
    "wae-gan",
    "vae",
    "rae-gmm",
)  # the rest of Table 1, those with the longest runs first

KINDS = {
    "steps": "seconds per step",
    "operations": "kernels per step",
    "runs": "several runs in one process",
    "reproducibility": "equal bits",
    "determinism-cost": "deterministic against nondeterministic algorithms",
}


@dataclass(frozen=True)
class Item:
    """One item.

    Attributes:
        kind: a key of `KINDS`.
        model: a key of `zoo.MODELS`.
        dataset: a data set, or the one whose shape the images have.
        precision, engine: of the training.
        runs: number of runs in the process.
    """

    kind: str
    model: str = MODEL
    dataset: str = DATASET
    precision: str = PRECISION
    engine: str = ENGINE
    runs: int = 1

    @property
    def name(self) -> str:
        """The name of the item in messages and file names."""
        parts = [self.kind, self.model, self.dataset, self.precision, self.engine]
        return "-".join(parts + ([f"x{self.runs}"] if self.kind == "runs" else []))

    def record_name(self, device: str) -> str:
        """The file name of the item's record on a device, which is given by its name in records."""
        return file_name(self.name) + f"-{device_slug(device)}.json"


@dataclass(frozen=True)
class Budget:
    """How long each item is measured.

    Attributes:
        steps: steps per block of a single run.
        run_steps: steps per block of each of several runs.
        blocks: blocks per stage, after one that is not recorded.
        run_blocks: the same for several runs.
        bit_steps: steps per epoch of trainings whose bits are compared.
        bit_epochs: their epochs per stage.
    """

    steps: int
    run_steps: int
    blocks: int
    run_blocks: int
    bit_steps: int
    bit_epochs: int


BUDGETS = {"cuda": Budget(200, 120, 9, 3, 24, 3), "cpu": Budget(2, 2, 2, 1, 2, 2)}


def items(device: torch.device) -> list[Item]:
    """All items, in the order in which they are measured. On a CPU, some small ones come before those of a GPU."""
    found = [*gpu_items()] if device.type == "cuda" else [*cpu_items(), *gpu_items()]
    return [*dict.fromkeys(found)]


def gpu_items() -> Iterator[Item]:
    """The items of a GPU."""
    yield Item("steps")
    yield Item("steps", engine="compiled")
    yield Item("operations")
    for runs in RUN_COUNTS:
        yield Item("runs", runs=runs)
    yield Item("runs", runs=MANY, engine="compiled")
    for model in REPRODUCED_MODELS:
        yield Item("reproducibility", model)
    yield Item("determinism-cost")
    for model in OTHER_MODELS:
        yield Item("steps", model)
    yield Item("runs", OTHER_MODELS[0], runs=MANY)
    for model in OTHER_MODELS:
        yield Item("steps", model, engine="compiled")
    for precision in ("fp32", "bf16"):
        yield Item("steps", precision=precision)
    yield Item("reproducibility", engine="compiled")
    for model in OTHER_MODELS[1:]:
        yield Item("runs", model, runs=MANY)
    for dataset in ("cifar10", "celeba"):
        yield Item("steps", dataset=dataset)
        yield Item("runs", dataset=dataset, runs=MANY)
        yield Item("steps", dataset=dataset, engine="compiled")
    for engine in (ENGINE, "compiled"):
        for model in (MODEL, *OTHER_MODELS):
            yield Item("operations", model, engine=engine)


def cpu_items() -> Iterator[Item]:
    """Small items that show on a CPU that the program works."""
    small = Item("steps", MODEL, CPU_DATASET, "fp32", "eager")
    yield small
    yield replace(small, kind="operations")
    for runs in RUN_COUNTS:
        yield replace(small, kind="runs", runs=runs)
    for model in REPRODUCED_MODELS:
        yield replace(small, kind="reproducibility", model=model)
    for model in OTHER_MODELS:
        yield replace(small, model=model)
    yield replace(small, kind="operations", model="wae-gan")


def find_skip_reason(item: Item, device: torch.device) -> str:
    """Why an item cannot be measured on a device; "" if it can."""
    reasons = find_engine_errors(item.engine, item.precision, device)
    if item.engine == "compiled" and device.type != "cuda":
        reasons.append("--engine compiled is measured on a GPU only")
    return "; ".join(reasons)
