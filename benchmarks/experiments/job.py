"""A job: a trial, where it runs, and how it is scored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.data.datasets import ImageFolder
from benchmarks.data.paths import data_root
from benchmarks.evaluation.learning_curve import LearningCurve
from benchmarks.evaluation.names import DIAGNOSTICS
from benchmarks.evaluation.protocol import BASE_VARIANT, MAX_IMAGES
from benchmarks.evaluation.requests import EvaluationRequest, evaluation_requests
from benchmarks.evaluation.scoring import Scorer
from benchmarks.evaluation.sources import CRITERIA_SOURCES
from benchmarks.experiments.log import has_file
from benchmarks.experiments.trial import Trial

KEEP = ("weights", "logs")  # what a finished run keeps in runs/KEY: weights and logs, or logs only


@dataclass(frozen=True)
class Job:
    """A trial, where it runs, and how it is scored. Only the trial determines the numbers; no path enters the record.

    Attributes:
        trial: what to train.
        dataset: how to load the data.
        data_root: data root.
        results: results folder.
        device: "cpu", "cuda", "cuda:1".
        features: extractor, as `--features` takes it.
        draws: number of sample sets to score.
        metrics: keys of `metrics.METRICS`.
        sources: keys of `evaluation.sources.SOURCES` that the table needs.
        variants: keys of `evaluation.protocol.VARIANTS` that the table needs.
        diagnostics: names of diagnostics that the table needs.
        images: largest number of reference images, and of generated ones.
        allow_few: accept no more images than features.
        eval_every: epochs between two points of the learning curve; 0 for none.
        force_id: id of a `--force`, which restarts the run although there is a record; "" for none.
        code: folder that an external model is imported from; "" for a model of the registry.
        engine: a key of `engine.ENGINES`: the numbers are the same within float tolerance.
        nondeterministic: whether a GPU may use algorithms whose bits differ from run to run.
        keep: a key of `KEEP`.
    """

    trial: Trial
    dataset: str | ImageFolder
    data_root: Path | None
    results: Path
    device: str
    features: str
    draws: int
    metrics: tuple[str, ...] = ("fd",)
    sources: tuple[str, ...] = ("prior",)
    variants: tuple[str, ...] = (BASE_VARIANT,)
    diagnostics: tuple[str, ...] = ()
    images: int = MAX_IMAGES
    allow_few: bool = False
    eval_every: int = 0
    force_id: str = ""
    code: str = ""
    engine: str = "auto"
    nondeterministic: bool = False
    keep: str = "weights"

    @property
    def required(self) -> list[EvaluationRequest]:
        """The evaluations that its table needs. The run is done when its record has them."""
        return evaluation_requests(self.draws, self.sources, self.variants)

    def learning_curve(self, scorer: Scorer) -> LearningCurve | None:
        """The learning curve that is scored during training."""
        return LearningCurve(scorer, self.eval_every, self.trial.protocol.stages) if self.eval_every else None

    @property
    def run_folder(self) -> Path:
        """The folder of weights, state and log."""
        return self.results / "runs" / self.trial.key

    def without_paths(self, text: str) -> str:
        """A message without this machine's paths, because records are shared."""
        folder = self.dataset.path if isinstance(self.dataset, ImageFolder) else None
        code = Path(self.code) if self.code else None
        root = data_root(self.data_root)
        # The code's folder is replaced after those that it may contain.
        places = {"<results>": self.results, "<data root>": root, "<folder>": folder, "<code>": code, "~": Path.home()}
        for name, path in places.items():
            for form in {str(path), str(path.absolute())} if path is not None else ():
                text = text.replace(form, name) if len(form) > 1 else text
        return text


def is_finished(record: dict[str, Any], scorer: Scorer, job: Job) -> bool:
    """Whether a record is complete. That of a diverged run is; that of a failed run is not."""
    if record["status"] == "failed" or needs_learning_curve(record, scorer, job):
        return False
    if record["status"] == "diverged":
        return True
    undiagnosed = {*job.diagnostics} - {*record["diagnostics"]}
    # The evaluations that every run gets are required only if the weights exist, so that they need no training.
    requests = requested_evaluations(job) if has_file(job.run_folder / "weights.pt") else job.required
    return not undiagnosed and not scorer.missing_requests(record, requests, job.metrics)


def requested_evaluations(job: Job) -> list[EvaluationRequest]:
    """The evaluations that its table needs, and those of `CRITERIA_SOURCES`, which every run gets."""
    return [*dict.fromkeys([*job.required, *evaluation_requests(1, CRITERIA_SOURCES)])]


def needs_learning_curve(record: dict[str, Any], scorer: Scorer, job: Job) -> bool:
    """Whether the run must be trained again because its record does not have all points of the learning curve."""
    curve = job.learning_curve(scorer)
    return curve is not None and curve.is_incomplete(record)


def has_all_diagnostics(record: dict[str, Any]) -> bool:
    """Whether a record has all diagnostics; None counts. Records of older versions have fewer."""
    return {*DIAGNOSTICS} <= {*record["diagnostics"]}
