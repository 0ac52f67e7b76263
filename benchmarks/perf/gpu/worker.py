"""The process that measures. It takes one item after the other, so that an error of one leaves the others."""

from __future__ import annotations

import gc
import os
import resource
import signal
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from benchmarks.data.split import Split
from benchmarks.experiments import provenance
from benchmarks.files.gpu_speed import SCHEMA, GpuSpeedRecord, Images, Memory, Origin
from benchmarks.perf.baselines import Case
from benchmarks.perf.gpu.items import BUDGETS, Budget, Item
from benchmarks.perf.gpu.reproducibility import compare_trainings
from benchmarks.perf.gpu.runs import time_runs
from benchmarks.perf.gpu.steps import count_operations, time_steps, time_steps_and_second_setup
from benchmarks.perf.speed_measurement import is_gpu_idle, load_or_make_images
from benchmarks.training.determinism import deterministic_algorithms
from benchmarks.training.device import is_device_lost
from benchmarks.training.memory import keep_freed_memory
from benchmarks.training.precision import reproducible_arithmetic
from benchmarks.training.streaming import place_images

PRESET, SEED = "paper", 0


@dataclass(frozen=True)
class Settings:
    """What is the same for all items.

    Attributes:
        device: "cuda", "cpu".
        root: the data root.
        cache: folder of compiled kernels. It is new, so that the first compilation is not a cached one.
        origin: where it is measured; None if the process finds out. A later process would take an earlier one for
            another user of the GPU.
    """

    device: str
    root: Path | None
    cache: str
    origin: Origin | None = None


def work(settings: Settings, connection: Connection) -> None:
    """Main function of the process: send where it runs, then receive items and send their records."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process is interrupted, too, and ends this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = settings.cache
    device = torch.device(settings.device)
    origin = settings.origin or describe(device)
    connection.send(origin)
    with reproducible_arithmetic(device), keep_freed_memory(device):
        while True:
            try:
                item = connection.recv()
            except EOFError:
                return
            record = measure(item, settings, origin)
            is_lost = is_device_lost(settings.device)
            connection.send((record, is_lost))
            if is_lost:
                os._exit(1)  # destructors of objects on the GPU would raise


def _end_with_parent() -> None:
    """End this process as soon as its parent has ended, even if it was killed."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def describe(device: torch.device) -> Origin:
    """Where this process measures."""
    found = provenance.describe(device)
    return Origin(
        device=found["device"], torch=found["torch"], python=found["python"], commit=found["commit"],
        dirty=found["dirty"], exclusive=is_gpu_idle(device),
        cudnn=torch.backends.cudnn.version() if device.type == "cuda" else None,
    )  # fmt: skip


def measure(item: Item, settings: Settings, origin: Origin) -> GpuSpeedRecord:
    """Measure an item. An error becomes a record with status "failed"."""
    started = time.perf_counter()
    record = new_record(item, origin)
    device = torch.device(settings.device)
    free_memory(device)
    try:
        found = MEASURES[item.kind](item, settings)
        found["memory"] = memory_in_use(device)
        status, reason = "measured", ""
    except Exception as error:  # of torch, inductor or CUDA: any type
        found, status, reason = {}, "failed", describe_error(error)
    free_memory(device)
    seconds = time.perf_counter() - started
    return msgspec.structs.replace(record, status=status, reason=reason, seconds=seconds, **found)


def new_record(item: Item, origin: Origin, status: Any = "failed", reason: str = "") -> GpuSpeedRecord:
    """A record without measurements."""
    return GpuSpeedRecord(
        schema=SCHEMA, what="speed-gpu", kind=item.kind, model=item.model, dataset=item.dataset,
        precision=item.precision, engine=item.engine, runs=item.runs, preset=PRESET, seed=SEED, status=status,
        reason=reason, provenance=origin,
    )  # fmt: skip


def describe_error(error: Exception) -> str:
    """Type, message and place of an error, without the machine's paths."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:500]}{place}"


def measure_steps(item: Item, settings: Settings) -> dict[str, Any]:
    """Seconds per step of one run."""
    budget = budget_of(settings)
    case = make_case(item, settings, budget.steps, 1 + budget.blocks)
    x, images = place(case, settings)
    return {"stages": time_steps_and_second_setup(case, x), "images": images}


def measure_operations(item: Item, settings: Settings) -> dict[str, Any]:
    """Kernels per step."""
    return {"operations": count_operations(make_case(item, settings, 1, 1))}


def measure_runs(item: Item, settings: Settings) -> dict[str, Any]:
    """Seconds per step of several runs in one process."""
    budget = budget_of(settings)
    case = make_case(item, settings, budget.run_steps, 1 + budget.run_blocks)
    x, images = place(case, settings)
    return {"stages": time_runs(case, x, item.runs), "images": images}


def measure_reproducibility(item: Item, settings: Settings) -> dict[str, Any]:
    """Whether trainings give equal bits."""
    budget = budget_of(settings)
    case = make_case(item, settings, budget.bit_steps, budget.bit_epochs)
    x, images = place(case, settings)
    return {"comparisons": compare_trainings(case, x), "images": images}


def measure_determinism_cost(item: Item, settings: Settings) -> dict[str, Any]:
    """Seconds per step with and without deterministic algorithms, twice each, in the order A B B A."""
    budget = budget_of(settings)
    case = make_case(item, settings, budget.steps, 1 + budget.blocks)
    x, images = place(case, settings)
    stages = []
    for wanted in (True, False, False, True):
        with deterministic_algorithms(torch.device(settings.device), wanted):
            stages += time_steps(case, x, deterministic=wanted)
    return {"stages": stages, "images": images}


MEASURES: dict[str, Callable[[Item, Settings], dict[str, Any]]] = {
    "steps": measure_steps,
    "operations": measure_operations,
    "runs": measure_runs,
    "reproducibility": measure_reproducibility,
    "determinism-cost": measure_determinism_cost,
}


def budget_of(settings: Settings) -> Budget:
    """How long items are measured on the device."""
    return BUDGETS[torch.device(settings.device).type]


def make_case(item: Item, settings: Settings, steps: int, laps: int) -> Case:
    """The training of an item."""
    return Case(
        item.model, item.dataset, steps, laps, Path(), settings.device, item.precision, item.engine, seed=SEED
    )  # fmt: skip


def place(case: Case, settings: Settings) -> tuple[Tensor, Images]:
    """The images of a training on its device, and their description."""
    images, description = load(case.dataset, case.images, settings.root)
    return place_images(images, torch.device(case.device)), description


@cache
def load(dataset: str, count: int, root: Path | None) -> tuple[Tensor, Images]:
    """Images of a data set, or random ones of its shape, and their description."""
    images, synthetic = load_or_make_images(dataset, count, root)
    return images, Images(count=count, fingerprint=Split(images).fingerprint, synthetic=synthetic)


def memory_in_use(device: torch.device) -> Memory:
    """The memory that an item needed. torch has not returned it to the GPU yet."""
    if device.type != "cuda":
        return Memory(peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    free, total = torch.cuda.mem_get_info(device)
    return Memory(peak=torch.cuda.max_memory_reserved(device), device=total - free)


def free_memory(device: torch.device) -> None:
    """Free the memory of earlier items, and begin a new peak."""
    gc.collect()
    if device.type == "cuda" and not is_device_lost(str(device)):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
