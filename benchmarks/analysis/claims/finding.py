"""What the records of one data set say of a claim, and the models that claims are about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.analysis.evidence import Evidence, Sample, label
from benchmarks.analysis.statistics import Effect
from benchmarks.analysis.verdicts import ENOUGH

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"
PAPER = ("mnist", "fashion", "cifar10", "celeba")
PRIORS = {1: "vae-flow-prior", 10: "vae-flow-prior-10", 50: "vae-flow-prior-50", 100: "vae-flow-prior-100",
          400: "vae-flow-prior-400"}  # fmt: skip
REGULARIZED = {1: "glf-regularized-1", 10: "glf-regularized-10", 50: "glf-regularized-50", 100: "glf-regularized",
               400: "glf-regularized-400"}  # fmt: skip
LARGE = (50, 100, 400)
# Why more trainings of a kind would decide nothing
SETTING = "it takes the paper’s data and budget"
LUCK = "trainings diverged, and more trainings do not undo that"
TIMES = "it takes trainings whose times compare"


@dataclass(frozen=True)
class Finding:
    """What the records of one data set say of a claim.

    Attributes:
        dataset: its name.
        answer: SUPPORTED, CONTRADICTED or UNDECIDED.
        says: the numbers, in one sentence; or why there is no answer.
        test: by which test, "" where none was made.
        effect: what was tested, with its 95 % interval; `p` is corrected where there are several comparisons.
        unit: of the effect.
        metric: column of the distance, "" where none is concerned.
        protocol: the metric protocol's fingerprint.
        trainings: model -> how many there are.
        used: model -> how many of them the answer rests on.
        keys: of the records used.
        few: whether some models had too few trainings to be tested, although others were.
        models: those that it is of, where they are not all of the claim's: its trainings, note and command are theirs.
        note: what is not the paper's in the settings of these trainings.
        command: what to run where something is missing, "" elsewhere.
        barred: why no command would decide it, "" where one would.
    """

    dataset: str
    answer: str
    says: str
    test: str = ""
    effect: Effect | None = None
    unit: str = ""
    metric: str = ""
    protocol: str = ""
    trainings: Mapping[str, int] | None = None
    used: Mapping[str, int] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    few: bool = False
    models: tuple[str, ...] = ()
    note: str = ""
    command: str = ""
    barred: str = ""

    @property
    def decidable(self) -> bool:
        """Whether there were enough trainings of all models for a test."""
        return self.effect is not None and not self.few


Judge = Callable[[Evidence, Sequence[str]], list[Finding]]
"""Evidence and the names of data sets -> a finding for each."""


def short_of(evidence: Evidence, dataset: str, models: Sequence[str]) -> str:
    """Which of some models have too few distances, in words; "" where none has."""
    few = {model: len(evidence.distance(model, dataset)) for model in models}
    few = {model: n for model, n in few.items() if n < ENOUGH}
    if not few:
        return ""
    told = ", ".join(f"{label(m)}: {n}" for m, n in few.items())
    return f"too few measured trainings ({ENOUGH} are needed): {told}"


def doubt(evidence: Evidence, dataset: str, winners: Sequence[str]) -> str:
    """Why some models' distances do not show that they are low: those of diverged trainings are not among them."""
    lost = {model: int((evidence.statuses(model, dataset) == "diverged").sum()) for model in winners}
    told = [f"{label(model)} wins by the trainings that did not diverge" for model, n in lost.items() if n]
    return "; ".join(told)


def keys_of(*samples: Sample) -> tuple[str, ...]:
    """The trainings behind some samples."""
    return tuple(key for sample in samples for key in sample.keys)
