"""Run one speed benchmark: load images, run paired rounds, and return the record."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.nn.functional import interpolate

import zoo
from benchmarks.data import datasets
from benchmarks.experiments import provenance
from benchmarks.files.speed import SCHEMA
from benchmarks.perf import baselines
from benchmarks.perf.baselines import Case
from benchmarks.perf.paired import rounds
from benchmarks.perf.speed_specs import WARMUP_LAPS, BenchmarkSpec
from benchmarks.training.device import device_name

MAX_FOREIGN_SHARE = 0.05  # share of CPU cores; if other processes use more, the record is not "exclusive"


def measure(spec: BenchmarkSpec, root: Path | None) -> dict[str, Any]:
    """Make a measurement and return its record."""
    case, device, settings = spec.case, torch.device(spec.case.device), describe(spec)
    is_exclusive = is_gpu_idle(device)
    with tempfile.TemporaryDirectory(prefix="ae-bench-speed-") as name:
        folder = Path(name)
        images, synthetic = load_images(case, root)
        torch.save(images, folder / "images.pt")
        cases = {loop: replace(case, folder=folder) for loop in spec.loops}
        if "plain" in cases:
            baselines.write_png(images[: cases["plain"].images], folder / "png")
        del images
        rows = [*rounds(cases, spec.processes, spec.count, WARMUP_LAPS)]
    foreign = [row["foreign"] for row in rows if isfinite(row["foreign"])]
    if device.type == "cpu":
        is_exclusive = bool(foreign) and median(foreign) <= MAX_FOREIGN_SHARE
    schedules = case.schedules()
    return {
        "what": "speed",
        "schema": SCHEMA,
        **settings,
        "label": zoo.entry(case.model).label,
        "synthetic": synthetic,
        "images": case.total,  # images in an epoch of the whole data set
        "batch": {name: s.batch for name, s in schedules.items()},
        "flops": baselines.flops(case),
        "loader_workers": case.workers,
        "warm": WARMUP_LAPS,
        "lame": [*spec.failed_baselines],
        "exclusive": is_exclusive,
        "foreign": median(foreign) if foreign else None,
        "rows": rows,
        "provenance": {**provenance.describe(device), "threads": 1, "pythae": provenance.version("pythae")},
    }


def describe(spec: BenchmarkSpec) -> dict[str, Any]:
    """The fields of a record that are known before the measurement. They determine its file name."""
    case = spec.case
    return {
        "purpose": spec.purpose,
        "model": case.model,
        "dataset": case.dataset,
        "shape": list(case.image_shape),
        "images_used": case.images,
        "precision": case.precision,
        "engine": case.engine,
        "channels_last": case.channels_last,
        "processes": spec.processes,
        "provenance": {"device": device_name(torch.device(case.device))},
    }


def load_images(case: Case, root: Path | None) -> tuple[torch.Tensor, bool]:
    """Images of a case, and whether they are random."""
    if case.shape is not None:
        return smooth_random_images(case.images, case.shape), True
    return load_or_make_images(case.dataset, case.images, root)


def load_or_make_images(dataset: str, count: int, root: Path | None) -> tuple[torch.Tensor, bool]:
    """Images of a data set, (count, C, H, W) uint8, or random ones if it is missing or too small; and whether so."""
    try:
        images = datasets.load(dataset, root).train.canonical(count).images
    except (ValueError, OSError):
        images = None
    if images is not None and len(images) == count:
        return images, False
    return smooth_random_images(count, datasets.DATASETS[dataset].shape), True


def smooth_random_images(n: int, shape: tuple[int, int, int]) -> torch.Tensor:
    """Smooth random images, (n, C, H, W) uint8. On white noise, a flow can overflow within ten steps."""
    generator = torch.Generator().manual_seed(0)
    images = torch.empty(n, *shape, dtype=torch.uint8)
    for chunk in images.split(4096):
        coarse = torch.rand(len(chunk), shape[0], 4, 4, generator=generator)
        chunk.copy_(255 * interpolate(coarse, shape[1:], mode="bilinear", align_corners=True))
    return images


def is_gpu_idle(device: torch.device) -> bool:
    """Whether no other process uses a GPU: less than 1 GB of memory is in use, and utilization is low."""
    if device.type != "cuda":
        return True
    index = device.index or 0
    uuid = getattr(torch.cuda.get_device_properties(index), "uuid", None)
    card = gpu_id(index, uuid, os.environ.get("CUDA_VISIBLE_DEVICES"))
    query = ["nvidia-smi", f"--id={card}", "--query-gpu=memory.used,utilization.gpu", "--format=csv,noheader,nounits"]
    if card is None:
        return False
    for pause in (1.5, 0.0):  # the first answer may still include work of our own workers
        try:
            (line,) = subprocess.run(
                query, capture_output=True, encoding="utf-8", errors="replace", timeout=30, check=True
            ).stdout.splitlines()
            memory, work = (float(value) for value in line.split(","))
        except (OSError, subprocess.SubprocessError, ValueError):
            return False
        if memory < 1024 and work < 5:
            return True
        time.sleep(pause)
    return False


def gpu_id(index: int, uuid: object, visible: str | None) -> str | None:
    """The id of one of torch's GPUs for nvidia-smi, or None if it is unknown.

    Args:
        index: torch's index, which counts visible GPUs only.
        uuid: UUID of the GPU, or None if torch does not know it.
        visible: value of CUDA_VISIBLE_DEVICES.
    """
    if uuid is not None:
        return f"GPU-{str(uuid).removeprefix('GPU-')}"
    return str(index) if visible is None else None


def file_name(record: Mapping[str, Any]) -> str:
    """The file name of a measurement. A repetition on the same device model with as many images has the same name."""
    device = device_slug(record["provenance"]["device"])
    parts = [record["purpose"], record["model"], record["dataset"], device, record["precision"], record["engine"]]
    parts += ["channels-last"] if record["channels_last"] else []
    parts += [f"{record['shape'][1]}px"] if record["purpose"] == "side" else []
    parts += [f"{record['images_used']}"]  # this distinguishes laps of different lengths
    return "-".join([*parts, f"x{record['processes']}"]) + ".json"


def device_slug(device: str) -> str:
    """A device's name in file names: a readable part, and a hash that makes it unique."""
    readable = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")[:32].strip("-")
    return f"{readable}-{sha256(device.encode()).hexdigest()[:6]}"
