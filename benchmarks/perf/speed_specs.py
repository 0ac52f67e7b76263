"""Which speed benchmarks a command asks for, as values."""

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

MODEL, DATASET = "glf", "mnist"  # of which more is measured than seconds per epoch
WARMUP_LAPS = 2  # laps of each stage that are not kept: libraries choose, graphs are captured
MAX_LAP_STEPS = (
    234  # steps at most of a lap on a GPU: an epoch of MNIST; CelebA's, of 635, takes more time to make up images
)


@dataclass(frozen=True)
class BenchmarkSpec:
    """A measurement to be made: a case, the loops, how many processes and rounds, and what for.

    Attributes:
        purpose: "table"; "images" and "side": how cost grows; "processes": trainings on one device.
        fewer: steps of the plain loop's and pythae's laps, where ours are too many for them.
        lame: loops that were to be among them, and failed.
    """

    purpose: str
    case: Case
    loops: Sequence[str]
    processes: int
    count: int
    fewer: int | None = None
    failed_baselines: tuple[str, ...] = ()


def make_specs(args: argparse.Namespace, device: torch.device) -> Iterator[BenchmarkSpec]:
    """The measurements of a command."""
    gpu = device.type == "cuda"
    here = Path()
    base = {"folder": here, "device": str(device), "engine": args.engine, "laps": args.rounds + WARMUP_LAPS,
            "channels_last": args.channels_last, "workers": min(8, os.cpu_count() or 1) if gpu else 0}  # fmt: skip
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = args.processes or (1 if gpu else cores)
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
            loops = [loop for loop in args.loops.split(",") if loop != "pythae" or baselines.pythae_can(case)]
            yield BenchmarkSpec("table", case, loops, count, args.rounds)


def _gpu(args: argparse.Namespace, base: Mapping[str, Any]) -> Iterator[BenchmarkSpec]:
    """All that is to be known of a GPU, in six minutes or so; what matters most comes first."""

    def beside(dataset: str, precision: str) -> BenchmarkSpec:
        case = Case(MODEL, dataset, 1, **base, precision=precision)
        case = replace(case, steps=min(case.total // 256, MAX_LAP_STEPS))
        loops = ["ours", "eager", "plain", "ceiling"] + ["pythae"] * baselines.pythae_can(case)
        fewer = 20 if case.total // 256 > MAX_LAP_STEPS else 40  # of so many images each takes longer
        return BenchmarkSpec("table", case, loops, 1, args.rounds, fewer=fewer)

    yield beside(DATASET, "tf32")
    for model in TABLE1:
        if model != MODEL:
            yield BenchmarkSpec("table", Case(model, DATASET, 200, **base, precision="tf32"), ["ours"], 1, args.rounds)
    for processes in (1, 2, 4, 8):
        case = Case(MODEL, DATASET, MAX_LAP_STEPS, **base, precision="tf32")
        yield BenchmarkSpec("processes", case, ["ours"], processes, args.rounds)
    yield beside("cifar10", "tf32")
    yield beside("celeba", "tf32")
    case = Case(MODEL, "cifar10", 195, **{**base, "channels_last": True}, precision="tf32")
    yield BenchmarkSpec("table", case, ["ours"], 1, args.rounds)
    for dataset in (DATASET, "cifar10", "celeba"):
        yield beside(dataset, "fp32")


def find_errors(args: argparse.Namespace, device: torch.device | None) -> list[str]:
    """What is wrong with a command."""
    errors = engine.find_engine_errors(args.engine, args.precision, device) if device is not None else []
    lists: list[tuple[str, Iterable[str], str]] = [
        ("--models", zoo.MODELS, args.models),
        ("--loops", LOOPS, args.loops),
        ("--on", datasets.DATASETS, args.on),
    ]
    for option, known, names in lists:
        errors += [f"{option}: unknown {n!r}. Known: {', '.join(known)}" for n in names.split(",") if n not in known]
    if "ours" not in args.loops.split(","):
        errors.append("--loops: ours must be among them")
    errors += [f"--{name} must be at least 1" for name in ("rounds", "steps") if getattr(args, name) < 1]
    if args.gpu and device is not None and device.type != "cuda":
        errors.append("--gpu: there is no GPU here")
    if not errors and not args.gpu and not args.scaling and not args.report:
        for model in args.models.split(","):
            for dataset in args.on.split(","):
                errors += [said for said in find_case_errors(model, dataset, args.precision) if said not in errors]
    return errors


def find_case_errors(model: str, dataset: str, precision: str) -> list[str]:
    """Why a model cannot be measured on a data set."""
    counts = datasets.DATASETS[dataset].counts
    if counts is None:
        return [
            f"--on {dataset}: it has no fixed number of images, so an epoch has no length (benchmarks/data/datasets.py)"
        ]
    try:
        hyper = protocol(model, dataset, "paper", counts[0]).resolve(model).hyper
    except ValueError as error:
        return [str(error)]
    errors = find_loss_errors(model, hyper.get("recon"), precision)
    weights = PRETRAINED.get(str(hyper.get("recon")))
    return errors + ([f"{model} {weights.problem}"] if weights and weights.problem else [])
