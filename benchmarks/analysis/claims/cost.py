"""Claims about parameters and time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from pandas import DataFrame, Series, isna

from benchmarks.analysis import network_sizes
from benchmarks.analysis.claims.finding import CONTRADICTED, SETTING, SUPPORTED, TIMES, UNDECIDED, Finding
from benchmarks.analysis.evidence import Evidence, label
from benchmarks.analysis.statistics import Effect, welch
from benchmarks.analysis.verdicts import ENOUGH
from benchmarks.data.datasets import DATASETS

LIMIT = 0.03  # "less than 3 %" (claim 12)
LITTLE = 0.25  # share of time per step that counts as little (claim 13; the paper gives no number)
ALIKE = ("device", "engine", "precision", "torch")  # times compare only where these are equal
# Claim 13: what is GLF without a flow, and in which stage.  GLF in two stages trains the very same auto-encoder alone;
# RAE + GMM's has a penalty on the latents besides
WITHOUT = (("glf-two-stage", "ae"), ("rae-gmm", "train"))
APART = "times compare only on one device, with one engine, precision and version of torch"
SHORT = f"too few trainings of more than one epoch ({ENOUGH} are needed)"
READING = "it takes the authors to say how many couplings a block has"
EPOCHS = "it takes a budget of more than one epoch"


def small_flow(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
    """Claim 12: counted from the modules; no training is concerned."""
    found = []
    for dataset in datasets:
        if dataset not in DATASETS or DATASETS[dataset].shape[1] > 64:
            continue
        part, fewer = (network_sizes.flow_share(DATASETS[dataset], blocks=blocks) for blocks in (4, 2))
        says = f"with 8 couplings, as in 3.1, the flow has {_percent(part)} of the parameters of encoder and decoder"
        answer = SUPPORTED
        if part >= LIMIT:
            answer = UNDECIDED if fewer < LIMIT else CONTRADICTED
            says += (f", which is not less than {_percent(LIMIT)}; with 4, as Figure 1b may be read (glf-4-couplings), "
                     f"{_percent(fewer)}, which is {'less' if fewer < LIMIT else 'not less, either'}")  # fmt: skip
        found.append(Finding(dataset, answer, says, "counted from the modules", Effect(part, part, part, float("nan")),
                             "share of parameters", trainings={}, barred=READING))  # fmt: skip
    return found


def _percent(part: float) -> str:
    return f"{100 * part:.2g} %"


def _timed(evidence: Evidence, keys: Sequence[str]) -> DataFrame:
    """The epochs of some trainings, with columns for times even where no record has an epoch."""
    rows = evidence.of(keys)
    return rows.reindex(columns=[*dict.fromkeys([*rows.columns, "seconds", "steps"])])


def _per_step(evidence: Evidence, timed: Sequence[str], stage: str) -> dict[str, float]:
    """Key -> seconds per step, median over epochs without the first one."""
    rows = _timed(evidence, timed)
    rows = rows[rows["stage"] == stage]
    rows = rows[rows.groupby("key").cumcount() > 0]
    return {str(key): float(s) for key, s in (rows["seconds"] / rows["steps"]).groupby(rows["key"]).median().items()}


def _alike(evidence: Evidence, dataset: str, models: Sequence[str]) -> tuple[str, list[list[str]], str]:
    """Finished trainings whose times compare.

    Returns:
        the device, engine, precision and version of torch that most of them have; their keys, model by model; and why
        they are too few, or "".
    """
    all_ = [evidence.trainings.loc[[*evidence.keys(model, dataset)]] for model in models]
    done = [mine[mine["status"] == "done"] for mine in all_]
    hows = [Series([", ".join("?" if isna(v) else str(v) for v in how) for how in mine[[*ALIKE]].to_numpy(object)],
                   index=mine.index, dtype=object) for mine in done]  # fmt: skip
    counts = Counter(how for side in hows for how in side)
    # Of those that most models have enough of, the commonest
    how = max(counts, key=lambda h: (sum((side == h).sum() >= ENOUGH for side in hows), counts[h], h), default="")
    keys = [[*map(str, side.index[side == how])] for side in hows]
    if min(map(len, keys)) >= ENOUGH:
        return how, keys, ""
    numbers = ", ".join(f"{label(model)}: {len(k)}" for model, k in zip(models, keys, strict=True))
    if min(map(len, hows)) >= ENOUGH:
        return how, keys, f"{APART}: {numbers} with {how}"
    return how, keys, f"too few finished trainings ({ENOUGH} are needed): {numbers}"


def cheap_flow(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
    """Claim 13: a step of GLF against one of the same auto-encoder without a flow."""
    found = []
    for dataset in datasets:
        # The first that decides; else the one with the most trainings, RAE + GMM of Table 1 where they have as many
        tried = {other: _beside(evidence, dataset, other, stage) for other, stage in WITHOUT}
        most = max(reversed(tried), key=lambda other: len(evidence.keys(other, dataset)))
        other = next((other for other, (*_, why) in tried.items() if not why), most)
        how, a, b, why = tried[other]
        keys, models = (*a, *b), ("glf", other)
        if why:
            stop = TIMES if why.startswith(APART) else EPOCHS if why == SHORT else ""
            found.append(Finding(dataset, UNDECIDED, why, keys=keys, models=models, barred=stop))
            continue
        e = welch(np.log([*a.values()]), np.log([*b.values()]))
        ratio = e.exp()
        answer = SUPPORTED if ratio.high < 1 + LITTLE else CONTRADICTED if ratio.low > 1 + LITTLE else UNDECIDED
        part = " (its auto-encoder alone)" if dict(WITHOUT)[other] == "ae" else ""
        mine, its = (1e3 * float(np.median([*one.values()])) for one in (a, b))
        says = (f"a step of GLF takes {mine:.3g} ms, one of {label(other)}{part} {its:.3g} ms on {how}; up to "
                f"{_percent(LITTLE)} more counts as little")  # fmt: skip
        test = f"Welch’s interval of log seconds per step against {_percent(LITTLE)} more"
        found.append(Finding(dataset, answer, says, test, ratio.interval, "ratio of times", keys=keys, models=models))
    return found


def _beside(
    evidence: Evidence, dataset: str, other: str, stage: str
) -> tuple[str, dict[str, float], dict[str, float], str]:
    """How steps of GLF and of another model's stage were taken, their seconds, and why they do not compare, or ""."""
    how, timed, why = _alike(evidence, dataset, ["glf", other])
    a, b = (_per_step(evidence, side, at) for side, at in zip(timed, ("train", stage), strict=True))
    return how, a, b, why or (SHORT if min(len(a), len(b)) < ENOUGH else "")


def faster(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
    """Claim 14: GLF trains for fewer epochs and a shorter time than the Two-Stage VAE, on one device."""
    found = []
    for dataset in datasets:
        how, timed, why = _alike(evidence, dataset, ["glf", "two-stage-vae"])
        totals: list[dict[str, tuple[float, int]]] = []
        for side in timed:
            sums = _timed(evidence, side).groupby("key")["seconds"].agg(["sum", "size"])
            totals.append({str(key): (float(s), int(n)) for key, s, n in sums.itertuples()})
        a, b = totals
        keys = (*a, *b)
        if not evidence.full(dataset):
            says = "a shortened budget caps the steps of both models alike: it decides this, and not the models"
            if evidence.preset == "paper":
                says = f"{evidence.schedules(dataset)} decide this, and not the models"
                says += "" if "images" not in evidence.lacks(dataset) else ": the paper has no such data set"
            found.append(Finding(dataset, UNDECIDED, says, keys=keys, barred=SETTING))
            continue
        if why or min(len(a), len(b)) < ENOUGH:
            says, stop = why or "the finished trainings have no epochs", TIMES if why.startswith(APART) else ""
            found.append(Finding(dataset, UNDECIDED, says, keys=keys, barred=stop))
            continue
        e = welch(np.log([s for s, _ in a.values()]), np.log([s for s, _ in b.values()]))
        ratio = e.exp()
        epochs = max(n for _, n in a.values()), min(n for _, n in b.values())
        fewer = epochs[0] < epochs[1]
        answer = (SUPPORTED if fewer and ratio.high < 1 else
                  CONTRADICTED if not fewer or ratio.low > 1 else UNDECIDED)  # fmt: skip
        minutes = [float(np.median([s for s, _ in one.values()])) / 60 for one in (a, b)]
        says = (f"GLF: {epochs[0]} epochs, {minutes[0]:.3g} min; Two-Stage VAE: {epochs[1]} epochs, "
                f"{minutes[1]:.3g} min, with {how}")  # fmt: skip
        found.append(Finding(dataset, answer, says, "Welch’s interval of log total seconds", ratio, "ratio of times",
                             keys=keys))  # fmt: skip
    return found
