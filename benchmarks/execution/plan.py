"""A plan: the runs that a table or figure needs, their states, and the grid of its cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from benchmarks.data.datasets import DATASETS
from benchmarks.evaluation.protocol import VARIANTS
from benchmarks.evaluation.scoring import Scorer
from benchmarks.execution.requirements import Grid
from benchmarks.experiments import records
from benchmarks.experiments.job import Job, is_finished
from benchmarks.experiments.log import has_file
from benchmarks.experiments.restart import is_forced
from benchmarks.experiments.trial import Trial
from benchmarks.settings_text import describe_own_settings, show
from benchmarks.training.engine import default_runs_per_gpu
from zoo.perceptual import Weights


@dataclass(frozen=True)
class Outline:
    """A cell of a dry run whose run keys cannot be computed, because something is missing.

    Attributes:
        trials: one per seed, without the fingerprint of the training images.
        reason: why the states of its runs are unknown.
    """

    trials: tuple[Trial, ...]
    reason: str


@dataclass(frozen=True)
class Plan:
    """What a table or figure needs: its jobs, in the order in which they run, and the grid of its cells.

    Attributes:
        jobs: one per run, ordered by seed, so that every cell has a number early.
        scorers: data set -> what scores its models.
        preset: name of the budget.
        results: results folder.
        workers: processes.
        cluster: as `slurm.launch` takes it.
        fixed_grid: the grid of a table without runs; the plan then has no jobs and needs no data.
        missing_weights: model -> weights that its loss needs and that are not on this machine.
        missing: for a dry run: what this machine lacks for the runs, one message each.
        outlines: for a dry run: the cells whose runs have no jobs, because something is missing.
        on_gpu: whether the command needs a GPU; on SLURM, each job has its own device.
        runs_per_gpu: how many runs a process trains at once on its GPU; None means the default of the data set.
    """

    SKIPPED: ClassVar = ("missing weights", "unreadable")  # states of jobs that are not run

    jobs: tuple[Job, ...]
    scorers: dict[str, Scorer]
    preset: str
    results: Path
    workers: int
    cluster: str
    fixed_grid: Grid | None = None
    missing_weights: Mapping[str, Weights] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    outlines: tuple[Outline, ...] = ()
    on_gpu: bool = False
    runs_per_gpu: int | None = None

    def runs_at_once(self, job: Job) -> int:
        """How many runs like a job one process trains at once; 1 on a CPU."""
        default = default_runs_per_gpu(job.device, self.scorers[job.trial.dataset].data.spec.shape)
        return self.runs_per_gpu if self.runs_per_gpu and job.device.startswith("cuda") else default

    def state(self, job: Job) -> str:
        """The state of a run: done, diverged, failed, pending, unreadable or missing weights.

        Unreadable: there is a record that must be neither used nor replaced. Missing weights: the run is not done, and
        cannot be done here, because its loss needs weights that are not on this machine.
        """
        state = self._state(job)
        has_weights = has_file(job.run_folder / "weights.pt") and not is_forced(job.run_folder, job.force_id)
        is_untrained = state in ("pending", "failed") and not has_weights
        return "missing weights" if is_untrained and job.trial.model in self.missing_weights else state

    def _state(self, job: Job) -> str:
        try:
            record = records.find(self.results, job.trial.key)
        except records.RecordError:  # the reason is reported when all records are read
            return "unreadable"
        if record is None or is_forced(job.run_folder, job.force_id):
            return "pending"
        if is_finished(record, self.scorers[job.trial.dataset], job) or record["status"] == "failed":
            return str(record["status"])
        return "pending"

    def untrained(self) -> list[Job]:
        """Pending jobs whose models must be trained. The models of the other pending jobs only need scoring."""
        return [job for job in self.pending() if not has_file(job.run_folder / "weights.pt") or job.force_id]

    def pending(self) -> list[Job]:
        """Jobs that have something left to do; failed ones are tried again."""
        return [job for job in self.jobs if self.state(job) in ("pending", "failed")]

    def cells(self) -> Iterator[tuple[str, str, list[Job]]]:
        """Model, data set and the jobs of each cell, in the table's order."""
        pairs = dict.fromkeys((job.trial.name, job.trial.dataset) for job in self.jobs)
        for model, dataset in pairs:
            jobs = [job for job in self.jobs if (job.trial.name, job.trial.dataset) == (model, dataset)]
            yield model, dataset, jobs

    def grid(self) -> Grid:
        """The table's rows, columns, wanted runs and caption."""
        if self.fixed_grid is not None:
            return self.fixed_grid
        keys = {(model, dataset): tuple(job.trial.key for job in jobs) for model, dataset, jobs in self.cells()}
        metrics = {scorer.extractor.metric for scorer in self.scorers.values()}
        return Grid(
            models={job.trial.name: job.trial.label for job in self.jobs},
            datasets={name: scorer.data.spec.label for name, scorer in self.scorers.items()},
            keys=keys,
            metric=metrics.pop(),
            protocol_ids={name: scorer.base_protocol.id for name, scorer in self.scorers.items()},
            preset=self.preset,
            seeds=tuple(dict.fromkeys(job.trial.seed for job in self.jobs)),
            draws=self.jobs[0].draws,
            metric_protocols={name: scorer.base_protocol for name, scorer in self.scorers.items()},
            extractor_notes={name: s.extractor.note for name, s in self.scorers.items() if s.extractor.note},
            own_settings=dict(self._own_settings()),
            data_warnings={name: scorer.data.warnings for name, scorer in self.scorers.items() if scorer.data.warnings},
            folders={name: DATASETS[s.data.row].label for name, s in self.scorers.items() if name != s.data.row},
            missing_weights={model: str(weights.problem) for (model, _), weights in self._cells_without_weights()},
            cell_notes={pair: f"needs {weights.name}" for pair, weights in self._cells_without_weights()},
            variants={(name, v): p.id for name, m in self.scorers.items() for v, p in m.protocols.items()},
            variant_labels={name: variant.label for name, variant in VARIANTS.items()},
            stages={
                (model, dataset): {name: s.epochs for name, s in jobs[0].trial.protocol.stages.items() if s.epochs}
                for model, dataset, jobs in self.cells()
            },
        )

    def _cells_without_weights(self) -> list[tuple[tuple[str, str], Weights]]:
        """Cells with runs that cannot be done here, and the weights that they need."""
        return [
            ((model, dataset), self.missing_weights[jobs[0].trial.model])
            for model, dataset, jobs in self.cells()
            if jobs[0].trial.model in self.missing_weights and any(self.state(job) == "missing weights" for job in jobs)
        ]

    def _own_settings(self) -> Iterator[tuple[tuple[str, str], str]]:
        """Cells whose settings are not the paper's, and what they are."""
        for model, dataset, jobs in self.cells():
            trial = jobs[0].trial
            note = describe_own_settings(trial.model, self.scorers[dataset].data.row, self.preset)
            notes = [note or "", f"changed by --set: {trial.changes}" if trial.changes else ""]
            if any(notes):
                yield (model, dataset), "; ".join(filter(None, notes))


def describe_settings(trial: Trial) -> list[str]:
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
    return [*lines, f"{hyper + '; ' if hyper else ''}source {trial.protocol.source} (row {trial.protocol_row})"]
