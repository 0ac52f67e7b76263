"""From a command's options to the trials of a table: everything is checked here, before anything starts.

All problems are collected and reported at once.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

import zoo
from benchmarks import datasets, features, models, protocols, records
from benchmarks.autocast import loss_problems
from benchmarks.datasets import Folder
from benchmarks.engine import problems as engine_problems
from benchmarks.evaluation import IMAGES, VARIANTS, Measure
from benchmarks.figures import FIGURES
from benchmarks.figures import Kind as Figure
from benchmarks.layouts import FORMATS
from benchmarks.metrics import METRICS
from benchmarks.protocols import PRESETS, Preset, show
from benchmarks.tables import TABLES, Grid
from benchmarks.tables import Kind as Table
from benchmarks.trial import KEEP, Job, Trial, finished, loaded
from benchmarks.verdicts import MARGIN
from benchmarks.work import forced
from zoo.named import meant
from zoo.perceptual import Weights

KINDS: dict[str, Table | Figure] = {**TABLES, **FIGURES}  # what can be asked for


class Problems(ValueError):
    """All that is wrong with a command."""

    def __init__(self, problems: list[str]):
        super().__init__("\n".join(problems))
        self.problems = list(dict.fromkeys(problems))


@dataclass(frozen=True)
class Options:
    """The command line, as text where it can be wrong; `None` means the preset's or the machine's default."""

    preset: str = "paper"
    only: str | None = None
    on: str | None = None
    name: str | None = None
    like: str | None = None
    recon: str | None = None
    seeds: str | None = None
    draws: str | None = None
    features: str | None = None
    metrics: str | None = None
    images: str | None = None
    allow_few: bool = False
    progress: str | None = None
    format: str | None = None
    decimals: str | None = None
    margin: str | None = None
    data_root: str | None = None
    results: str = "results/local"
    cluster: str = "auto"
    workers: str | None = None
    device: str = "auto"
    precision: str = "fp32"
    engine: str = "auto"
    keep: str = "weights"


@dataclass(frozen=True)
class Look:
    """How a table is to look.

    Attributes:
        formats: keys of `layouts.FORMATS`.
        decimals: digits behind the point; None: as many as the table's numbers need.
        margin: share of a published value within which ours counts as equal to it.
    """

    formats: tuple[str, ...]
    decimals: int | None
    margin: float

    @classmethod
    def of(cls, options: Options, wrong: list[str]) -> Look:
        """As the command line says; what is wrong with it is added to `wrong`."""
        formats = tuple(names(options.format)) if options.format is not None else tuple(FORMATS)
        if unknown := [repr(name) for name in formats if name not in FORMATS]:
            wrong.append(f"unknown format {', '.join(unknown)}. Known: {', '.join(FORMATS)} (benchmarks/layouts.py)")
        digits = options.decimals
        if digits is not None and not (len(digits) == 1 and digits in "0123456789"):
            wrong.append(f"--decimals must be a digit from 0 to 9, got {digits!r}")
            digits = None
        try:
            margin = MARGIN if options.margin is None else float(options.margin)
        except ValueError:
            margin = math.nan
        if not 0 < margin < 1:
            wrong.append(f"--margin must be a share of the paper's number between 0 and 1, got {options.margin!r}")
        return cls(formats, None if digits is None else int(digits), margin)


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
        look: how the table is to look.
        fixed: the grid of a table that no training is of; it has no jobs, and needs no data.
        lacking: model -> weights that its training needs and that are not there.
    """

    jobs: tuple[Job, ...]
    measures: dict[str, Measure]
    preset: str
    results: Path
    workers: int
    cluster: str
    look: Look
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
            decimals=self.look.decimals,
            margin=self.look.margin,
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


def plan(options: Options, clusters: Sequence[str], table: str = "table1") -> Plan:
    """Check a command and lay out its trials.  Reads data sets and records; trains and writes nothing.

    Args:
        options: the command.
        clusters: where trials can run.
        table: a key of `KINDS`: what must be measured of each training.

    Raises:
        Problems: with everything that is wrong.
    """
    wrong: list[str] = []
    if options.preset not in PRESETS:
        told = f"unknown preset {options.preset!r}{meant(options.preset, PRESETS)}"
        wrong.append(f"{told}. Known: {', '.join(PRESETS)} (benchmarks/protocols.py)")
    preset = PRESETS.get(options.preset)
    kind = KINDS[table]
    only = names(options.only) if options.only is not None else [*_usual(kind, preset)]
    if not only and preset:
        wrong.append(f"{table} is of {', '.join(kind.models or ())}, which this version does not have")
    given = names(options.like) if options.like is not None else []
    like, lender = models.lenders(given, only, "folder:" in (options.on or ""), wrong)
    rows = models.chosen(only, lender, options.recon, wrong)
    results = Path(options.results)
    nearest = next(path for path in (results, *results.absolute().parents) if path.exists())
    if not nearest.is_dir():
        wrong.append(f"--results {options.results}: there is a file of that name")
    elif not os.access(nearest, os.W_OK):
        wrong.append(f"--results {options.results}: there is no right to write in {nearest}")
    root = Path(options.data_root) if options.data_root and kind.trains else None
    if root is not None and not root.is_dir():
        wrong.append(f"the data root {options.data_root} is not a folder; give another --data-root (or AE_BENCH_DATA)")
    seeds = count("--seeds", options.seeds, preset.seeds if preset else 1, wrong)
    draws = count("--draws", options.draws, preset.draws if preset else 1, wrong)
    images = count("--images", options.images, IMAGES, wrong)
    curved = isinstance(kind, Figure) and kind.panels and preset
    progress = count("--progress", options.progress, preset.progress if curved and preset else 0, wrong)
    metrics = tuple(names(options.metrics or "fd"))
    if unknown := [repr(name) for name in metrics if name not in METRICS]:
        wrong.append(f"unknown metric {', '.join(unknown)}. Known: {', '.join(METRICS)} (benchmarks/metrics.py)")
    else:
        metrics = tuple(dict.fromkeys((*kind.metrics, *metrics)))  # what the table shows comes first
    if options.keep not in KEEP:
        wrong.append(f"--keep {options.keep}: unknown{meant(options.keep, KEEP)}. Known: {', '.join(KEEP)} "
                     "(benchmarks/trial.py)")  # fmt: skip
    # A SLURM job's device is the node's: this machine need not have one.
    elsewhere = not kind.trains or (options.cluster == "slurm" and options.device in ("auto", "cuda"))
    device = torch.device("cpu") if elsewhere else parse_device(options.device, wrong)
    wrong += engine_problems(options.engine, options.precision, None if elsewhere else device)
    if options.cluster not in clusters:
        wrong.append(f"unknown cluster {options.cluster!r}. Known: {', '.join(clusters)} (slurm/launch.py)")
    workers = count("--workers", options.workers, _processes(device), wrong)
    look = Look.of(options, wrong)
    sources = _sources(replace(options, like=like), _datasets(kind, rows, preset), wrong)
    if not kind.trains:
        if wrong:
            raise Problems(wrong)
        fixed = _of_names(rows, sources, options.preset, look)
        return Plan((), {}, options.preset, results, workers, options.cluster, look, fixed)
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
            data = loaded(source, root)
            extractor = features.extractor(wanted, data.row, data.spec.shape, device)
            measure = Measure(data, extractor, images, options.allow_few)
        except ValueError as reason:
            wrong.append(str(reason))
            continue
        if measure.problem:
            wrong.append(measure.problem)
        measures[data.name] = measure
        variants = kind.variants or tuple(measure.protocols)
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
                    metrics, kind.sources, variants, kind.diagnostics, images, options.allow_few, progress,
                    code=zoo.entry(model).code, engine=options.engine, keep=options.keep,
                )  # fmt: skip
    if wrong:
        raise Problems(wrong)
    jobs = [trials[m, d, seed] for seed in range(seeds) for m in rows for d in measures]
    needed = {job.trial.model: weights for job in jobs if (weights := job.trial.pretrained)}
    lacking = {model: weights for model, weights in needed.items() if weights.problem}
    found = Plan(tuple(jobs), measures, options.preset, results, workers, options.cluster, look, None, lacking)
    cannot = dict.fromkeys(job.trial.model for job in jobs if found.state(job) == "lacking")
    # The preset's rows that cannot be trained here leave the others alone; who names one wants it.
    if options.only is not None and cannot:
        raise Problems([f"{model} {lacking[model].problem}" for model in cannot])
    return found


def _of_names(rows: Sequence[str], sources: Sequence[str | Folder], preset: str, look: Look) -> Grid:
    """The grid of a table that no training is of: names and labels alone."""
    called = [(source.name if isinstance(source, Folder) else source, datasets.spec(source)) for source in sources]
    return Grid(
        models={model: zoo.entry(model).label for model in rows},
        datasets={name: spec.label for name, spec in called},
        keys={},
        metric="",
        protocol_ids={},
        preset=preset,
        decimals=look.decimals,
        margin=look.margin,
    )


def _usual(kind: Table | Figure, preset: Preset | None) -> tuple[str, ...]:
    """The rows where the command names none: the table's, of those that there are, or the preset's."""
    if kind.models is not None:
        return tuple(name for name in kind.models if name in zoo.MODELS)
    return preset.models if preset else ()


def _datasets(kind: Table | Figure, models: Sequence[str], preset: Preset | None) -> tuple[str, ...]:
    """The columns where the command names none: a figure's, at the paper's budget, those with a protocol."""
    if preset is None or not isinstance(kind, Figure) or preset is not PRESETS["paper"]:
        return preset.datasets if preset else ()
    return tuple(name for name in kind.datasets if any(protocols.has_row(model, name) for model in models))


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


def names(text: str) -> list[str]:
    """What an option lists, each once."""
    return list(dict.fromkeys(name.strip() for name in text.split(",")))


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


def count(option: str, text: str | None, default: int, wrong: list[str]) -> int:
    """The whole number of an option; what is wrong with it is added to `wrong`."""
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        wrong.append(f"{option} must be a whole number from 1 on, got {text!r}")
        return 1
    return int(text)


def _processes(device: torch.device | None) -> int:
    """One per GPU; on a CPU one per core that this process may use, as a trial has one thread."""
    if device is not None and device.type != "cpu":
        return torch.cuda.device_count() if device.index is None else 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parse_device(text: str, wrong: list[str]) -> torch.device | None:
    """The device of `--device`; what is wrong with it is added to `wrong`."""
    if text == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = text.partition(":")
    if kind not in ("cpu", "cuda") or (index and not (kind == "cuda" and index.isdigit())):
        wrong.append(f"unknown device {text!r}. Known: auto, cpu, cuda, cuda:N")
        return None
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "cuda" and int(index or 0) >= count:
        wrong.append(f"there is no device {text!r} here: torch sees {count} GPU{'' if count == 1 else 's'}")
        return None
    return torch.device(text)


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
