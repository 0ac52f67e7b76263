"""What the records of one data set say about a claim, and the models that claims are about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.analysis.distances import Sample
from benchmarks.analysis.evidence import Evidence, model_label
from benchmarks.analysis.statistics import Effect
from benchmarks.analysis.verdicts import MIN_RUNS

SUPPORTED, CONTRADICTED = "supported", "contradicted"
# In this order: runs are missing; more runs might decide; no command on these data and this budget decides
NOT_TESTED, INCONCLUSIVE, NOT_DECIDABLE = "not tested", "inconclusive", "not decidable here"
OPEN_ANSWERS = (NOT_TESTED, INCONCLUSIVE, NOT_DECIDABLE)
ANSWERS = (SUPPORTED, CONTRADICTED, *OPEN_ANSWERS)
TABLE1_DATASETS = ("mnist", "fashion", "cifar10", "celeba")
FLOW_PRIORS = {1: "vae-flow-prior", 10: "vae-flow-prior-10", 50: "vae-flow-prior-50", 100: "vae-flow-prior-100",
          400: "vae-flow-prior-400"}  # fmt: skip
REGULARIZED = {1: "glf-regularized-1", 10: "glf-regularized-10", 50: "glf-regularized-50", 100: "glf-regularized",
               400: "glf-regularized-400"}  # fmt: skip
LARGE_BETAS = (50, 100, 400)
MAX_NAMED = 3  # more models without runs than this are counted, and not named


@dataclass(frozen=True)
class Finding:
    """What the records of one data set say about a claim.

    Attributes:
        answer: one of `ANSWERS`.
        text: the numbers in one sentence; "" without any.
        reason: why there is no answer, in one line; "" if the answer is SUPPORTED or CONTRADICTED.
        test: the statistical test; "" if none was made.
        effect: what was tested, with its 95 % interval; `p` is corrected if there are several comparisons.
        effect_name: what `effect` measures: which minus which, which divided by which, and the unit.
        metric: column of the distance; "" if none is concerned.
        protocol_id: fingerprint of the metric protocol.
        run_counts: model -> number of its runs.
        used_counts: model -> number of its runs that the answer uses.
        keys: keys of the records used.
        models: models concerned, if not all of the claim's; run counts, settings note and command are for them.
        min_seeds: seeds that the command must have, where more than the usual number are needed.
        settings_note: settings of these runs that are not the paper's.
        command: what to run if the answer is NOT_TESTED or INCONCLUSIVE; else "".
    """

    dataset: str
    answer: str
    text: str = ""
    reason: str = ""
    test: str = ""
    effect: Effect | None = None
    effect_name: str = ""
    metric: str = ""
    protocol_id: str = ""
    run_counts: Mapping[str, int] | None = None
    used_counts: Mapping[str, int] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    min_seeds: int = 0
    settings_note: str = ""
    command: str = ""


Judge = Callable[[Evidence, Sequence[str]], list[Finding]]
"""Evidence and the names of data sets -> a finding for each."""


def inline_label(model: str) -> str:
    """The model's name inside a sentence: "GLF (two stages)" for "GLF, two stages"."""
    name, _, variant = model_label(model).partition(", ")
    return f"{name} ({variant})" if variant else name


def difference_name(model: str, other: str) -> str:
    """The name of a difference of two models' mean distances, which says the order of subtraction."""
    return f"{inline_label(model)} minus {inline_label(other)}"


def too_few_runs(counts: Mapping[str, int], kind: str = "measured runs", condition: str = "") -> str:
    """Which models have fewer than `MIN_RUNS` runs, as the reason of a finding; "" if none has.

    Args:
        counts: model -> number of its runs.
        kind: which runs are counted, in the plural.
        condition: what else the runs must have; it follows their name.
    """
    few = {inline_label(model): n for model, n in counts.items() if n < MIN_RUNS}
    absent = [label for label, n in few.items() if not n]
    if not few:
        return ""
    if len(absent) == len(few):
        *most, last = absent
        names = f"{', '.join(most)} and {last}" if most else last
        if len(few) > MAX_NAMED:
            names = f"its {len(few)} models" if len(few) == len(counts) else f"{len(few)} of its {len(counts)} models"
        return f"no {kind} of {names}{condition}"
    listed = [f"{label}: {n}" for label, n in few.items() if n or len(absent) <= MAX_NAMED]
    listed += [f"none of {len(absent)} other models"] if len(absent) > MAX_NAMED else []
    return f"too few {kind}{condition} ({MIN_RUNS} of each model are needed): {', '.join(listed)}"


def missing_runs(evidence: Evidence, dataset: str, models: Sequence[str]) -> str:
    """Which of some models have too few distances, as the reason of a finding; "" if none has."""
    return too_few_runs({model: len(evidence.distance(model, dataset)) for model in models})


def survivor_caveat(evidence: Evidence, dataset: str, winners: Sequence[str]) -> str:
    """Why some models cannot win: their diverged runs have no distance; "" if none has diverged runs."""
    n_diverged = {model: int((evidence.statuses(model, dataset) == "diverged").sum()) for model in winners}
    labels = ", ".join(inline_label(model) for model, n in n_diverged.items() if n)
    return (
        f"diverged runs of {labels} have no distance, which favors it; more runs cannot change that" if labels else ""
    )


def with_caveat(finding: Finding, caveat: str) -> Finding:
    """The same finding, not decidable if there is a caveat of `survivor_caveat`."""
    return replace(finding, answer=NOT_DECIDABLE, reason=caveat) if caveat else finding


def keys_of(*samples: Sample) -> tuple[str, ...]:
    """Keys of the runs behind some samples."""
    return tuple(key for sample in samples for key in sample.keys)
