"""What the records of one data set say about a claim, and the models that claims are about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.analysis.distances import Sample
from benchmarks.analysis.evidence import Evidence, model_label
from benchmarks.analysis.statistics import Effect
from benchmarks.analysis.verdicts import MIN_RUNS

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"
TABLE1_DATASETS = ("mnist", "fashion", "cifar10", "celeba")
FLOW_PRIORS = {1: "vae-flow-prior", 10: "vae-flow-prior-10", 50: "vae-flow-prior-50", 100: "vae-flow-prior-100",
          400: "vae-flow-prior-400"}  # fmt: skip
REGULARIZED = {1: "glf-regularized-1", 10: "glf-regularized-10", 50: "glf-regularized-50", 100: "glf-regularized",
               400: "glf-regularized-400"}  # fmt: skip
LARGE_BETAS = (50, 100, 400)
# Why more runs would not decide a claim
NEEDS_PAPER_SETTING = "it takes the paper’s data and budget"
SURVIVORS_ONLY = "trainings diverged, and more trainings do not undo that"
NEEDS_COMPARABLE_TIMES = "it takes trainings whose times compare"


@dataclass(frozen=True)
class Finding:
    """What the records of one data set say about a claim.

    Attributes:
        answer: SUPPORTED, CONTRADICTED or UNDECIDED.
        text: the numbers in one sentence, or why there is no answer.
        test: the statistical test; "" if none was made.
        effect: what was tested, with its 95 % interval; `p` is corrected if there are several comparisons.
        effect_name: what `effect` measures, with its unit.
        metric: column of the distance; "" if none is concerned.
        protocol_id: fingerprint of the metric protocol.
        run_counts: model -> number of its runs.
        used_counts: model -> number of its runs that the answer uses.
        keys: keys of the records used.
        has_untested_models: whether some models had too few runs to be tested, although others were.
        models: models concerned, if not all of the claim's; run counts, settings note and command are for them.
        settings_note: settings of these runs that are not the paper's.
        command: what to run if something is missing; else "".
        undecidable_reason: why no command would decide the claim; "" if one would.
    """

    dataset: str
    answer: str
    text: str
    test: str = ""
    effect: Effect | None = None
    effect_name: str = ""
    metric: str = ""
    protocol_id: str = ""
    run_counts: Mapping[str, int] | None = None
    used_counts: Mapping[str, int] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    has_untested_models: bool = False
    models: tuple[str, ...] = ()
    settings_note: str = ""
    command: str = ""
    undecidable_reason: str = ""

    @property
    def was_tested(self) -> bool:
        """Whether there were enough runs of all models for a test."""
        return self.effect is not None and not self.has_untested_models


Judge = Callable[[Evidence, Sequence[str]], list[Finding]]
"""Evidence and the names of data sets -> a finding for each."""


def missing_runs(evidence: Evidence, dataset: str, models: Sequence[str]) -> str:
    """Which of some models have too few distances; "" if none has."""
    counts = {model: len(evidence.distance(model, dataset)) for model in models}
    too_few = ", ".join(f"{model_label(model)}: {n}" for model, n in counts.items() if n < MIN_RUNS)
    return f"too few measured trainings ({MIN_RUNS} are needed): {too_few}" if too_few else ""


def survivor_caveat(evidence: Evidence, dataset: str, winners: Sequence[str]) -> str:
    """Which of some models win without their diverged runs, whose distances are missing; "" if none does."""
    n_diverged = {model: int((evidence.statuses(model, dataset) == "diverged").sum()) for model in winners}
    notes = [f"{model_label(model)} wins by the trainings that did not diverge" for model, n in n_diverged.items() if n]
    return "; ".join(notes)


def with_caveat(finding: Finding, caveat: str) -> Finding:
    """The same finding, undecided if there is a caveat of `survivor_caveat`."""
    if not caveat:
        return finding
    return replace(finding, answer=UNDECIDED, text=f"{finding.text}; {caveat}", undecidable_reason=SURVIVORS_ONLY)


def keys_of(*samples: Sample) -> tuple[str, ...]:
    """Keys of the runs behind some samples."""
    return tuple(key for sample in samples for key in sample.keys)
