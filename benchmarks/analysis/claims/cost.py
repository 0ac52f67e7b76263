"""Claims about parameters and time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pandas import DataFrame, Series, isna

from benchmarks.analysis import network_sizes
from benchmarks.analysis.claims.finding import (
    CONTRADICTED,
    INCONCLUSIVE,
    NOT_DECIDABLE,
    NOT_TESTED,
    SUPPORTED,
    Finding,
    inline_label,
    too_few_runs,
)
from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.paper_setting import differences_from_paper, matches_paper, schedule_source
from benchmarks.analysis.statistics import Effect, welch_t_test
from benchmarks.analysis.verdicts import MIN_RUNS
from benchmarks.data.datasets import DATASETS

MAX_FLOW_SHARE = 0.03  # "less than 3 %" (claim 12)
LITTLE_TIME = 0.25  # largest extra time per step that counts as small (claim 13; the paper gives no number)
TIMING_COLUMNS = ("device", "engine", "precision", "torch")  # times can be compared only if these are equal
# Claim 13: GLF without a flow, as (model, stage).  GLF in two stages trains the same auto-encoder alone; that of
# RAE + GMM also has a penalty on the latents
WITHOUT_FLOW = (("glf-two-stage", "ae"), ("rae-gmm", "train"))
ONE_EPOCH = (
    f"fewer than {MIN_RUNS} runs of each model have a second epoch, and the first is not timed; "
    "only a budget of more epochs can decide it"
)


def flow_is_small(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
    """Claim 12: counted from the modules; no run is concerned."""
    findings = []
    for dataset in datasets:
        if dataset not in DATASETS or DATASETS[dataset].shape[1] > 64:
            continue
        share, share_of_half = (
            network_sizes.flow_parameter_share(DATASETS[dataset], blocks=blocks) for blocks in (4, 2)
        )
        text = f"with 8 couplings (Section 3.1) the flow has {_percent(share)} of the parameters of encoder and decoder"
        answer, reason = SUPPORTED, ""
        if share >= MAX_FLOW_SHARE:
            half_is_small = share_of_half < MAX_FLOW_SHARE
            answer = NOT_DECIDABLE if half_is_small else CONTRADICTED
            text += f"; with 4 (a reading of Figure 1b, glf-4-couplings), {_percent(share_of_half)}"
            if half_is_small:
                reason = (
                    f"the flow adds less than {_percent(MAX_FLOW_SHARE)} with 4 couplings, but not with 8; "
                    "only the authors can say how many the paper means"
                )
        findings.append(
            Finding(
                dataset,
                answer,
                text,
                reason,
                test="counted from the modules",
                effect=Effect(share, share, share, float("nan")),
                effect_name="parameters of the flow divided by those of encoder and decoder",
                run_counts={},
            )
        )
    return findings


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


@dataclass(frozen=True)
class TimedRuns:
    """Finished runs whose times can be compared.

    Attributes:
        setup: their device, engine, precision and version of torch.
        keys: their keys, by model.
        reason: why there are too few; "" if there are enough.
        min_seeds: seeds with which there would be enough; 0 if runs are only missing.
    """

    setup: str
    keys: list[list[str]]
    reason: str
    min_seeds: int = 0


def _timed_runs(evidence: Evidence, dataset: str, models: Sequence[str]) -> TimedRuns:
    """The finished runs of some models with the setup that most of them have.

    Runs that were trained beside others in one process are left out: the others slow down their steps.
    """
    runs = [evidence.runs.loc[[*evidence.keys(model, dataset)]] for model in models]
    done = [frame[frame["status"] == "done"] for frame in runs]
    finished = [frame[~(frame["runs_at_once"] > 1).fillna(False)] for frame in done]
    timed = "finished runs" if sum(map(len, finished)) == sum(map(len, done)) else "finished runs trained one at a time"
    setups = [Series([_describe_setup(row) for row in frame[[*TIMING_COLUMNS]].to_numpy(object)],
                     index=frame.index, dtype=object) for frame in finished]  # fmt: skip
    counts = Counter(setup for by_key in setups for setup in by_key)
    # Of the setups with which most models have enough runs, the most common one
    setup = max(counts, key=lambda s: (sum((by_key == s).sum() >= MIN_RUNS for by_key in setups), counts[s], s),
                default="")  # fmt: skip
    keys = [[*map(str, by_key.index[by_key == setup])] for by_key in setups]
    numbers = {model: len(some) for model, some in zip(models, keys, strict=True)}
    reason = too_few_runs(numbers, timed)
    if not reason or min(map(len, setups)) < MIN_RUNS:
        return TimedRuns(setup, keys, reason)
    listed = ", ".join(f"{inline_label(model)}: {n}" for model, n in numbers.items())
    reason = (
        "times compare only between runs on one device, with one engine, precision and torch version; "
        f"{MIN_RUNS} such runs of each model are needed: {listed}"
    )
    return TimedRuns(setup, keys, reason, max(map(len, runs)) + MIN_RUNS)


def _describe_setup(values: Iterable[Any]) -> str:
    """The values of `TIMING_COLUMNS` as text; old records do not have all."""
    words = [f"unknown {name}" if isna(v) else str(v) for name, v in zip(TIMING_COLUMNS, values, strict=True)]
    return ", ".join([*words[:-1], words[-1] if words[-1].startswith("unknown") else f"torch {words[-1]}"])


def _timed_epochs(evidence: Evidence, keys: Sequence[str]) -> DataFrame:
    """The epochs of some runs; the columns of times are there even if no record has an epoch."""
    columns = ["key", "stage", "seconds", "steps"]
    known = [name for name in columns if name in evidence.epochs]
    return evidence.epochs_of(keys, known).reindex(columns=columns)


def flow_is_cheap(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
    """Claim 13: a step of GLF against one of the same auto-encoder without a flow."""
    return [_flow_is_cheap(evidence, dataset) for dataset in datasets]


def _flow_is_cheap(evidence: Evidence, dataset: str) -> Finding:
    # The first model that decides. If none does, the one with the most runs; of equals, RAE + GMM, which is in Table 1
    comparisons = {other: _step_times(evidence, dataset, other, stage) for other, stage in WITHOUT_FLOW}
    most_runs = max(reversed(comparisons), key=lambda other: len(evidence.keys(other, dataset)))
    other = next((other for other, times in comparisons.items() if not times.reason), most_runs)
    times = comparisons[other]
    keys, models = (*times.glf, *times.other), ("glf", other)
    if times.reason:
        answer = NOT_DECIDABLE if times.reason == ONE_EPOCH else NOT_TESTED
        return Finding(dataset, answer, reason=times.reason, keys=keys, models=models, min_seeds=times.min_seeds)
    ratio = welch_t_test(np.log([*times.glf.values()]), np.log([*times.other.values()])).exp()
    limit = 1 + LITTLE_TIME
    answer = SUPPORTED if ratio.high < limit else CONTRADICTED if ratio.low > limit else INCONCLUSIVE
    other_name = ("the auto-encoder of " if dict(WITHOUT_FLOW)[other] == "ae" else "") + inline_label(other)
    glf_ms, other_ms = (1e3 * float(np.median([*seconds.values()])) for seconds in (times.glf, times.other))
    return Finding(
        dataset,
        answer,
        f"the median step of GLF takes {glf_ms:.3g} ms, and that of {other_name} {other_ms:.3g} ms "
        f"({times.setup}); the ratio is that of the geometric means; a ratio below {limit:g} counts as little",
        f"the interval of the ratio contains the limit, {limit:g}" if answer == INCONCLUSIVE else "",
        test=f"Welch’s interval of log seconds per step against {_percent(LITTLE_TIME)} more",
        effect=ratio.without_p(),
        effect_name=f"time per step of GLF divided by that of {other_name}",
        keys=keys,
        models=models,
    )


@dataclass(frozen=True)
class StepTimes:
    """Seconds per step of GLF and of another model, by key.

    `setup`, `reason` and `min_seeds` are those of `TimedRuns`.
    """

    setup: str
    glf: dict[str, float]
    other: dict[str, float]
    reason: str
    min_seeds: int


def _step_times(evidence: Evidence, dataset: str, other: str, stage: str) -> StepTimes:
    """Seconds per step of GLF, and of a stage of another model."""
    runs = _timed_runs(evidence, dataset, ["glf", other])
    glf, others = (
        _seconds_per_step(evidence, keys, name) for keys, name in zip(runs.keys, ("train", stage), strict=True)
    )
    one_epoch = ONE_EPOCH if min(len(glf), len(others)) < MIN_RUNS else ""
    return StepTimes(runs.setup, glf, others, runs.reason or one_epoch, runs.min_seeds)


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
        reason = "the preset limits the steps of both models, so their times show the preset and not the models"
        if evidence.preset == "paper":
            reason = f"the times follow from {schedule_source(evidence, dataset)}, not from the models"
            has_images = "images" not in differences_from_paper(evidence, dataset)
            reason += "" if has_images else "; the paper does not use this data set"
        return Finding(dataset, NOT_DECIDABLE, reason=reason, keys=keys)
    if runs.reason:
        return Finding(dataset, NOT_TESTED, reason=runs.reason, keys=keys, min_seeds=runs.min_seeds)
    if min(len(glf), len(other)) < MIN_RUNS:
        min_seeds = max(map(len, runs.keys)) + MIN_RUNS
        return Finding(dataset, NOT_TESTED, reason="the finished runs have no epochs", keys=keys, min_seeds=min_seeds)
    ratio = welch_t_test(*(np.log([seconds for seconds, _ in totals.values()]) for totals in (glf, other))).exp()
    glf_epochs, other_epochs = max(n for _, n in glf.values()), min(n for _, n in other.values())
    has_fewer = glf_epochs < other_epochs
    answer, reason = INCONCLUSIVE, "GLF needs fewer epochs, but the interval of the ratio of times contains 1"
    if has_fewer and ratio.high < 1:
        answer, reason = SUPPORTED, ""
    elif not has_fewer or ratio.low > 1:
        answer, reason = CONTRADICTED, ""
    minutes = [float(np.median([seconds for seconds, _ in totals.values()])) / 60 for totals in (glf, other)]
    return Finding(
        dataset,
        answer,
        f"GLF: {glf_epochs} epochs, {minutes[0]:.3g} min; Two-Stage VAE: {other_epochs} epochs, "
        f"{minutes[1]:.3g} min ({runs.setup})",
        reason,
        test="Welch’s interval of log total seconds",
        effect=ratio,
        effect_name="total time of GLF divided by that of the Two-Stage VAE",
        keys=keys,
    )


def _total_times(evidence: Evidence, keys: Sequence[str]) -> dict[str, tuple[float, int]]:
    """Key -> seconds and number of epochs of a run."""
    totals = _timed_epochs(evidence, keys).groupby("key")["seconds"].agg(["sum", "size"])
    return {str(key): (float(seconds), int(n)) for key, seconds, n in totals.itertuples()}
