"""Claims about which model has the smaller distance; Appendix B.4's about the same samples and other reals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.analysis.claims.finding import (
    CONTRADICTED,
    LUCK,
    SUPPORTED,
    UNDECIDED,
    Finding,
    Judge,
    doubt,
    keys_of,
    short_of,
)
from benchmarks.analysis.evidence import SAME, Evidence, label
from benchmarks.analysis.statistics import LEVEL, Effect, holm, paired, welch
from benchmarks.analysis.verdicts import ENOUGH
from benchmarks.evaluation import image_ops
from benchmarks.execution.grid import MARGIN

UNIT = "difference of mean distances"
SCORED = ("glf", "two-stage-vae")  # of claim 18
JPEG = "JPEG, quality 75"  # Pillow's default, as in the code of the Two-Stage VAE


def beats(better: str, others: Sequence[str]) -> Judge:
    """One model has a smaller distance than each of some others: Welch's t-tests, Holm over all of them."""

    def judge(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
        tests: dict[tuple[str, str], Effect] = {}
        for dataset in datasets:
            mine = evidence.distance(better, dataset)
            for other in others:
                its = evidence.distance(other, dataset)
                if len(mine) >= ENOUGH and len(its) >= ENOUGH:
                    tests[dataset, other] = welch(mine.values, its.values)
        adjusted = dict(zip(tests, holm([e.p for e in tests.values()]), strict=True))
        return [_order(evidence, dataset, better, others, tests, adjusted) for dataset in datasets]

    return judge


def _order(
    evidence: Evidence,
    dataset: str,
    better: str,
    others: Sequence[str],
    tests: Mapping[tuple[str, str], Effect],
    adjusted: Mapping[tuple[str, str], float],
) -> Finding:
    mine = evidence.distance(better, dataset)
    there = [other for other in others if (dataset, other) in tests]
    lost = [o for o in there if adjusted[dataset, o] < LEVEL and tests[dataset, o].value > 0]
    won = [o for o in there if adjusted[dataset, o] < LEVEL and tests[dataset, o].value < 0]
    short = short_of(evidence, dataset, [better, *others])
    if not there:
        return Finding(dataset, UNDECIDED, short, metric="distance")
    rival = min(there, key=lambda o: evidence.distance(o, dataset).mean)
    its = evidence.distance(rival, dataset)
    shown = min(lost or there, key=lambda o: evidence.distance(o, dataset).mean)  # of those that decide
    effect = replace(tests[dataset, shown], p=adjusted[dataset, shown])
    unit = UNIT if shown == rival else f"{UNIT}, {label(better)} less {label(shown)}"
    best = "; the best other, {}, {:.3g}" if len(others) > 1 else ", {} {:.3g}"
    says = f"{label(better)} {mine.mean:.3g}" + best.format(label(rival), its.mean)
    if lost:
        answer, says = CONTRADICTED, f"{says}; significantly better than {label(better)}: {', '.join(map(label, lost))}"
    elif len(won) == len(others):
        answer = SUPPORTED
    else:
        answer = UNDECIDED
        open_ = [o for o in there if o not in won]
        says += f"; not told apart: {', '.join(map(label, open_))}" if open_ else ""
        says += f"; {short}" if short else ""
    winners = lost if answer == CONTRADICTED else [better]
    told, stop = "", ""
    if answer != UNDECIDED and all(doubt(evidence, dataset, [winner]) for winner in winners):
        answer, told, stop = UNDECIDED, f"; {doubt(evidence, dataset, winners)}", LUCK
    test = "Welch’s t-test" + (f", Holm over {len(tests)} comparisons" if len(tests) > 1 else "")
    keys = keys_of(mine, *(evidence.distance(o, dataset) for o in there))
    return Finding(dataset, answer, says + told, test, effect, unit, "distance", keys=keys, few=bool(short),
                   barred=stop)  # fmt: skip


def improves_not(model: str, reference: str) -> Judge:
    """A model is not better than another by more than the margin."""

    def judge(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
        return [_no_better(evidence, dataset, model, reference) for dataset in datasets]

    return judge


def _no_better(evidence: Evidence, dataset: str, model: str, reference: str) -> Finding:
    a, b = evidence.distance(model, dataset), evidence.distance(reference, dataset)
    if short := short_of(evidence, dataset, [model, reference]):
        return Finding(dataset, UNDECIDED, short, metric="distance")
    effect, margin = welch(a.values, b.values), MARGIN * b.mean
    answer = SUPPORTED if effect.low > -margin else CONTRADICTED if effect.high < -margin else UNDECIDED
    says = f"{label(model)} {a.mean:.3g}, {label(reference)} {b.mean:.3g}; better by up to {margin:.2g} counts as none"
    told = doubt(evidence, dataset, [reference if answer == SUPPORTED else model]) if answer != UNDECIDED else ""
    if told:
        answer, says = UNDECIDED, f"{says}; {told}"
    return Finding(dataset, answer, says, "Welch’s interval against a margin of 5 %", effect.interval, UNIT, "distance",
                   keys=keys_of(a, b), barred=LUCK if told else "")  # fmt: skip


def by_dataset(judges: Mapping[str, Judge]) -> Judge:
    """A claim that says different things of different data sets."""

    def judge(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
        found: list[Finding] = []
        for one in dict.fromkeys(judges.values()):
            found += one(evidence, [d for d in datasets if judges.get(d) is one])
        return sorted(found, key=lambda finding: [*datasets].index(finding.dataset))

    return judge


def equal(model: str, reference: str) -> Judge:
    """Two models' distances differ by less than the margin: two one-sided tests."""

    def judge(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
        found = []
        for dataset in datasets:
            a, b = evidence.distance(model, dataset), evidence.distance(reference, dataset)
            if short := short_of(evidence, dataset, [model, reference]):
                found.append(Finding(dataset, UNDECIDED, short, metric="distance"))
                continue
            effect, margin = welch(a.values, b.values), MARGIN * b.mean
            inside = effect.low > -margin and effect.high < margin
            outside = effect.low > margin or effect.high < -margin
            answer = SUPPORTED if inside else CONTRADICTED if outside else UNDECIDED
            says = f"{label(model)} {a.mean:.3g}, {label(reference)} {b.mean:.3g}; equal within {margin:.2g} is asked"
            lower = [model if effect.value < 0 else reference]
            told = doubt(evidence, dataset, [model, reference] if inside else lower) if inside or outside else ""
            if told:
                answer, says = UNDECIDED, f"{says}; {told}"
            found.append(Finding(dataset, answer, says, "Welch’s interval against margins of ±5 %", effect.interval,
                                 UNIT, "distance", keys=keys_of(a, b), barred=LUCK if told else ""))  # fmt: skip
        return found

    return judge


def jpeg_lowers(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
    """Claim 18: the same samples are closer to reals that went through JPEG (Pillow's default, 75).

    Trainings of all models with enough of them are taken together.
    """
    found = []
    for dataset in datasets:
        # The data set's own protocol, and those that differ from it in what is done to images alone
        rows, (metric, base) = evidence.measured, evidence.protocols.get(dataset, ("", ""))
        rows = rows[(rows["dataset"] == dataset) & rows["model"].isin(SCORED)]
        rows = rows[rows["metric"] == metric]
        for name in set(SAME) - {"reals", "fakes"}:
            own = rows.loc[rows["protocol_id"] == base, name].dropna()
            rows = rows[rows[name].isin(own) | (rows[name].isna() if own.empty else False)]
        by = {}
        for name, reals, fakes in (("raw", image_ops.RAW, image_ops.RAW), ("jpeg", JPEG, image_ops.RAW),
                                   ("both", JPEG, image_ops.STRETCHED)):  # fmt: skip
            mine = rows[(rows["reals"] == reals) & (rows["fakes"] == fakes)]
            by[name] = mine.drop_duplicates("key", keep="last").set_index("key")["value"]
        pairs = {model: tuple(key for key in evidence.keys(model, dataset)
                              if key in by["raw"].index and key in by["jpeg"].index) for model in SCORED}  # fmt: skip
        models = tuple(model for model, mine in pairs.items() if len(mine) >= ENOUGH)
        keys = tuple(key for model in models for key in pairs[model])
        if not models:
            numbers = ", ".join(f"{label(model)}: {len(mine)}" for model, mine in pairs.items())
            says = f"too few trainings scored against JPEG reals ({ENOUGH} of a model are needed): {numbers}"
            found.append(Finding(dataset, UNDECIDED, says, metric="distance"))
            continue
        raw, jpeg = (by[name].loc[[*keys]].to_numpy(float) for name in ("raw", "jpeg"))
        e = paired(np.log(jpeg) - np.log(raw))
        ratio = e.exp()
        answer = SUPPORTED if ratio.high < 1 else CONTRADICTED if ratio.low > 1 else UNDECIDED
        says = f"reals as they are {raw.mean():.3g}, through JPEG {jpeg.mean():.3g}"
        if by["both"].index.isin(keys).sum() == len(keys):
            both = by["both"].loc[[*keys]].mean()
            says += f"; with the stretched contrast of that code’s samples as well {both:.3g}"
        found.append(Finding(dataset, answer, says, "paired t-test of log distances, training by training", ratio,
                             "ratio of distances", "distance", keys=keys, models=models))  # fmt: skip
    return found
