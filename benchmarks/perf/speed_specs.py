"""The speed measurements that a command requests."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import zoo
from benchmarks.data import datasets
from benchmarks.perf import baselines
from benchmarks.perf.baselines import LOOPS, Case
from benchmarks.protocols import protocol
from benchmarks.training import engine
from benchmarks.training.precision import find_loss_errors
from zoo.losses import PRETRAINED

MODEL, DATASET = "glf", "mnist"  # case of all measurements other than seconds per epoch
WARMUP_LAPS = 2  # laps of each stage that are not recorded, in which libraries select kernels and graphs are captured


@dataclass(frozen=True)
class BenchmarkSpec:
    """A measurement: its purpose, its case, its loops, and its numbers of processes and rounds.

    Attributes:
        purpose: "table"; or "images" or "side" (how the cost grows).
        failed_baselines: loops that failed and were omitted.
    """

    purpose: str
    case: Case
    loops: Sequence[str]
    processes: int
    count: int
    failed_baselines: tuple[str, ...] = ()


def make_specs(args: argparse.Namespace, device: torch.device) -> Iterator[BenchmarkSpec]:
    """The measurements of a command."""
    is_gpu = device.type == "cuda"
    no_folder = Path()
    base = {"folder": no_folder, "device": str(device), "engine": args.engine, "laps": args.rounds + WARMUP_LAPS,
            "channels_last": args.channels_last, "workers": min(8, os.cpu_count() or 1) if is_gpu else 0}  # fmt: skip
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = args.processes or (1 if is_gpu else cores)
    if args.scaling:
        for images in (5_000, 20_000, 60_000):
            case = Case(MODEL, DATASET, images // 256, **base, precision=args.precision)
            yield BenchmarkSpec("images", case, ["ours"], 1, args.rounds)
        for side in (8, 28, 32, 64):
            case = Case(MODEL, DATASET, args.steps, **base, precision=args.precision, shape=(1, side, side))
            yield BenchmarkSpec("side", case, ["ours"], 1, args.rounds)
        return
    for model in args.models.split(","):
        for dataset in args.on.split(","):
            case = Case(model, dataset, args.steps, **base, precision=args.precision)
            loops = [
                loop for loop in args.loops.split(",") if loop != "pythae" or baselines.can_train_with_pythae(case)
            ]
            yield BenchmarkSpec("table", case, loops, count, args.rounds)


def find_errors(args: argparse.Namespace, device: torch.device | None) -> list[str]:
    """Errors of a command."""
    errors = engine.find_engine_errors(args.engine, args.precision, device) if device is not None else []
    lists: list[tuple[str, Iterable[str], str]] = [
        ("--models", zoo.MODELS, args.models),
        ("--loops", LOOPS, args.loops),
        ("--on", datasets.DATASETS, args.on),
    ]
    for option, known, names in lists:
        errors += [f"{option}: unknown {n!r}. Known: {', '.join(known)}" for n in names.split(",") if n not in known]
    if "ours" not in args.loops.split(","):
        errors.append("--loops must include ours")
    errors += [f"--{name} must be at least 1" for name in ("rounds", "steps") if getattr(args, name) < 1]
    if args.gpu and args.device == "auto" and device is not None and device.type != "cuda" and not args.report:
        errors.append("--gpu needs a GPU, but there is none here. To try the program on a CPU, add --device cpu")
    if not 0 < args.limit < float("inf"):
        errors.append("--limit must be a positive number of seconds")
    if not errors and not args.gpu and not args.scaling and not args.report:
        for model in args.models.split(","):
            for dataset in args.on.split(","):
                errors += [error for error in find_case_errors(model, dataset, args.precision) if error not in errors]
    return errors


def find_case_errors(model: str, dataset: str, precision: str) -> list[str]:
    """Errors of a measurement of a model on a data set."""
    counts = datasets.DATASETS[dataset].counts
    if counts is None:
        return [f"--on {dataset}: its number of images, and so an epoch, is not fixed (benchmarks/data/registry.py)"]
    try:
        hyper = protocol(model, dataset, "paper", counts[0]).resolve(model).hyper
    except ValueError as error:
        return [str(error)]
    errors = find_loss_errors(model, hyper.get("recon"), precision)
    weights = PRETRAINED.get(str(hyper.get("recon")))
    return errors + ([f"{model} {weights.problem}"] if weights and weights.problem else [])
