"""From a command's options to a plan: everything is checked here, before anything starts.

All errors are collected and reported at once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

import zoo
from benchmarks.data import datasets
from benchmarks.evaluation.extractors import make_extractor
from benchmarks.evaluation.metrics import METRICS
from benchmarks.evaluation.protocol import MAX_IMAGES
from benchmarks.evaluation.scoring import Scorer
from benchmarks.execution import models
from benchmarks.execution.options import Options, UserErrors, names, parse_count, parse_device
from benchmarks.execution.plan import Plan
from benchmarks.execution.requirements import Requirements
from benchmarks.execution.selection import (
    default_datasets,
    default_models,
    find_feature_errors,
    find_missing_protocols,
    grid_without_runs,
    parse_datasets,
)
from benchmarks.experiments.job import KEEP, Job
from benchmarks.experiments.trial import Trial
from benchmarks.presets import PRESETS
from benchmarks.training.engine import find_engine_errors
from benchmarks.training.precision import find_loss_errors
from zoo.registry import did_you_mean

DEFAULT = Requirements()  # those of Table 1


def make_plan(
    options: Options,
    clusters: Sequence[str],
    needs: Requirements = DEFAULT,
    name: str = "table1",
    known_errors: Sequence[str] = (),
) -> Plan:
    """Check a command and lay out its trials.  Reads data sets and records; trains and writes nothing.

    Args:
        options: the command.
        clusters: where trials can run.
        needs: what must be measured of each training.
        name: of the table or figure, for messages.
        known_errors: what else is wrong with the command.

    Raises:
        Problems: with everything that is wrong.
    """
    errors = [*known_errors]
    if options.preset not in PRESETS:
        told = f"unknown preset {options.preset!r}{did_you_mean(options.preset, PRESETS)}"
        errors.append(f"{told}. Known: {', '.join(PRESETS)} (benchmarks/presets.py)")
    preset = PRESETS.get(options.preset)
    only = names(options.only) if options.only is not None else [*default_models(needs, preset)]
    if not only and preset:
        errors.append(f"{name} is of {', '.join(needs.models or ())}, which this version does not have")
    given = names(options.like) if options.like is not None else []
    like, lender = models.lenders(given, only, "folder:" in (options.on or ""), errors)
    rows = models.chosen(only, lender, options.recon, errors)
    results = Path(options.results)
    nearest = next(path for path in (results, *results.absolute().parents) if path.exists())
    if not nearest.is_dir():
        errors.append(f"--results {options.results}: there is a file of that name")
    elif not os.access(nearest, os.W_OK):
        errors.append(f"--results {options.results}: there is no right to write in {nearest}")
    root = Path(options.data_root) if options.data_root and needs.trains else None
    if root is not None and not root.is_dir():
        errors.append(f"the data root {options.data_root} is not a folder; give another --data-root (or AE_BENCH_DATA)")
    seeds = parse_count("--seeds", options.seeds, preset.seeds if preset else 1, errors)
    draws = parse_count("--draws", options.draws, preset.draws if preset else 1, errors)
    images = parse_count("--images", options.images, MAX_IMAGES, errors)
    curved = needs.learning_curve and preset
    progress = parse_count("--eval-every", options.eval_every, preset.eval_every if curved and preset else 0, errors)
    metrics = tuple(names(options.metrics or "fd"))
    if unknown := [repr(name) for name in metrics if name not in METRICS]:
        errors.append(
            f"unknown metric {', '.join(unknown)}. Known: {', '.join(METRICS)} (benchmarks/evaluation/metrics.py)"
        )
    else:
        metrics = tuple(dict.fromkeys((*needs.metrics, *metrics)))  # what the table shows comes first
    if options.keep not in KEEP:
        errors.append(f"--keep {options.keep}: unknown{did_you_mean(options.keep, KEEP)}. Known: {', '.join(KEEP)} "
                     "(benchmarks/experiments/trial.py)")  # fmt: skip
    # A SLURM job's device is the node's: this machine need not have one.
    elsewhere = not needs.trains or (options.cluster == "slurm" and options.device in ("auto", "cuda"))
    device = torch.device("cpu") if elsewhere else parse_device(options.device, errors)
    errors += find_engine_errors(options.engine, options.precision, None if elsewhere else device)
    if options.cluster not in clusters:
        errors.append(f"unknown cluster {options.cluster!r}. Known: {', '.join(clusters)} (slurm/launch.py)")
    workers = parse_count("--workers", options.workers, default_workers(device), errors)
    sources = parse_datasets(replace(options, like=like), default_datasets(needs, rows, preset), errors)
    if not needs.trains:
        if errors:
            raise UserErrors(errors)
        fixed_grid = grid_without_runs(rows, sources, options.preset)
        return Plan((), {}, options.preset, results, workers, options.cluster, fixed_grid)
    if root is None or root.is_dir():
        for source in sources:
            errors += datasets.find_errors(source, root)
    errors += find_missing_protocols(rows, sources)
    errors += [said for model in rows for source in sources for said in models.find_model_errors(model, source)]
    wanted = options.features or (preset.features if preset else "classifier")
    for source in sources:
        errors += find_feature_errors(wanted, source, device)
    if errors:
        raise UserErrors(errors)
    assert preset is not None  # else there would be a problem
    assert device is not None

    scorers: dict[str, Scorer] = {}
    trials: dict[tuple[str, str, int], Job] = {}
    for source in sources:
        try:
            data = datasets.load_cached(source, root)
            extractor = make_extractor(wanted, data.row, data.spec.shape, device)
            scorer = Scorer(data, extractor, images, options.allow_few)
        except ValueError as reason:
            errors.append(str(reason))
            continue
        if scorer.error:
            errors.append(scorer.error)
        scorers[data.name] = scorer
        variants = needs.variants or tuple(scorer.protocols)
        for model in rows:
            for seed in range(seeds):
                try:
                    trial = Trial.for_cell(model, data, options.preset, seed, options.precision)
                except ValueError as reason:
                    errors.append(f"{model} on {data.name}: {reason}")
                    break
                if said := find_loss_errors(model, trial.protocol.hyper.get("recon"), options.precision):
                    errors += said
                    break
                trials[model, data.name, seed] = Job(
                    trial, source, root, results, str(device), wanted, draws,
                    metrics, needs.sources, variants, needs.diagnostics, images, options.allow_few, progress,
                    code=zoo.entry(model).code, engine=options.engine, keep=options.keep,
                )  # fmt: skip
    if errors:
        raise UserErrors(errors)
    jobs = [trials[m, d, seed] for seed in range(seeds) for m in rows for d in scorers]
    needed = {job.trial.model: weights for job in jobs if (weights := job.trial.pretrained)}
    missing_weights = {model: weights for model, weights in needed.items() if weights.problem}
    plan = Plan(tuple(jobs), scorers, options.preset, results, workers, options.cluster, None, missing_weights)
    cannot = dict.fromkeys(job.trial.model for job in jobs if plan.state(job) == "missing weights")
    # The preset's rows that cannot be trained here leave the others alone; who names one wants it.
    if options.only is not None and cannot:
        raise UserErrors([f"{model} {missing_weights[model].problem}" for model in cannot])
    return plan


def default_workers(device: torch.device | None) -> int:
    """One per GPU; on a CPU one per core that this process may use, as a trial has one thread."""
    if device is not None and device.type != "cpu":
        return torch.cuda.device_count() if device.index is None else 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
