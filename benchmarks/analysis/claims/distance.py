"""Claims about which model has the smaller distance, and the claim of Appendix B.4 about JPEG reference images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pandas import DataFrame, Series

from benchmarks.analysis.claims.finding import (
    CONTRADICTED,
    INCONCLUSIVE,
    NOT_TESTED,
    SUPPORTED,
    Finding,
    Judge,
    difference_name,
    inline_label,
    keys_of,
    missing_runs,
    survivor_caveat,
    too_few_runs,
    with_caveat,
)
from benchmarks.analysis.distances import PROTOCOL_COLUMNS
from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.statistics import SIGNIFICANCE_LEVEL, Effect, correct_together, paired_t_test, welch_t_test
from benchmarks.analysis.verdicts import MIN_RUNS
from benchmarks.evaluation.protocol import JPEG_75, STRETCHED, UNCHANGED
from benchmarks.execution.requirements import MARGIN

JPEG_MODELS = ("glf", "two-stage-vae")  # of claim 18


def beats(better: str, others: Sequence[str], not_ahead_of: str = "") -> Judge:
    """One model has a smaller distance than each of some others: Welch's t-tests, Holm over all of them.

    Args:
        better: the model that the claim puts first.
        others: the models behind it.
        not_ahead_of: a model that `better` must not beat; "" for none.
    """

    def judge(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
        tests: dict[tuple[str, str], Effect] = {}
        for dataset in datasets:
            ours = evidence.distance(better, dataset)
            for other in (*others, *filter(None, [not_ahead_of])):
                theirs = evidence.distance(other, dataset)
                if len(ours) >= MIN_RUNS and len(theirs) >= MIN_RUNS:
                    tests[dataset, other] = welch_t_test(ours.values, theirs.values)
        tests = correct_together(tests)
        return [_beats_all(evidence, dataset, better, others, tests, not_ahead_of) for dataset in datasets]

    return judge


def _beats_all(
    evidence: Evidence,
    dataset: str,
    better: str,
    others: Sequence[str],
    tests: Mapping[tuple[str, str], Effect],
    leader: str,
) -> Finding:
    """The finding of `beats` on one data set; `tests` holds the tests of all data sets, corrected."""
    models = [better, *others, *filter(None, [leader])]
    means = {model: evidence.distance(model, dataset).mean for model in models}
    tested = [model for model in models if (dataset, model) in tests]
    too_few = missing_runs(evidence, dataset, models)
    if not tested:
        return Finding(dataset, NOT_TESTED, reason=too_few, metric="distance")
    significant = [model for model in tested if tests[dataset, model].p < SIGNIFICANCE_LEVEL]
    lost_to = [model for model in significant if tests[dataset, model].value > 0 and model != leader]
    beaten = [model for model in significant if tests[dataset, model].value < 0]
    is_ahead = leader in beaten
    tested_others = [model for model in tested if model != leader]
    decisive = min(lost_to or ([leader] if is_ahead else tested_others or tested), key=means.__getitem__)
    answer, reason = INCONCLUSIVE, ""
    if lost_to or is_ahead:
        answer = CONTRADICTED
    elif too_few:
        answer, reason = NOT_TESTED, too_few
    elif {*others} <= {*beaten}:
        answer = SUPPORTED
    else:
        not_beaten = ", ".join(inline_label(model) for model in others if model not in beaten)
        reason = f"{inline_label(better)} is not shown to have a smaller distance than {not_beaten}"
    finding = Finding(
        dataset,
        answer,
        _describe_order(better, others, tested, means, lost_to, leader, is_ahead),
        reason,
        test="Welch’s t-test" + (f", Holm over {len(tests)} comparisons" if len(tests) > 1 else ""),
        effect=tests[dataset, decisive],
        effect_name=difference_name(better, decisive),
        metric="distance",
        keys=keys_of(*(evidence.distance(model, dataset) for model in (better, *tested))),
    )
    winners = {CONTRADICTED: [*lost_to, *([better] if is_ahead else [])], SUPPORTED: [better]}.get(answer, [])
    caveats = [survivor_caveat(evidence, dataset, [winner]) for winner in winners]
    return with_caveat(finding, "; ".join(caveats) if all(caveats) else "")


def _describe_order(
    better: str,
    others: Sequence[str],
    tested: Sequence[str],
    means: Mapping[str, float],
    lost_to: Sequence[str],
    leader: str,
    is_ahead: bool,
) -> str:
    """The mean distances behind a finding of `beats`, and the models that contradict the claim."""
    text = f"{inline_label(better)} {means[better]:.3g}"
    if tested_others := [model for model in tested if model != leader]:
        best = min(tested_others, key=means.__getitem__)
        text += f"; {inline_label(best)} {means[best]:.3g}" + (" (the best other model)" if len(others) > 1 else "")
    if leader in tested:
        text += f"; {inline_label(leader)} {means[leader]:.3g}"
    if lost_to:
        verb = "are" if len(lost_to) > 1 else "is"
        text += f"; {', '.join(map(inline_label, lost_to))} {verb} significantly better than {inline_label(better)}"
    return text + (f"; {inline_label(better)} is significantly better than {inline_label(leader)}" if is_ahead else "")


def does_not_improve(model: str, reference: str) -> Judge:
    """A model is not better than another by more than the margin."""

    def judge(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
        return [_no_better(evidence, dataset, model, reference) for dataset in datasets]

    return judge


def _no_better(evidence: Evidence, dataset: str, model: str, reference: str) -> Finding:
    a, b = evidence.distance(model, dataset), evidence.distance(reference, dataset)
    if too_few := missing_runs(evidence, dataset, [model, reference]):
        return Finding(dataset, NOT_TESTED, reason=too_few, metric="distance")
    effect, margin = welch_t_test(a.values, b.values), MARGIN * b.mean
    answer = SUPPORTED if effect.low > -margin else CONTRADICTED if effect.high < -margin else INCONCLUSIVE
    finding = Finding(
        dataset,
        answer,
        f"{inline_label(model)} {a.mean:.3g}; {inline_label(reference)} {b.mean:.3g}; "
        f"a difference above −{margin:.2g} counts as no improvement",
        f"the interval contains the limit, −{margin:.2g}" if answer == INCONCLUSIVE else "",
        test="Welch’s interval against a margin of 5 %",
        effect=effect.without_p(),
        effect_name=difference_name(model, reference),
        metric="distance",
        keys=keys_of(a, b),
    )
    winners = {SUPPORTED: [reference], CONTRADICTED: [model]}.get(answer, [])
    return with_caveat(finding, survivor_caveat(evidence, dataset, winners))


def by_dataset(judges: Mapping[str, Judge]) -> Judge:
    """Combine claims that differ between data sets into one."""

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
        return Finding(dataset, NOT_TESTED, reason=too_few, metric="distance")
    effect, margin = welch_t_test(a.values, b.values), MARGIN * b.mean
    is_inside = effect.low > -margin and effect.high < margin
    is_outside = effect.low > margin or effect.high < -margin
    answer = SUPPORTED if is_inside else CONTRADICTED if is_outside else INCONCLUSIVE
    finding = Finding(
        dataset,
        answer,
        f"{inline_label(model)} {a.mean:.3g}; {inline_label(reference)} {b.mean:.3g}; "
        f"a difference within ±{margin:.2g} counts as none",
        f"the interval reaches beyond ±{margin:.2g}, so a difference of more than 5 % is not excluded"
        if answer == INCONCLUSIVE
        else "",
        test="Welch’s interval against margins of ±5 %",
        effect=effect.without_p(),
        effect_name=difference_name(model, reference),
        metric="distance",
        keys=keys_of(a, b),
    )
    lower = [model if effect.value < 0 else reference]
    winners = {SUPPORTED: [model, reference], CONTRADICTED: lower}.get(answer, [])
    return with_caveat(finding, survivor_caveat(evidence, dataset, winners))


def jpeg_lowers(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
    """Claim 18: the same samples are closer to JPEG-compressed reference images (Pillow's default quality, 75).

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
        counts = {model: len(keys) for model, keys in keys_by_model.items()}
        reason = too_few_runs(counts, "runs", " scored against JPEG reference images")
        return Finding(dataset, NOT_TESTED, reason=reason, metric="distance")
    raw_values, jpeg_values = (distance.loc[[*keys]].to_numpy(float) for distance in (raw, jpeg))
    ratio = paired_t_test(np.log(jpeg_values) - np.log(raw_values)).exp()
    answer = SUPPORTED if ratio.high < 1 else CONTRADICTED if ratio.low > 1 else INCONCLUSIVE
    text = f"unchanged reference images {raw_values.mean():.3g}; JPEG reference images {jpeg_values.mean():.3g}"
    if stretched.index.isin(keys).sum() == len(keys):
        text += f"; JPEG reference images and samples with stretched contrast {stretched.loc[[*keys]].mean():.3g}"
    return Finding(
        dataset,
        answer,
        text,
        "the interval of the ratio contains 1" if answer == INCONCLUSIVE else "",
        test="paired t-test of log distances, run by run",
        effect=ratio,
        effect_name="distance to JPEG images divided by distance to unchanged images",
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
