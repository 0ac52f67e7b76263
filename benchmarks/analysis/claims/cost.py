"""Claims about parameters and time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pandas import DataFrame, Series, isna

from benchmarks.analysis import network_sizes
from benchmarks.analysis.claims.finding import (
    CONTRADICTED,
    NEEDS_COMPARABLE_TIMES,
    NEEDS_PAPER_SETTING,
    SUPPORTED,
    UNDECIDED,
    Finding,
)
from benchmarks.analysis.evidence import Evidence, model_label
from benchmarks.analysis.paper_setting import differences_from_paper, matches_paper, schedule_source
from benchmarks.analysis.statistics import Effect, welch_t_test
from benchmarks.analysis.verdicts import MIN_RUNS
from benchmarks.data.datasets import DATASETS

MAX_FLOW_SHARE = 0.03  # "less than 3 %" (claim 12)
LITTLE_TIME = 0.25  # extra time per step that counts as little (claim 13; the paper gives no number)
TIMING_COLUMNS = ("device", "engine", "precision", "torch")  # times compare only if these are equal
# Claim 13: GLF without a flow, as (model, stage).  GLF in two stages trains the same auto-encoder alone; that of
# RAE + GMM also has a penalty on the latents
WITHOUT_FLOW = (("glf-two-stage", "ae"), ("rae-gmm", "train"))
DIFFERENT_SETUPS = "times compare only on one device, with one engine, precision and version of torch"
ONE_EPOCH = f"too few trainings of more than one epoch ({MIN_RUNS} are needed)"
NEEDS_AUTHORS = "it takes the authors to say how many couplings a block has"
NEEDS_EPOCHS = "it takes a budget of more than one epoch"


def flow_is_small(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
    """Claim 12: counted from the modules; no run is concerned."""
    findings = []
    for dataset in datasets:
        if dataset not in DATASETS or DATASETS[dataset].shape[1] > 64:
            continue
        share, share_of_half = (
            network_sizes.flow_parameter_share(DATASETS[dataset], blocks=blocks) for blocks in (4, 2)
        )
        text = f"with 8 couplings, as in 3.1, the flow has {_percent(share)} of the parameters of encoder and decoder"
        answer = SUPPORTED
        if share >= MAX_FLOW_SHARE:
            half_is_small = share_of_half < MAX_FLOW_SHARE
            answer = UNDECIDED if half_is_small else CONTRADICTED
            text += (f", which is not less than {_percent(MAX_FLOW_SHARE)}; with 4, as Figure 1b may be read "
                     f"(glf-4-couplings), {_percent(share_of_half)}, which is "
                     f"{'less' if half_is_small else 'not less, either'}")  # fmt: skip
        findings.append(
            Finding(
                dataset,
                answer,
                text,
                test="counted from the modules",
                effect=Effect(share, share, share, float("nan")),
                effect_name="share of parameters",
                run_counts={},
                undecidable_reason=NEEDS_AUTHORS,
            )
        )
    return findings


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


@dataclass(frozen=True)
class TimedRuns:
    """Finished runs whose times compare.

    Attributes:
        setup: their device, engine, precision and version of torch.
        keys: their keys, by model.
        too_few: why there are too few; "" if there are enough.
    """

    setup: str
    keys: list[list[str]]
    too_few: str


def _timed_runs(evidence: Evidence, dataset: str, models: Sequence[str]) -> TimedRuns:
    """The finished runs of some models with the setup that most of them have."""
    runs = [evidence.runs.loc[[*evidence.keys(model, dataset)]] for model in models]
    finished = [frame[frame["status"] == "done"] for frame in runs]
    setups = [Series([", ".join("?" if isna(v) else str(v) for v in row)
                      for row in frame[[*TIMING_COLUMNS]].to_numpy(object)], index=frame.index, dtype=object)
              for frame in finished]  # fmt: skip
    counts = Counter(setup for by_key in setups for setup in by_key)
    # The commonest of the setups that most models have enough runs with
    setup = max(counts, key=lambda s: (sum((by_key == s).sum() >= MIN_RUNS for by_key in setups), counts[s], s),
                default="")  # fmt: skip
    keys = [[*map(str, by_key.index[by_key == setup])] for by_key in setups]
    if min(map(len, keys)) >= MIN_RUNS:
        return TimedRuns(setup, keys, "")
    numbers = ", ".join(f"{model_label(model)}: {len(some)}" for model, some in zip(models, keys, strict=True))
    if min(map(len, setups)) >= MIN_RUNS:
        return TimedRuns(setup, keys, f"{DIFFERENT_SETUPS}: {numbers} with {setup}")
    return TimedRuns(setup, keys, f"too few finished trainings ({MIN_RUNS} are needed): {numbers}")


def _timed_epochs(evidence: Evidence, keys: Sequence[str]) -> DataFrame:
    """The epochs of some runs; the columns of times are there even if no record has an epoch."""
    epochs = evidence.epochs_of(keys)
    return epochs.reindex(columns=[*dict.fromkeys([*epochs.columns, "seconds", "steps"])])


def flow_is_cheap(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
    """Claim 13: a step of GLF against one of the same auto-encoder without a flow."""
    return [_flow_is_cheap(evidence, dataset) for dataset in datasets]


def _flow_is_cheap(evidence: Evidence, dataset: str) -> Finding:
    # The first model that decides; else the one with the most runs, and of equals RAE + GMM, which Table 1 has
    comparisons = {other: _step_times(evidence, dataset, other, stage) for other, stage in WITHOUT_FLOW}
    most_runs = max(reversed(comparisons), key=lambda other: len(evidence.keys(other, dataset)))
    other = next((other for other, times in comparisons.items() if not times.too_few), most_runs)
    times = comparisons[other]
    keys, models = (*times.glf, *times.other), ("glf", other)
    if times.too_few:
        reason = ""
        if times.too_few.startswith(DIFFERENT_SETUPS):
            reason = NEEDS_COMPARABLE_TIMES
        elif times.too_few == ONE_EPOCH:
            reason = NEEDS_EPOCHS
        return Finding(dataset, UNDECIDED, times.too_few, keys=keys, models=models, undecidable_reason=reason)
    ratio = welch_t_test(np.log([*times.glf.values()]), np.log([*times.other.values()])).exp()
    limit = 1 + LITTLE_TIME
    answer = SUPPORTED if ratio.high < limit else CONTRADICTED if ratio.low > limit else UNDECIDED
    part = " (its auto-encoder alone)" if dict(WITHOUT_FLOW)[other] == "ae" else ""
    glf_ms, other_ms = (1e3 * float(np.median([*seconds.values()])) for seconds in (times.glf, times.other))
    return Finding(
        dataset,
        answer,
        f"a step of GLF takes {glf_ms:.3g} ms, one of {model_label(other)}{part} {other_ms:.3g} ms on {times.setup}; "
        f"up to {_percent(LITTLE_TIME)} more counts as little",
        test=f"Welch’s interval of log seconds per step against {_percent(LITTLE_TIME)} more",
        effect=ratio.without_p(),
        effect_name="ratio of times",
        keys=keys,
        models=models,
    )


@dataclass(frozen=True)
class StepTimes:
    """Seconds per step of GLF and of another model, by key; `too_few` says why they do not compare, or is ""."""

    setup: str
    glf: dict[str, float]
    other: dict[str, float]
    too_few: str


def _step_times(evidence: Evidence, dataset: str, other: str, stage: str) -> StepTimes:
    """Seconds per step of GLF, and of a stage of another model."""
    runs = _timed_runs(evidence, dataset, ["glf", other])
    glf, others = (
        _seconds_per_step(evidence, keys, name) for keys, name in zip(runs.keys, ("train", stage), strict=True)
    )
    train_epoch = ONE_EPOCH if min(len(glf), len(others)) < MIN_RUNS else ""
    return StepTimes(runs.setup, glf, others, runs.too_few or train_epoch)


def _seconds_per_step(evidence: Evidence, keys: Sequence[str], stage: str) -> dict[str, float]:
    """Key -> seconds per step, median over epochs without the first one."""
    epochs = _timed_epochs(evidence, keys)
    epochs = epochs[epochs["stage"] == stage]
    epochs = epochs[epochs.groupby("key").cumcount() > 0]
    seconds = (epochs["seconds"] / epochs["steps"]).groupby(epochs["key"]).median()
    return {str(key): float(value) for key, value in seconds.items()}


def trains_faster(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
    """Claim 14: GLF trains for fewer epochs and a shorter time than the Two-Stage VAE, on one device."""
    return [_trains_faster(evidence, dataset) for dataset in datasets]


def _trains_faster(evidence: Evidence, dataset: str) -> Finding:
    runs = _timed_runs(evidence, dataset, ["glf", "two-stage-vae"])
    glf, other = (_total_times(evidence, keys) for keys in runs.keys)
    keys = (*glf, *other)
    if not matches_paper(evidence, dataset):
        text = "a shortened budget caps the steps of both models alike: it decides this, and not the models"
        if evidence.preset == "paper":
            text = f"{schedule_source(evidence, dataset)} decide this, and not the models"
            has_images = "images" not in differences_from_paper(evidence, dataset)
            text += "" if has_images else ": the paper has no such data set"
        return Finding(dataset, UNDECIDED, text, keys=keys, undecidable_reason=NEEDS_PAPER_SETTING)
    if runs.too_few or min(len(glf), len(other)) < MIN_RUNS:
        text = runs.too_few or "the finished trainings have no epochs"
        reason = NEEDS_COMPARABLE_TIMES if runs.too_few.startswith(DIFFERENT_SETUPS) else ""
        return Finding(dataset, UNDECIDED, text, keys=keys, undecidable_reason=reason)
    ratio = welch_t_test(*(np.log([seconds for seconds, _ in totals.values()]) for totals in (glf, other))).exp()
    glf_epochs, other_epochs = max(n for _, n in glf.values()), min(n for _, n in other.values())
    has_fewer = glf_epochs < other_epochs
    answer = UNDECIDED
    if has_fewer and ratio.high < 1:
        answer = SUPPORTED
    elif not has_fewer or ratio.low > 1:
        answer = CONTRADICTED
    minutes = [float(np.median([seconds for seconds, _ in totals.values()])) / 60 for totals in (glf, other)]
    return Finding(
        dataset,
        answer,
        f"GLF: {glf_epochs} epochs, {minutes[0]:.3g} min; Two-Stage VAE: {other_epochs} epochs, "
        f"{minutes[1]:.3g} min, with {runs.setup}",
        test="Welch’s interval of log total seconds",
        effect=ratio,
        effect_name="ratio of times",
        keys=keys,
    )


def _total_times(evidence: Evidence, keys: Sequence[str]) -> dict[str, tuple[float, int]]:
    """Key -> seconds and number of epochs of a run."""
    totals = _timed_epochs(evidence, keys).groupby("key")["seconds"].agg(["sum", "size"])
    return {str(key): (float(seconds), int(n)) for key, seconds, n in totals.itertuples()}
