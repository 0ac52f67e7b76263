"""The speed measurements that a command requests."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

import zoo
from benchmarks.data import datasets
from benchmarks.perf import baselines
from benchmarks.perf.baselines import LOOPS, Case
from benchmarks.presets import TABLE1
from benchmarks.protocols import protocol
from benchmarks.training import engine
from benchmarks.training.precision import find_loss_errors
from zoo.losses import PRETRAINED

MODEL, DATASET = "glf", "mnist"  # case of all measurements other than seconds per epoch
WARMUP_LAPS = 2  # laps of each stage that are not recorded, in which libraries select kernels and graphs are captured
MAX_LAP_STEPS = 234  # maximum number of steps of a lap on a GPU: an epoch of MNIST


@dataclass(frozen=True)
class BenchmarkSpec:
    """A measurement: its purpose, its case, its loops, and its numbers of processes and rounds.

    Attributes:
        purpose: "table"; "images" or "side" (how the cost grows); or "processes" (several runs on one device).
        slow_loop_steps: steps per lap of the slow loops, plain and pythae; None means as many as ours.
        failed_baselines: loops that failed and were omitted.
    """

    purpose: str
    case: Case
    loops: Sequence[str]
    processes: int
    count: int
    slow_loop_steps: int | None = None
    failed_baselines: tuple[str, ...] = ()


def make_specs(args: argparse.Namespace, device: torch.device) -> Iterator[BenchmarkSpec]:
    """The measurements of a command."""
    is_gpu = device.type == "cuda"
    no_folder = Path()
    base = {"folder": no_folder, "device": str(device), "engine": args.engine, "laps": args.rounds + WARMUP_LAPS,
            "channels_last": args.channels_last, "workers": min(8, os.cpu_count() or 1) if is_gpu else 0}  # fmt: skip
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = args.processes or (1 if is_gpu else cores)
    if args.gpu:
        yield from _gpu(args, base)
        return
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


def _gpu(args: argparse.Namespace, base: Mapping[str, Any]) -> Iterator[BenchmarkSpec]:
    """All measurements of a GPU, the most important ones first. They take about six minutes."""

    def with_baselines(dataset: str, precision: str) -> BenchmarkSpec:
        case = Case(MODEL, dataset, 1, **base, precision=precision)
        case = replace(case, steps=min(case.total // 256, MAX_LAP_STEPS))
        loops = ["ours", "eager", "plain", "ceiling"] + ["pythae"] * baselines.can_train_with_pythae(case)
        slow_loop_steps = 20 if case.total // 256 > MAX_LAP_STEPS else 40  # fewer for large images
        return BenchmarkSpec("table", case, loops, 1, args.rounds, slow_loop_steps=slow_loop_steps)

    yield with_baselines(DATASET, "tf32")
    for model in TABLE1:
        if model != MODEL:
            yield BenchmarkSpec("table", Case(model, DATASET, 200, **base, precision="tf32"), ["ours"], 1, args.rounds)
    for processes in (1, 2, 4, 8):
        case = Case(MODEL, DATASET, MAX_LAP_STEPS, **base, precision="tf32")
        yield BenchmarkSpec("processes", case, ["ours"], processes, args.rounds)
    yield with_baselines("cifar10", "tf32")
    yield with_baselines("celeba", "tf32")
    case = Case(MODEL, "cifar10", 195, **{**base, "channels_last": True}, precision="tf32")
    yield BenchmarkSpec("table", case, ["ours"], 1, args.rounds)
    for dataset in (DATASET, "cifar10", "celeba"):
        yield with_baselines(dataset, "fp32")


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
    if args.gpu and device is not None and device.type != "cuda":
        errors.append("--gpu needs a GPU, but there is none here")
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
