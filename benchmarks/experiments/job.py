"""A job: a trial, where it runs, and what is measured of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.data.datasets import ImageFolder
from benchmarks.evaluation.learning_curve import LearningCurve
from benchmarks.evaluation.names import DIAGNOSTICS
from benchmarks.evaluation.protocol import BASE_VARIANT, MAX_IMAGES
from benchmarks.evaluation.scoring import EvaluationRequest, Scorer, evaluation_requests
from benchmarks.evaluation.sources import CRITERIA_SOURCES
from benchmarks.experiments.trial import Trial

KEEP = ("weights", "logs")  # what stays in runs/KEY of a finished run: both, or the logs alone


@dataclass(frozen=True)
class Job:
    """A trial and where it runs; none of this changes its record's numbers, and no path enters the record.

    Attributes:
        trial: what to train.
        dataset: how to load the data.
        root: data root.
        results: results folder.
        device: "cpu", "cuda", "cuda:1".
        features: extractor, as `--features` takes it.
        draws: sample sets to measure.
        metrics: keys of `metrics.METRICS`, that of the table among them.
        sources: keys of `evaluation.sources.SOURCES` that the table needs.
        variants: keys of `evaluation.protocol.VARIANTS` that the table needs.
        diagnostics: those that the table needs, if only as None.
        images: of each kind, at most.
        allow_few: accept no more images than features.
        eval_every: epochs between two points of the distance's curve; 0 for no curve.
        force: a word for this wish to train anew although there is a record; "" for no such wish.
        code: folder that a model from outside the registry is imported from; "" for ours.
        engine: how steps are taken, see `engine.ENGINES`: the same training within float tolerance.
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
    keep: str = "weights"

    @property
    def required(self) -> list[EvaluationRequest]:
        """What its table needs: the trial is done when its record has these."""
        return evaluation_requests(self.draws, self.sources, self.variants)

    def learning_curve(self, scorer: Scorer) -> LearningCurve | None:
        """What is measured while it trains."""
        return LearningCurve(scorer, self.eval_every, self.trial.protocol.stages) if self.eval_every else None

    @property
    def run_folder(self) -> Path:
        """Where weights, state and log lie."""
        return self.results / "runs" / self.trial.key

    def without_paths(self, text: str) -> str:
        """A message without this machine's paths: records travel."""
        folder = self.dataset.path if isinstance(self.dataset, ImageFolder) else None
        code = Path(self.code) if self.code else None
        # The code's folder is last but home: it may be one that holds the others.
        places = {"<results>": self.results, "<data root>": self.data_root, "<folder>": folder, "<code>": code,
                  "~": Path.home()}  # fmt: skip
        for name, path in places.items():
            for form in {str(path), str(path.absolute())} if path is not None else ():
                text = text.replace(form, name) if len(form) > 1 else text
        return text


def is_finished(record: dict[str, Any], scorer: Scorer, job: Job) -> bool:
    """Whether a record needs no more work: diverged is an end, failed is not."""
    if record["status"] == "failed" or needs_learning_curve(record, scorer, job):
        return False
    if record["status"] == "diverged":
        return True
    undiagnosed = {*job.diagnostics} - {*record["diagnostics"]}
    # What a training was cut off before it could measure is measured as long as that needs no training.
    asked = requested_evaluations(job) if (job.run_folder / "weights.pt").is_file() else job.required
    return not undiagnosed and not scorer.missing_requests(record, asked, job.metrics)


def requested_evaluations(job: Job) -> list[EvaluationRequest]:
    """What is measured: what a table asks for and, of every training, what tells decoder from density."""
    return [*dict.fromkeys([*job.required, *evaluation_requests(1, CRITERIA_SOURCES)])]


def needs_learning_curve(record: dict[str, Any], scorer: Scorer, job: Job) -> bool:
    """Whether a record has to be trained again, as it has not all points of a curve that is wanted."""
    curve = job.learning_curve(scorer)
    return curve is not None and curve.is_incomplete(record)


def has_all_diagnostics(record: dict[str, Any]) -> bool:
    """Whether a record has all diagnostics of today, if only as None; older ones have fewer."""
    return {*DIAGNOSTICS} <= {*record["diagnostics"]}
