"""From a command's options to a plan: everything is checked here, before anything starts.

All errors are collected and reported at once. Errors of the command come first, and what this machine lacks is left
out then: it may be a consequence of a typo.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

import zoo
from benchmarks.data import datasets
from benchmarks.data.datasets import ImageFolder
from benchmarks.data.paths import DataError
from benchmarks.evaluation.extractors import MissingWeights, UntrainedClassifier
from benchmarks.evaluation.residual.checks import find_class_errors
from benchmarks.evaluation.scoring import Scorer
from benchmarks.execution import models
from benchmarks.execution.options import MissingErrors, Options, UserErrors
from benchmarks.execution.plan import Outline, Plan
from benchmarks.execution.request import Request, parse_request
from benchmarks.execution.requirements import Requirements
from benchmarks.execution.selection import (
    UntrainedClassifiers,
    describe_untrained,
    find_feature_error,
    find_missing_protocols,
    grid_without_runs,
    has_own_classifier,
    job_features,
    make_dataset_extractor,
)
from benchmarks.experiments.job import Job
from benchmarks.experiments.trial import Trial
from benchmarks.training.precision import find_loss_errors
from zoo.perceptual import Weights

DEFAULT = Requirements()  # those of Table 1
NO_DATA, NO_FEATURES = "the data is missing", "the weights of the features are missing"


def make_plan(
    options: Options,
    clusters: Sequence[str],
    needs: Requirements = DEFAULT,
    name: str = "table1",
    known_errors: Sequence[str] = (),
    dry_run: bool = False,
) -> Plan:
    """Check a command and list its runs. Reads data sets and records; trains and writes nothing.

    Args:
        options: the command.
        clusters: where runs can be made.
        needs: what must be measured of each run.
        name: name of the table or figure, for messages.
        known_errors: errors of the command that were found before.
        dry_run: the plan is only shown: what this machine lacks is no error, and is named in the plan.

    Raises:
        UntrainedClassifiers: the command is right, but classifiers of its images must be trained first.
        MissingErrors: the command is right, but this machine lacks data, weights or a GPU for it.
        UserErrors: all errors of the command.
    """
    errors, missing = [*known_errors], list[str]()
    request = parse_request(options, clusters, needs, name, errors, missing)
    if not needs.trains:
        _raise_if_any(errors)
        fixed_grid = grid_without_runs(request.models, request.sources, options.preset)
        return Plan((), {}, options.preset, request.results, request.workers, options.cluster, fixed_grid)
    missing_gpu = [*missing]
    on_gpu = bool(missing_gpu) or (request.device is not None and request.device.type != "cpu")
    unknown = _find_errors(request, errors, missing)
    if errors:
        raise UserErrors(errors if dry_run else [*errors, *missing_gpu])
    if missing and not dry_run:
        raise MissingErrors(missing)
    scorers = _make_scorers(request, options.allow_few, unknown, errors, missing)
    jobs = _make_jobs(request, scorers, options, needs, errors)
    outlines = _make_outlines(request, unknown, options, errors)
    _raise_if_any(errors)
    weights = _missing_weights([job.trial for job in jobs])
    outlined = _missing_weights([outline.trials[0] for outline in outlines])
    missing += [f"{model} {file.problem}" for model, file in outlined.items() if model not in weights]
    untrained = [source for source, scorer in scorers
                 if isinstance(scorer.extractor, UntrainedClassifier) and isinstance(source, ImageFolder)]  # fmt: skip
    missing += [describe_untrained(source) for source in untrained] if dry_run else []
    plan = Plan(tuple(jobs), {scorer.data.name: scorer for _, scorer in scorers}, options.preset, request.results,
                request.workers, options.cluster, None, weights, tuple(missing), tuple(outlines), on_gpu,
                request.runs_per_gpu)  # fmt: skip
    if dry_run:
        return plan
    if missing:
        raise MissingErrors(missing)
    plan = _check_weights(plan, is_explicit=options.only is not None)
    if untrained:
        raise UntrainedClassifiers(untrained, request.device or torch.device("cpu"))
    return plan


def _raise_if_any(errors: list[str]) -> None:
    if errors:
        raise UserErrors(errors)


def _find_errors(request: Request, errors: list[str], missing: list[str]) -> dict[str, str]:
    """Find errors of data sets, protocols, models and features, before any image is read.

    Args:
        request: the request.
        errors: takes the errors of the command.
        missing: takes what this machine lacks.

    Returns:
        Data set -> why the states of its runs cannot be known here, for those of which something is missing.
    """
    unknown = {}
    if request.data_root is None or request.data_root.is_dir():
        for source in request.sources:
            problems = datasets.find_errors(source, request.data_root)
            if isinstance(source, ImageFolder):
                errors += problems
            elif problems:
                missing += problems
                unknown[source] = NO_DATA
    errors += find_missing_protocols(request.models, request.sources)
    for model in request.models:
        for source in request.sources:
            errors += models.find_model_errors(model, source)
    errors += models.find_change_errors(request.models, request.sources, request.changes)
    for source in request.sources:
        if isinstance(source, ImageFolder) and has_own_classifier(request.features, source):
            errors += find_class_errors(source)
            continue
        error = find_feature_error(request.features, source, request.device)
        if isinstance(error, MissingWeights):
            missing += [] if str(error) in missing else [str(error)]
            unknown.setdefault(_name(source), NO_FEATURES)
        elif error is not None:
            errors.append(str(error))
    return unknown


def _name(source: str | ImageFolder) -> str:
    return source.name if isinstance(source, ImageFolder) else source


def _make_scorers(
    request: Request, allow_few: bool, unknown: dict[str, str], errors: list[str], missing: list[str]
) -> list[tuple[str | ImageFolder, Scorer]]:
    """Read each data set, and make what scores its models.

    Args:
        request: the request.
        allow_few: accept no more images than features.
        unknown: data sets of which something is missing, which get no scorer; takes those that cannot be read.
        errors: takes the errors of the command.
        missing: takes the messages about data that cannot be read.
    """
    scorers = []
    for source in request.sources:
        if _name(source) in unknown:
            continue
        try:
            data = datasets.load_cached(source, request.data_root)
            device = request.device or torch.device("cpu")
            extractor = make_dataset_extractor(request.features, source, data, device)
            scorer = Scorer(data, extractor, request.images, allow_few)
        except DataError as reason:
            if isinstance(source, ImageFolder):
                errors.append(str(reason))
            else:
                missing.append(str(reason))
                unknown[source] = NO_DATA
            continue
        except ValueError as reason:
            errors += reason.errors if isinstance(reason, UserErrors) else [str(reason)]
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
            for seed in request.seeds:
                try:
                    trial = Trial.for_cell(model, data, options.preset, seed, options.precision, request.changes)
                except ValueError as reason:
                    errors.append(f"{model} on {data.name}: {reason}")
                    break
                if loss_errors := find_loss_errors(model, trial.protocol.hyper.get("recon"), options.precision):
                    errors += loss_errors
                    break
                jobs[seed, model, data.name] = Job(
                    trial, source, request.data_root, request.results, str(request.device or "cuda"),
                    job_features(request.features, scorer.extractor), request.draws, request.metrics, needs.sources,
                    needs.variants or tuple(scorer.protocols), needs.diagnostics, request.images, options.allow_few,
                    request.eval_every, code=zoo.entry(model).code, engine=options.engine,
                    nondeterministic=options.nondeterministic, keep=options.keep,
                )  # fmt: skip
    if errors:
        return []
    dataset_names = dict.fromkeys(scorer.data.name for _, scorer in scorers)
    return [jobs[seed, model, name]
            for seed in request.seeds for model in request.models for name in dataset_names]  # fmt: skip


def _make_outlines(request: Request, unknown: Mapping[str, str], options: Options, errors: list[str]) -> list[Outline]:
    """The cells of the data sets of which something is missing; errors are added to `errors`."""
    outlines = []
    for source in request.sources:
        name, spec = _name(source), datasets.dataset_spec(source)
        if name not in unknown:
            continue
        row = source.like if isinstance(source, ImageFolder) else source
        if unknown[name] == NO_DATA:
            count = spec.counts[0] if spec.counts else spec.expected or 0
        else:
            count = len(datasets.load_cached(source, request.data_root).train)
        for model in request.models:
            try:
                trials = [Trial.for_images(model, name, row, spec, count, "", options.preset, seed, options.precision,
                                           request.changes) for seed in request.seeds]  # fmt: skip
            except ValueError as reason:
                errors.append(f"{model} on {name}: {reason}")
                continue
            outlines.append(Outline(tuple(trials), unknown[name]))
    return outlines


def _missing_weights(trials: Sequence[Trial]) -> dict[str, Weights]:
    """Model -> published weights that its loss needs and that are not on this machine."""
    needed = {trial.model: weights for trial in trials if (weights := trial.pretrained)}
    return {model: weights for model, weights in needed.items() if weights.problem}


def _check_weights(plan: Plan, is_explicit: bool) -> Plan:
    """Return the plan, unless a model that the user has named cannot be trained here.

    Models of a preset that cannot be trained here do not keep the others from being trained.

    Raises:
        MissingErrors: such models, and why.
    """
    untrainable = dict.fromkeys(job.trial.model for job in plan.jobs if plan.state(job) == "missing weights")
    if is_explicit and untrainable:
        raise MissingErrors([f"{model} {plan.missing_weights[model].problem}" for model in untrainable])
    return plan
