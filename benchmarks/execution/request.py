"""A command's options, parsed: which models, data sets, seeds and metrics it requests, and where it runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks.data.datasets import ImageFolder
from benchmarks.evaluation.metrics import METRICS
from benchmarks.evaluation.protocol import MAX_IMAGES
from benchmarks.execution import models
from benchmarks.execution.options import (
    Options,
    find_results_errors,
    names,
    parse_count,
    parse_device,
    parse_seeds,
)
from benchmarks.execution.requirements import Requirements
from benchmarks.execution.selection import default_datasets, default_models, parse_datasets
from benchmarks.experiments.changes import BUDGET, parse_changes
from benchmarks.experiments.job import KEEP
from benchmarks.presets import PRESETS, Preset
from benchmarks.training.engine import find_engine_errors
from zoo.registry import did_you_mean


@dataclass(frozen=True)
class Request:
    """What a command requests. Where an option is wrong, its default stands here, and the error was reported."""

    preset: Preset | None
    models: list[str]
    changes: dict[str, str]  # settings of --set, with their values as text
    sources: list[str | ImageFolder]
    features: str
    metrics: tuple[str, ...]
    seeds: tuple[int, ...]
    draws: int  # sample sets of each run
    images: int
    eval_every: int
    data_root: Path | None
    results: Path
    device: torch.device | None
    workers: int
    runs_per_gpu: int | None  # None: the default of each data set


def parse_request(
    options: Options, clusters: Sequence[str], needs: Requirements, name: str, errors: list[str], missing: list[str]
) -> Request:
    """Parse a command's options.

    Args:
        options: the command.
        clusters: where runs can be made.
        needs: what must be measured of each run.
        name: name of the table or figure, for messages.
        errors: takes the errors.
        missing: takes the message about a GPU that the command needs and this machine lacks.
    """
    preset = PRESETS.get(options.preset)
    if preset is None:
        unknown = f"unknown preset {options.preset!r}{did_you_mean(options.preset, PRESETS)}"
        errors.append(f"{unknown}. Known: {', '.join(PRESETS)} (benchmarks/presets.py)")
    only = names(options.only) if options.only is not None else [*default_models(needs, preset)]
    if not only and preset:
        errors.append(f"{name} shows {', '.join(needs.models or ())}, which this version does not have")
    like = names(options.like) if options.like is not None else []
    like_dataset, like_model = models.parse_like(like, only, "folder:" in (options.on or ""), errors)
    changes = parse_changes(options.set, errors)
    _add_budget(options.budget, changes, errors)
    selected = models.select_models(only, like_model, _parse_recon(options.recon, changes, errors), errors)
    errors += find_results_errors(options.results)
    data_root = Path(options.data_root) if options.data_root and needs.trains else None
    if data_root is not None and not data_root.is_dir():
        errors.append(f"the data root {options.data_root} is not a folder. Set with --data-root or AE_BENCH_DATA")
    seeds = parse_seeds(options.seeds, preset.seeds if preset else 1, errors)
    draws = parse_count("--draws", options.draws, preset.draws if preset else 1, errors)
    images = parse_count("--images", options.images, MAX_IMAGES, errors)
    default_eval_every = preset.eval_every if preset and needs.learning_curve else 0
    eval_every = parse_count("--eval-every", options.eval_every, default_eval_every, errors)
    metrics = parse_metrics(options.metrics or "fd", needs.metrics, errors)
    if options.keep not in KEEP:
        errors.append(f"unknown --keep {options.keep!r}{did_you_mean(options.keep, KEEP)}. Known: {', '.join(KEEP)} "
                     "(benchmarks/experiments/job.py)")  # fmt: skip
    # A SLURM job's device is the node's: this machine need not have one.
    needs_no_local_device = not needs.trains or (options.cluster == "slurm" and options.device in ("auto", "cuda"))
    device = torch.device("cpu") if needs_no_local_device else parse_device(options.device, errors, missing)
    engine_errors = find_engine_errors(options.engine, options.precision, None)
    errors += engine_errors
    if device is not None and not needs_no_local_device:
        needs_gpu = find_engine_errors(options.engine, options.precision, device)
        (errors if options.device == "cpu" else missing).extend(e for e in needs_gpu if e not in engine_errors)
        if device.type == "cpu":
            (errors if options.device == "cpu" else missing).extend(_find_gpu_options(options))
    if options.cluster not in clusters:
        errors.append(f"unknown cluster {options.cluster!r}. Known: {', '.join(clusters)} (slurm/launch.py)")
    workers = parse_count("--workers", options.workers, default_workers(device), errors)
    given = options.runs_per_gpu is not None
    runs_per_gpu = parse_count("--runs-per-gpu", options.runs_per_gpu, 1, errors) if given else None
    sources = parse_datasets(replace(options, like=like_dataset), default_datasets(needs, selected, preset), errors)
    features = options.features or (preset.features if preset else "classifier")
    return Request(preset, selected, changes, sources, features, metrics, seeds, draws, images, eval_every, data_root,
                   Path(options.results), device, workers, runs_per_gpu)  # fmt: skip


def _find_gpu_options(options: Options) -> list[str]:
    """Errors of options that have no meaning on a CPU."""
    errors = []
    if options.runs_per_gpu is not None:
        errors.append("--runs-per-gpu needs a GPU; on a CPU, --workers sets how many runs are trained at once")
    if options.nondeterministic:
        errors.append("--nondeterministic needs a GPU: on a CPU, the same seed always gives the same bits")
    return errors


def _add_budget(budget: str | None, changes: dict[str, str], errors: list[str]) -> None:
    """Add the budget of --budget to the changed settings."""
    if budget is not None and BUDGET in changes:
        errors.append(f"--budget {budget} and --set budget={changes[BUDGET]} set the same thing; give one of them")
    elif budget is not None:
        changes[BUDGET] = budget


def _parse_recon(recon: str | None, changes: dict[str, str], errors: list[str]) -> str | None:
    """The reconstruction loss of --recon or of --set recon=LOSS, which is removed from `changes`."""
    changed = changes.pop("recon", None)
    if recon is not None and changed is not None:
        errors.append(f"--recon {recon} and --set recon={changed} set the same thing; give one of them")
    return recon if changed is None else changed


def parse_metrics(text: str, required: Sequence[str], errors: list[str]) -> tuple[str, ...]:
    """The metrics that the table shows, and those of --metrics."""
    metrics = tuple(names(text))
    if unknown := [repr(name) + did_you_mean(name, METRICS) for name in metrics if name not in METRICS]:
        errors.append(
            f"unknown metric {', '.join(unknown)}. Known: {', '.join(METRICS)} "
            "(benchmarks/evaluation/metrics/registry.py)"
        )
        return metrics
    return tuple(dict.fromkeys((*required, *metrics)))


def default_workers(device: torch.device | None) -> int:
    """One worker per GPU; on a CPU one per core that this process may use, as each run has one thread."""
    if device is not None and device.type != "cpu":
        return torch.cuda.device_count() if device.index is None else 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
