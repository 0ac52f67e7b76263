"""From a command's options to the trials of a table: everything is checked here, before anything starts.

All problems are collected and reported at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

import zoo
from benchmarks import protocols
from benchmarks.data import datasets
from benchmarks.data.datasets import Folder
from benchmarks.evaluation import extractors as features
from benchmarks.evaluation.metrics import METRICS
from benchmarks.evaluation.scoring import IMAGES, VARIANTS, Measure
from benchmarks.execution import models
from benchmarks.execution.grid import Grid
from benchmarks.execution.options import Options, Problems, count, names, parse_device
from benchmarks.execution.requirements import Requirements
from benchmarks.experiments import records
from benchmarks.experiments.checkpoint import forced
from benchmarks.experiments.trial import KEEP, Job, Trial, finished
from benchmarks.protocols import PRESETS, Preset, show
from benchmarks.training.engine import problems as engine_problems
from benchmarks.training.precision import loss_problems
from zoo.named import meant
from zoo.perceptual import Weights

DEFAULT = Requirements()  # those of Table 1


@dataclass(frozen=True)
class Plan:
    """What a table needs: its jobs, in the order in which they run, and how the table is laid out.

    Attributes:
        jobs: one per training, seed by seed, so that every cell has a number early.
        measures: data set -> what its models are compared with.
        preset: name of the budget.
        results: results folder.
        workers: processes.
        cluster: as `slurm.launch` takes it.
        fixed: the grid of a table that no training is of; it has no jobs, and needs no data.
        lacking: model -> weights that its training needs and that are not there.
    """

    jobs: tuple[Job, ...]
    measures: dict[str, Measure]
    preset: str
    results: Path
    workers: int
    cluster: str
    fixed: Grid | None = None
    lacking: Mapping[str, Weights] = field(default_factory=dict)

    def state(self, job: Job) -> str:
        """done, diverged, failed, pending, unusable or lacking.

        Unusable: there is a record that must be neither used nor replaced.  Lacking: not done, and not to be done here,
        as weights that its training needs are not there.
        """
        state = self._state(job)
        kept = (job.work / "weights.pt").is_file() and not forced(job.work, job.force)
        untrained = state in ("pending", "failed") and not kept
        return "lacking" if untrained and job.trial.model in self.lacking else state

    def _state(self, job: Job) -> str:
        try:
            record = records.find(self.results, job.trial.key)
        except records.RecordError:  # reading all of them says why
            return "unusable"
        if record is None or forced(job.work, job.force):
            return "pending"
        if finished(record, self.measures[job.trial.dataset], job) or record["status"] == "failed":
            return str(record["status"])
        return "pending"

    def pending(self) -> list[Job]:
        """Jobs that have something left to do; failed ones are tried again."""
        return [job for job in self.jobs if self.state(job) in ("pending", "failed")]

    def cells(self) -> Iterator[tuple[str, str, list[Job]]]:
        """Model, data set and the jobs of each cell, in the table's order."""
        pairs = dict.fromkeys((job.trial.model, job.trial.dataset) for job in self.jobs)
        for model, dataset in pairs:
            mine = [job for job in self.jobs if (job.trial.model, job.trial.dataset) == (model, dataset)]
            yield model, dataset, mine

    def grid(self) -> Grid:
        """The table's rows, columns, wanted trainings and caption."""
        if self.fixed is not None:
            return self.fixed
        keys = {(model, dataset): tuple(job.trial.key for job in jobs) for model, dataset, jobs in self.cells()}
        metrics = {measure.extractor.metric for measure in self.measures.values()}
        return Grid(
            models={model: zoo.entry(model).label for model, _ in keys},
            datasets={name: measure.data.spec.label for name, measure in self.measures.items()},
            keys=keys,
            metric=metrics.pop(),
            protocol_ids={name: measure.base.id for name, measure in self.measures.items()},
            preset=self.preset,
            draws=self.jobs[0].draws,
            protocols=tuple(measure.caption() for measure in self.measures.values()),
            notes=tuple(self._notes()),
            asides={(model, dataset): f"needs {self.lacking[model].name}" for model, dataset in self._without()},
            variants={(name, v): p.id for name, m in self.measures.items() for v, p in m.protocols.items()},
            labels={name: variant.label for name, variant in VARIANTS.items()},
            stages={
                (model, dataset): {name: s.epochs for name, s in jobs[0].trial.protocol.stages.items() if s.epochs}
                for model, dataset, jobs in self.cells()
            },
        )

    def _without(self) -> list[tuple[str, str]]:
        """Cells with trainings that cannot be done here."""
        return [(model, dataset) for model, dataset, jobs in self.cells()
                if model in self.lacking and any(self.state(job) == "lacking" for job in jobs)]  # fmt: skip

    def _notes(self) -> Iterator[str]:
        budget = PRESETS[self.preset]
        if budget.images or budget.steps:
            images = f"at most {budget.images:,} training images, " if budget.images else ""
            yield f"Budget: {images}at most {budget.steps:,} steps in each stage, schedules shortened in proportion."
        for name, measure in self.measures.items():
            for warning in measure.data.warnings:
                yield f"{name}: {warning}."
        own: dict[str, list[str]] = {}  # what is said of a row -> where it holds
        for model, dataset, _ in self.cells():
            said = protocols.own_rows(model, self.measures[dataset].data.row, self.preset)
            if said:
                own.setdefault(said, []).append(f"{zoo.entry(model).label} on {dataset}")
        for said, where in own.items():
            yield f"Settings of {', '.join(where)}: {said}."
        for model in dict.fromkeys(model for model, _ in self._without()):
            yield f"{zoo.entry(model).label} {self.lacking[model].problem}."


def plan(
    options: Options,
    clusters: Sequence[str],
    needs: Requirements = DEFAULT,
    name: str = "table1",
    problems: Sequence[str] = (),
) -> Plan:
    """Check a command and lay out its trials.  Reads data sets and records; trains and writes nothing.

    Args:
        options: the command.
        clusters: where trials can run.
        needs: what must be measured of each training.
        name: of the table or figure, for messages.
        problems: what else is known to be wrong with the command.

    Raises:
        Problems: with everything that is wrong.
    """
    wrong: list[str] = [*problems]
    if options.preset not in PRESETS:
        told = f"unknown preset {options.preset!r}{meant(options.preset, PRESETS)}"
        wrong.append(f"{told}. Known: {', '.join(PRESETS)} (benchmarks/protocols.py)")
    preset = PRESETS.get(options.preset)
    only = names(options.only) if options.only is not None else [*_usual(needs, preset)]
    if not only and preset:
        wrong.append(f"{name} is of {', '.join(needs.models or ())}, which this version does not have")
    given = names(options.like) if options.like is not None else []
    like, lender = models.lenders(given, only, "folder:" in (options.on or ""), wrong)
    rows = models.chosen(only, lender, options.recon, wrong)
    results = Path(options.results)
    nearest = next(path for path in (results, *results.absolute().parents) if path.exists())
    if not nearest.is_dir():
        wrong.append(f"--results {options.results}: there is a file of that name")
    elif not os.access(nearest, os.W_OK):
        wrong.append(f"--results {options.results}: there is no right to write in {nearest}")
    root = Path(options.data_root) if options.data_root and needs.trains else None
    if root is not None and not root.is_dir():
        wrong.append(f"the data root {options.data_root} is not a folder; give another --data-root (or AE_BENCH_DATA)")
    seeds = count("--seeds", options.seeds, preset.seeds if preset else 1, wrong)
    draws = count("--draws", options.draws, preset.draws if preset else 1, wrong)
    images = count("--images", options.images, IMAGES, wrong)
    curved = needs.learning_curve and preset
    progress = count("--progress", options.progress, preset.progress if curved and preset else 0, wrong)
    metrics = tuple(names(options.metrics or "fd"))
    if unknown := [repr(name) for name in metrics if name not in METRICS]:
        wrong.append(
            f"unknown metric {', '.join(unknown)}. Known: {', '.join(METRICS)} (benchmarks/evaluation/metrics.py)"
        )
    else:
        metrics = tuple(dict.fromkeys((*needs.metrics, *metrics)))  # what the table shows comes first
    if options.keep not in KEEP:
        wrong.append(f"--keep {options.keep}: unknown{meant(options.keep, KEEP)}. Known: {', '.join(KEEP)} "
                     "(benchmarks/experiments/trial.py)")  # fmt: skip
    # A SLURM job's device is the node's: this machine need not have one.
    elsewhere = not needs.trains or (options.cluster == "slurm" and options.device in ("auto", "cuda"))
    device = torch.device("cpu") if elsewhere else parse_device(options.device, wrong)
    wrong += engine_problems(options.engine, options.precision, None if elsewhere else device)
    if options.cluster not in clusters:
        wrong.append(f"unknown cluster {options.cluster!r}. Known: {', '.join(clusters)} (slurm/launch.py)")
    workers = count("--workers", options.workers, _processes(device), wrong)
    sources = _sources(replace(options, like=like), _datasets(needs, rows, preset), wrong)
    if not needs.trains:
        if wrong:
            raise Problems(wrong)
        fixed = _of_names(rows, sources, options.preset)
        return Plan((), {}, options.preset, results, workers, options.cluster, fixed)
    if root is None or root.is_dir():
        for source in sources:
            wrong += datasets.problems(source, root)
    wrong += _rows(rows, sources)
    wrong += [said for model in rows for source in sources for said in models.problems(model, source)]
    wanted = options.features or (preset.features if preset else "classifier")
    for source in sources:
        wrong += _feature_problems(wanted, source, device)
    if wrong:
        raise Problems(wrong)
    assert preset is not None  # else there would be a problem
    assert device is not None

    measures: dict[str, Measure] = {}
    trials: dict[tuple[str, str, int], Job] = {}
    for source in sources:
        try:
            data = datasets.load_cached(source, root)
            extractor = features.extractor(wanted, data.row, data.spec.shape, device)
            measure = Measure(data, extractor, images, options.allow_few)
        except ValueError as reason:
            wrong.append(str(reason))
            continue
        if measure.problem:
            wrong.append(measure.problem)
        measures[data.name] = measure
        variants = needs.variants or tuple(measure.protocols)
        for model in rows:
            for seed in range(seeds):
                try:
                    trial = Trial.of(model, data, options.preset, seed, options.precision)
                except ValueError as reason:
                    wrong.append(f"{model} on {data.name}: {reason}")
                    break
                if said := loss_problems(model, trial.protocol.hyper.get("recon"), options.precision):
                    wrong += said
                    break
                trials[model, data.name, seed] = Job(
                    trial, source, root, results, str(device), wanted, draws,
                    metrics, needs.sources, variants, needs.diagnostics, images, options.allow_few, progress,
                    code=zoo.entry(model).code, engine=options.engine, keep=options.keep,
                )  # fmt: skip
    if wrong:
        raise Problems(wrong)
    jobs = [trials[m, d, seed] for seed in range(seeds) for m in rows for d in measures]
    needed = {job.trial.model: weights for job in jobs if (weights := job.trial.pretrained)}
    lacking = {model: weights for model, weights in needed.items() if weights.problem}
    found = Plan(tuple(jobs), measures, options.preset, results, workers, options.cluster, None, lacking)
    cannot = dict.fromkeys(job.trial.model for job in jobs if found.state(job) == "lacking")
    # The preset's rows that cannot be trained here leave the others alone; who names one wants it.
    if options.only is not None and cannot:
        raise Problems([f"{model} {lacking[model].problem}" for model in cannot])
    return found


def _of_names(rows: Sequence[str], sources: Sequence[str | Folder], preset: str) -> Grid:
    """The grid of a table that no training is of: names and labels alone."""
    called = [(source.name if isinstance(source, Folder) else source, datasets.spec(source)) for source in sources]
    return Grid(
        models={model: zoo.entry(model).label for model in rows},
        datasets={name: spec.label for name, spec in called},
        keys={},
        metric="",
        protocol_ids={},
        preset=preset,
    )


def _usual(needs: Requirements, preset: Preset | None) -> tuple[str, ...]:
    """The rows where the command names none: the table's, of those that there are, or the preset's."""
    if needs.models is not None:
        return tuple(name for name in needs.models if name in zoo.MODELS)
    return preset.models if preset else ()


def _datasets(needs: Requirements, models: Sequence[str], preset: Preset | None) -> tuple[str, ...]:
    """The columns where the command names none: a figure's, at the paper's budget, those with a protocol."""
    if preset is None or needs.datasets is None or preset is not PRESETS["paper"]:
        return preset.datasets if preset else ()
    return tuple(name for name in needs.datasets if any(protocols.has_row(model, name) for model in models))


def seconds_per_step(results: Path) -> dict[tuple[str, str, str], float]:
    """(model, data set, stage) -> seconds per step as the records of a results folder have measured them."""
    _, epochs = records.read(results)
    if epochs.empty:
        return {}
    sums = epochs.groupby(["model", "dataset", "stage"], as_index=False)[["seconds", "steps"]].sum()
    return {(row["model"], row["dataset"], row["stage"]): row["seconds"] / row["steps"] for _, row in sums.iterrows()}


def settings(trial: Trial) -> list[str]:
    """How a trial is trained, one line per stage."""
    lines = []
    for name, s in trial.protocol.stages.items():
        parts = [f"{s.epochs} epochs", f"batch {s.batch}", f"lr {show(s.lr)}"]
        parts += [f"x{factor:.3g} from epoch {epoch}" for epoch, factor in s.factors.items()]
        parts += [f"weight decay {show(s.weight_decay)}"] if s.weight_decay else []
        parts += [f"betas {show(s.betas)}"] if s.betas != (0.9, 0.999) else []
        parts += [f"at most {s.steps} steps"] if s.steps is not None else []
        lines.append(f"{name}: {', '.join(parts)}")
    hyper = show(trial.protocol.hyper)
    return [*lines, f"{hyper + '; ' if hyper else ''}source {trial.protocol.source} (row {trial.row})"]


def _columns(text: str) -> list[str]:
    """Data sets of --on; a folder comes last, as its path may hold a comma."""
    listed, folder, path = text.partition("folder:")
    return [name for name in names(listed) if name or not folder] + ([folder + path] if folder else [])


def _message(call: Any, *arguments: Any) -> str:
    """What a call that must fail says."""
    try:
        call(*arguments)
    except ValueError as error:
        return str(error)
    raise AssertionError(f"{call} accepted {arguments}")


def _processes(device: torch.device | None) -> int:
    """One per GPU; on a CPU one per core that this process may use, as a trial has one thread."""
    if device is not None and device.type != "cpu":
        return torch.cuda.device_count() if device.index is None else 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _sources(options: Options, default: tuple[str, ...], wrong: list[str]) -> list[str | Folder]:
    sources: list[str | Folder] = []
    for text in _columns(options.on) if options.on is not None else default:
        if not text.startswith("folder:"):
            if text in datasets.DATASETS:
                sources.append(text)
            else:
                wrong.append(_message(datasets.spec, text))
            continue
        lacking = [f"--{o} {o.upper()}" for o in ("name", "like") if getattr(options, o) is None]
        if lacking:
            wrong.append(f"{text} needs {' and '.join(lacking)}: how records call it, and whose protocols it uses")
            continue
        folder = Folder(Path(text.removeprefix("folder:")), options.name or "", options.like or "")
        try:
            datasets.spec(folder)
        except ValueError as error:
            wrong.append(str(error))
            continue
        sources.append(folder)
    if "folder:" not in (options.on or ""):
        wrong += [f"--{o} belongs to --on folder:PATH" for o in ("name", "like") if getattr(options, o) is not None]
    return sources


def _rows(rows: list[str], sources: list[str | Folder]) -> list[str]:
    """Cells without a protocol."""
    wrong = []
    for model in rows:
        for source in sources:
            row = source.like if isinstance(source, Folder) else source
            try:
                protocols.row(model, row)
            except ValueError as error:
                wrong.append(str(error))
    return wrong


def _feature_problems(wanted: str, source: str | Folder, device: torch.device | None) -> list[str]:
    row = source.like if isinstance(source, Folder) else source
    try:
        features.extractor(wanted, row, datasets.spec(source).shape, device or torch.device("cpu"))
    except ValueError as error:
        return [str(error)]
    return []
