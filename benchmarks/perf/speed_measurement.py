"""One speed benchmark carried out: images, paired rounds, and the record, one JSON file."""

from __future__ import annotations

import json
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
from benchmarks.perf import baselines
from benchmarks.perf.baselines import Case
from benchmarks.perf.paired import rounds
from benchmarks.perf.speed_specs import WARMUP_LAPS, BenchmarkSpec
from benchmarks.reporting.speed_records import SCHEMA
from benchmarks.training.device import device_name

MAX_FOREIGN_SHARE = 0.05  # of the cores that others may use meanwhile before a machine is not called ours alone


def measure(spec: BenchmarkSpec, root: Path | None) -> dict[str, Any]:
    """Carry out a measurement: the record."""
    case, device, settings = spec.case, torch.device(spec.case.device), describe(spec)
    alone = is_gpu_idle(device)
    with tempfile.TemporaryDirectory(prefix="ae-bench-speed-") as name:
        folder = Path(name)
        images, synthetic = load_images(case, root)
        torch.save(images, folder / "images.pt")
        cases = {loop: replace(case, folder=folder) for loop in spec.loops}
        for loop in {"plain", "pythae"} & cases.keys() if spec.fewer else ():
            cases[loop] = replace(cases[loop], steps=min(case.steps, spec.fewer or case.steps))
        if "plain" in cases:
            baselines.write_png(images[: cases["plain"].images], folder / "png")
        del images
        rows = [*rounds(cases, spec.processes, spec.count, WARMUP_LAPS)]
    foreign = [row["foreign"] for row in rows if isfinite(row["foreign"])]
    if device.type == "cpu":
        alone = bool(foreign) and median(foreign) <= MAX_FOREIGN_SHARE
    schedules = case.schedules()
    return {
        "what": "speed",
        "schema": SCHEMA,
        **settings,
        "label": zoo.entry(case.model).label,
        "synthetic": synthetic,
        "images": case.total,  # of an epoch of the whole data set
        "batch": {name: s.batch for name, s in schedules.items()},
        "flops": baselines.flops(case),
        "loader_workers": case.workers,
        "warm": WARMUP_LAPS,
        "lame": [*spec.failed_baselines],
        "exclusive": alone,
        "foreign": median(foreign) if foreign else None,
        "rows": rows,
        "provenance": {**provenance.describe(device), "threads": 1, "pythae": provenance.version("pythae")},
    }


def describe(spec: BenchmarkSpec) -> dict[str, Any]:
    """What of a record is known before anything is measured: all that its file is named by."""
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


def is_measured(spec: BenchmarkSpec, folder: Path) -> bool:
    """Whether a folder has a record of a measurement, on this device, of all its loops that work in as many rounds."""
    try:
        record = json.loads((folder / file_name(describe(spec))).read_text(encoding="utf-8"))
        there = [(row["loop"], row["stage"]) for row in record["rows"]]
        stages = spec.case.schedules()
        loops = [loop for loop in spec.loops if loop not in record.get("lame", ())]
        return all(there.count((loop, stage)) >= spec.count for loop in loops for stage in stages)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def load_images(case: Case, root: Path | None) -> tuple[torch.Tensor, bool]:
    """Images of a case, and whether they are random ones."""
    found = None
    if case.shape is None:
        try:
            found = datasets.load(case.dataset, root).train.canonical(case.images).images
        except (ValueError, OSError):
            found = None
    if found is not None and len(found) >= case.images:
        return found, False
    return smooth_random_images(case.images, case.image_shape), True


def smooth_random_images(n: int, shape: tuple[int, int, int]) -> torch.Tensor:
    """Random images, (n, C, H, W) uint8, that are smooth: on white noise a flow can overflow within ten steps."""
    generator = torch.Generator().manual_seed(0)
    images = torch.empty(n, *shape, dtype=torch.uint8)
    for some in images.split(4096):
        coarse = torch.rand(len(some), shape[0], 4, 4, generator=generator)
        some.copy_(255 * interpolate(coarse, shape[1:], mode="bilinear", align_corners=True))
    return images


def is_gpu_idle(device: torch.device) -> bool:
    """Whether nobody else is on a GPU: less than 1 GB in use, no work in the last moment."""
    if device.type != "cuda":
        return True
    index = device.index or 0
    uuid = getattr(torch.cuda.get_device_properties(index), "uuid", None)
    card = gpu_id(index, uuid, os.environ.get("CUDA_VISIBLE_DEVICES"))
    query = ["nvidia-smi", f"--id={card}", "--query-gpu=memory.used,utilization.gpu", "--format=csv,noheader,nounits"]
    if card is None:
        return False
    for pause in (1.5, 0.0):  # the first answer may still be of what this process's own workers did
        try:
            (line,) = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True).stdout.splitlines()
            memory, work = (float(value) for value in line.split(","))
        except (OSError, subprocess.SubprocessError, ValueError):
            return False
        if memory < 1024 and work < 5:
            return True
        time.sleep(pause)
    return False


def gpu_id(index: int, uuid: object, visible: str | None) -> str | None:
    """What nvidia-smi calls torch's GPU of an index, or None where that is not known.

    Args:
        index: torch's, which counts the visible GPUs alone.
        uuid: the GPU's, or None where torch does not tell it.
        visible: CUDA_VISIBLE_DEVICES.
    """
    if uuid is not None:
        return f"GPU-{str(uuid).removeprefix('GPU-')}"
    return str(index) if visible is None else None


def file_name(record: Mapping[str, Any]) -> str:
    """One file per measurement: the same one made again, on such a device and of as many images, replaces it."""
    device = device_slug(record["provenance"]["device"])
    parts = [record["purpose"], record["model"], record["dataset"], device, record["precision"], record["engine"]]
    parts += ["channels-last"] if record["channels_last"] else []
    parts += [f"{record['shape'][1]}px"] if record["purpose"] == "side" else []
    parts += [f"{record['images_used']}"]  # which the steps of a lap are of
    return "-".join([*parts, f"x{record['processes']}"]) + ".json"


def device_slug(device: str) -> str:
    """A device's name in a file name: what can be read of it, and a hash that tells it from all others."""
    readable = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")[:32].strip("-")
    return f"{readable}-{sha256(device.encode()).hexdigest()[:6]}"
