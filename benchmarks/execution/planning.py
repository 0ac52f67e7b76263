"""From a command's options to a plan: everything is checked here, before anything starts.

All errors are collected and reported at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

import zoo
from benchmarks.data import datasets
from benchmarks.data.datasets import ImageFolder
from benchmarks.evaluation.extractors import make_extractor
from benchmarks.evaluation.scoring import Scorer
from benchmarks.execution import models
from benchmarks.execution.options import Options, UserErrors
from benchmarks.execution.plan import Plan
from benchmarks.execution.request import Request, parse_request
from benchmarks.execution.requirements import Requirements
from benchmarks.execution.selection import find_feature_errors, find_missing_protocols, grid_without_runs
from benchmarks.experiments.job import Job
from benchmarks.experiments.trial import Trial
from benchmarks.training.precision import find_loss_errors
from zoo.perceptual import Weights

DEFAULT = Requirements()  # those of Table 1


def make_plan(
    options: Options,
    clusters: Sequence[str],
    needs: Requirements = DEFAULT,
    name: str = "table1",
    known_errors: Sequence[str] = (),
) -> Plan:
    """Check a command and list its runs. Reads data sets and records; trains and writes nothing.

    Args:
        options: the command.
        clusters: where runs can be made.
        needs: what must be measured of each run.
        name: name of the table or figure, for messages.
        known_errors: errors of the command that were found before.

    Raises:
        UserErrors: all errors of the command.
    """
    errors = [*known_errors]
    request = parse_request(options, clusters, needs, name, errors)
    if not needs.trains:
        _raise_if_any(errors)
        fixed_grid = grid_without_runs(request.models, request.sources, options.preset)
        return Plan((), {}, options.preset, request.results, request.workers, options.cluster, fixed_grid)
    errors += _find_errors(request)
    _raise_if_any(errors)
    scorers = _make_scorers(request, options.allow_few, errors)
    jobs = _make_jobs(request, scorers, options, needs, errors)
    _raise_if_any(errors)
    return _check_weights(
        Plan(tuple(jobs), {scorer.data.name: scorer for _, scorer in scorers}, options.preset, request.results,
             request.workers, options.cluster, None, _missing_weights(jobs)),
        is_explicit=options.only is not None,
    )  # fmt: skip


def _raise_if_any(errors: list[str]) -> None:
    if errors:
        raise UserErrors(errors)


def _find_errors(request: Request) -> list[str]:
    """Errors of data sets, protocols, models and features, all found before any image is read."""
    errors = []
    if request.data_root is None or request.data_root.is_dir():
        for source in request.sources:
            errors += datasets.find_errors(source, request.data_root)
    errors += find_missing_protocols(request.models, request.sources)
    for model in request.models:
        for source in request.sources:
            errors += models.find_model_errors(model, source)
    for source in request.sources:
        errors += find_feature_errors(request.features, source, request.device)
    return errors


def _make_scorers(request: Request, allow_few: bool, errors: list[str]) -> list[tuple[str | ImageFolder, Scorer]]:
    """Read each data set, and make what scores its models; errors are added to `errors`."""
    scorers = []
    for source in request.sources:
        try:
            data = datasets.load_cached(source, request.data_root)
            device = request.device or torch.device("cpu")
            extractor = make_extractor(request.features, data.row, data.spec.shape, device)
            scorer = Scorer(data, extractor, request.images, allow_few)
        except ValueError as reason:
            errors.append(str(reason))
            continue
        if scorer.error:
            errors.append(scorer.error)
        scorers.append((source, scorer))
    return scorers


def _make_jobs(
    request: Request,
    scorers: Sequence[tuple[str | ImageFolder, Scorer]],
    options: Options,
    needs: Requirements,
    errors: list[str],
) -> list[Job]:
    """One job per seed, model and data set, seed by seed; errors are added to `errors`."""
    jobs: dict[tuple[int, str, str], Job] = {}
    for source, scorer in scorers:
        data = scorer.data
        for model in request.models:
            for seed in range(request.seeds):
                try:
                    trial = Trial.for_cell(model, data, options.preset, seed, options.precision)
                except ValueError as reason:
                    errors.append(f"{model} on {data.name}: {reason}")
                    break
                if loss_errors := find_loss_errors(model, trial.protocol.hyper.get("recon"), options.precision):
                    errors += loss_errors
                    break
                jobs[seed, model, data.name] = Job(
                    trial, source, request.data_root, request.results, str(request.device), request.features,
                    request.draws, request.metrics, needs.sources, needs.variants or tuple(scorer.protocols),
                    needs.diagnostics, request.images, options.allow_few, request.eval_every,
                    code=zoo.entry(model).code, engine=options.engine, keep=options.keep,
                )  # fmt: skip
    if errors:
        return []
    dataset_names = dict.fromkeys(scorer.data.name for _, scorer in scorers)
    return [jobs[seed, model, name]
            for seed in range(request.seeds) for model in request.models for name in dataset_names]  # fmt: skip


def _missing_weights(jobs: Sequence[Job]) -> dict[str, Weights]:
    """Model -> published weights that its loss needs and that are not on this machine."""
    needed = {job.trial.model: weights for job in jobs if (weights := job.trial.pretrained)}
    return {model: weights for model, weights in needed.items() if weights.problem}


def _check_weights(plan: Plan, is_explicit: bool) -> Plan:
    """Return the plan, unless a model that the user has named cannot be trained here.

    Models of a preset that cannot be trained here do not keep the others from being trained.

    Raises:
        UserErrors: such models, and why.
    """
    untrainable = dict.fromkeys(job.trial.model for job in plan.jobs if plan.state(job) == "missing weights")
    if is_explicit and untrainable:
        raise UserErrors([f"{model} {plan.missing_weights[model].problem}" for model in untrainable])
    return plan
