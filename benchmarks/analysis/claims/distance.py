"""Claims about which model has the smaller distance, and Appendix B.4's about JPEG reference images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pandas import DataFrame, Series

from benchmarks.analysis.claims.finding import (
    CONTRADICTED,
    SUPPORTED,
    UNDECIDED,
    Finding,
    Judge,
    keys_of,
    missing_runs,
    survivor_caveat,
    with_caveat,
)
from benchmarks.analysis.distances import PROTOCOL_COLUMNS
from benchmarks.analysis.evidence import Evidence, model_label
from benchmarks.analysis.statistics import SIGNIFICANCE_LEVEL, Effect, correct_together, paired_t_test, welch_t_test
from benchmarks.analysis.verdicts import MIN_RUNS
from benchmarks.evaluation.protocol import JPEG_75, STRETCHED, UNCHANGED
from benchmarks.execution.requirements import MARGIN

EFFECT_NAME = "difference of mean distances"
JPEG_MODELS = ("glf", "two-stage-vae")  # of claim 18


def beats(better: str, others: Sequence[str]) -> Judge:
    """One model has a smaller distance than each of some others: Welch's t-tests, Holm over all of them."""

    def judge(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
        tests: dict[tuple[str, str], Effect] = {}
        for dataset in datasets:
            ours = evidence.distance(better, dataset)
            for other in others:
                theirs = evidence.distance(other, dataset)
                if len(ours) >= MIN_RUNS and len(theirs) >= MIN_RUNS:
                    tests[dataset, other] = welch_t_test(ours.values, theirs.values)
        tests = correct_together(tests)
        return [_beats_all(evidence, dataset, better, others, tests) for dataset in datasets]

    return judge


def _beats_all(
    evidence: Evidence, dataset: str, better: str, others: Sequence[str], tests: Mapping[tuple[str, str], Effect]
) -> Finding:
    """The finding of `beats` on one data set; `tests` holds the tests of all data sets, corrected."""
    ours = evidence.distance(better, dataset)
    tested = [other for other in others if (dataset, other) in tests]
    significant = [other for other in tested if tests[dataset, other].p < SIGNIFICANCE_LEVEL]
    lost_to = [other for other in significant if tests[dataset, other].value > 0]
    beaten = [other for other in significant if tests[dataset, other].value < 0]
    too_few = missing_runs(evidence, dataset, [better, *others])
    if not tested:
        return Finding(dataset, UNDECIDED, too_few, metric="distance")
    best_other = min(tested, key=lambda other: evidence.distance(other, dataset).mean)
    decisive = min(lost_to or tested, key=lambda other: evidence.distance(other, dataset).mean)
    effect_name = EFFECT_NAME
    if decisive != best_other:
        effect_name += f", {model_label(better)} less {model_label(decisive)}"
    template = "; the best other, {}, {:.3g}" if len(others) > 1 else ", {} {:.3g}"
    text = f"{model_label(better)} {ours.mean:.3g}"
    text += template.format(model_label(best_other), evidence.distance(best_other, dataset).mean)
    if lost_to:
        answer = CONTRADICTED
        text += f"; significantly better than {model_label(better)}: {', '.join(map(model_label, lost_to))}"
    elif len(beaten) == len(others):
        answer = SUPPORTED
    else:
        answer = UNDECIDED
        not_beaten = [other for other in tested if other not in beaten]
        text += f"; not told apart: {', '.join(map(model_label, not_beaten))}" if not_beaten else ""
        text += f"; {too_few}" if too_few else ""
    finding = Finding(
        dataset,
        answer,
        text,
        test="Welch’s t-test" + (f", Holm over {len(tests)} comparisons" if len(tests) > 1 else ""),
        effect=tests[dataset, decisive],
        effect_name=effect_name,
        metric="distance",
        keys=keys_of(ours, *(evidence.distance(other, dataset) for other in tested)),
        has_untested_models=bool(too_few),
    )
    winners = {CONTRADICTED: lost_to, SUPPORTED: [better], UNDECIDED: []}[answer]
    caveats = [survivor_caveat(evidence, dataset, [winner]) for winner in winners]
    return with_caveat(finding, "; ".join(caveats) if all(caveats) else "")


def does_not_improve(model: str, reference: str) -> Judge:
    """A model is not better than another by more than the margin."""

    def judge(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
        return [_no_better(evidence, dataset, model, reference) for dataset in datasets]

    return judge


def _no_better(evidence: Evidence, dataset: str, model: str, reference: str) -> Finding:
    a, b = evidence.distance(model, dataset), evidence.distance(reference, dataset)
    if too_few := missing_runs(evidence, dataset, [model, reference]):
        return Finding(dataset, UNDECIDED, too_few, metric="distance")
    effect, margin = welch_t_test(a.values, b.values), MARGIN * b.mean
    answer = SUPPORTED if effect.low > -margin else CONTRADICTED if effect.high < -margin else UNDECIDED
    finding = Finding(
        dataset,
        answer,
        f"{model_label(model)} {a.mean:.3g}, {model_label(reference)} {b.mean:.3g}; "
        f"better by up to {margin:.2g} counts as none",
        test="Welch’s interval against a margin of 5 %",
        effect=effect.without_p(),
        effect_name=EFFECT_NAME,
        metric="distance",
        keys=keys_of(a, b),
    )
    winners = {SUPPORTED: [reference], CONTRADICTED: [model], UNDECIDED: []}[answer]
    return with_caveat(finding, survivor_caveat(evidence, dataset, winners))


def by_dataset(judges: Mapping[str, Judge]) -> Judge:
    """A claim that says different things about different data sets."""

    def judge(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
        findings: list[Finding] = []
        for one in dict.fromkeys(judges.values()):
            findings += one(evidence, [dataset for dataset in datasets if judges.get(dataset) is one])
        return sorted(findings, key=lambda finding: [*datasets].index(finding.dataset))

    return judge


def equals(model: str, reference: str) -> Judge:
    """Two models' distances differ by less than the margin: two one-sided tests."""

    def judge(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
        return [_equal(evidence, dataset, model, reference) for dataset in datasets]

    return judge


def _equal(evidence: Evidence, dataset: str, model: str, reference: str) -> Finding:
    a, b = evidence.distance(model, dataset), evidence.distance(reference, dataset)
    if too_few := missing_runs(evidence, dataset, [model, reference]):
        return Finding(dataset, UNDECIDED, too_few, metric="distance")
    effect, margin = welch_t_test(a.values, b.values), MARGIN * b.mean
    is_inside = effect.low > -margin and effect.high < margin
    is_outside = effect.low > margin or effect.high < -margin
    answer = SUPPORTED if is_inside else CONTRADICTED if is_outside else UNDECIDED
    finding = Finding(
        dataset,
        answer,
        f"{model_label(model)} {a.mean:.3g}, {model_label(reference)} {b.mean:.3g}; equal within {margin:.2g} is asked",
        test="Welch’s interval against margins of ±5 %",
        effect=effect.without_p(),
        effect_name=EFFECT_NAME,
        metric="distance",
        keys=keys_of(a, b),
    )
    lower = [model if effect.value < 0 else reference]
    winners = {SUPPORTED: [model, reference], CONTRADICTED: lower, UNDECIDED: []}[answer]
    return with_caveat(finding, survivor_caveat(evidence, dataset, winners))


def jpeg_lowers(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
    """Claim 18: the same samples are closer to reference images that went through JPEG (Pillow's default quality, 75).

    Runs of all models with enough of them are tested together.
    """
    return [_jpeg_lowers(evidence, dataset) for dataset in datasets]


def _jpeg_lowers(evidence: Evidence, dataset: str) -> Finding:
    rows = _image_variants(evidence, dataset)
    raw, jpeg, stretched = (
        _distance_by_key(rows, real, fake)
        for real, fake in (
            (UNCHANGED, UNCHANGED),
            (JPEG_75, UNCHANGED),
            (JPEG_75, STRETCHED),
        )
    )
    keys_by_model = {
        model: tuple(key for key in evidence.keys(model, dataset) if key in raw.index and key in jpeg.index)
        for model in JPEG_MODELS
    }
    models = tuple(model for model, keys in keys_by_model.items() if len(keys) >= MIN_RUNS)
    keys = tuple(key for model in models for key in keys_by_model[model])
    if not models:
        counts = ", ".join(f"{model_label(model)}: {len(keys)}" for model, keys in keys_by_model.items())
        text = f"too few trainings scored against JPEG reals ({MIN_RUNS} of a model are needed): {counts}"
        return Finding(dataset, UNDECIDED, text, metric="distance")
    raw_values, jpeg_values = (distance.loc[[*keys]].to_numpy(float) for distance in (raw, jpeg))
    ratio = paired_t_test(np.log(jpeg_values) - np.log(raw_values)).exp()
    answer = SUPPORTED if ratio.high < 1 else CONTRADICTED if ratio.low > 1 else UNDECIDED
    text = f"reals as they are {raw_values.mean():.3g}, through JPEG {jpeg_values.mean():.3g}"
    if stretched.index.isin(keys).sum() == len(keys):
        text += f"; with the stretched contrast of that code’s samples as well {stretched.loc[[*keys]].mean():.3g}"
    return Finding(
        dataset,
        answer,
        text,
        test="paired t-test of log distances, training by training",
        effect=ratio,
        effect_name="ratio of distances",
        metric="distance",
        keys=keys,
        models=models,
    )


def _image_variants(evidence: Evidence, dataset: str) -> DataFrame:
    """Distances under the data set's protocol, and under those that differ from it only in image transforms."""
    rows, (metric, base_id) = evidence.distances.frame, evidence.distances.protocols.get(dataset, ("", ""))
    rows = rows[(rows["dataset"] == dataset) & rows["model"].isin(JPEG_MODELS) & (rows["metric"] == metric)]
    for name in set(PROTOCOL_COLUMNS) - {"real_transform", "fake_transform"}:
        base = rows.loc[rows["protocol_id"] == base_id, name].dropna()
        rows = rows[rows[name].isin(base) | (rows[name].isna() if base.empty else False)]
    return rows


def _distance_by_key(rows: DataFrame, real_transform: str, fake_transform: str) -> Series[float]:
    rows = rows[(rows["real_transform"] == real_transform) & (rows["fake_transform"] == fake_transform)]
    return rows.drop_duplicates("key", keep="last").set_index("key")["value"]
