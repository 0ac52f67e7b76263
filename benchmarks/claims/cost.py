"""Claims about parameters and time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks import architecture
from benchmarks.claims.finding import CONTRADICTED, SUPPORTED, UNDECIDED, Finding
from benchmarks.datasets import DATASETS
from benchmarks.evidence import Evidence, label
from benchmarks.inference import Effect, welch
from benchmarks.verdicts import ENOUGH

LITTLE = 0.25  # share of time per step that counts as little (claim 13; the paper gives no number)


def small_flow(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
    """Claim 12: counted from the modules; no training is concerned."""
    found = []
    for dataset in datasets:
        if dataset not in DATASETS or DATASETS[dataset].shape[1] > 64:
            continue
        part = architecture.flow_share(DATASETS[dataset])
        says = f"the flow has {part:.2%} of the parameters of encoder and decoder (8 couplings, 3.1’s reading)"
        if part >= 0.03:
            fewer = architecture.flow_share(DATASETS[dataset], blocks=2)
            says += f"; {fewer:.2%} with 4 couplings, Figure 1b’s reading (glf-4-couplings)"
        found.append(Finding(dataset, SUPPORTED if part < 0.03 else CONTRADICTED, says, "counted from the modules",
                             Effect(part, part, part, float("nan")), "share of parameters", trainings={}))  # fmt: skip
    return found


def _per_step(evidence: Evidence, model: str, dataset: str, stage: str, device: str) -> dict[str, float]:
    """Key -> seconds per step, median over epochs without the first one, of trainings on one device."""
    mine = evidence.trainings.loc[[*evidence.keys(model, dataset)]]
    rows = evidence.of([*mine.index[(mine["status"] == "done") & (mine["device"] == device)]])
    rows = rows[rows["stage"] == stage]
    rows = rows[rows.groupby("key").cumcount() > 0]
    return {str(key): float(s) for key, s in (rows["seconds"] / rows["steps"]).groupby(rows["key"]).median().items()}


def _device(evidence: Evidence, dataset: str, models: Sequence[str]) -> str:
    """The device on which most of some models' trainings ran."""
    keys = [key for model in models for key in evidence.keys(model, dataset)]
    counts = evidence.trainings.loc[keys, "device"].value_counts()
    return str(counts.index[0]) if len(counts) else ""


def cheap_flow(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
    """Claim 13: a step of GLF against one of the same auto-encoder without a flow."""
    found = []
    for dataset in datasets:
        # GLF in two stages trains the very same auto-encoder alone; RAE + GMM's has a penalty on the latents besides
        other, stage = next(((m, s) for m, s in (("glf-two-stage", "ae"), ("rae-gmm", "train"))
                             if len(evidence.keys(m, dataset)) >= ENOUGH), ("rae-gmm", "train"))  # fmt: skip
        device = _device(evidence, dataset, ["glf", other])
        a = _per_step(evidence, "glf", dataset, "train", device)
        b = _per_step(evidence, other, dataset, stage, device)
        keys = (*a, *b)
        if min(len(a), len(b)) < ENOUGH:
            says = (f"too few timed trainings on one device ({ENOUGH} are needed): GLF: {len(a)}, "
                    f"{label(other)}: {len(b)}")  # fmt: skip
            found.append(Finding(dataset, UNDECIDED, says, keys=keys))
            continue
        e = welch(np.log([*a.values()]), np.log([*b.values()]))
        ratio = e.exp()
        answer = SUPPORTED if ratio.high < 1 + LITTLE else CONTRADICTED if ratio.low > 1 + LITTLE else UNDECIDED
        says = (f"a step of GLF takes {1e3 * np.median([*a.values()]):.3g} ms, one of {label(other)}"
                f"{' (its auto-encoder alone)' if stage == 'ae' else ''} {1e3 * np.median([*b.values()]):.3g} ms on "
                f"{device}; up to {LITTLE:.0%} more counts as little")  # fmt: skip
        found.append(Finding(dataset, answer, says, "Welch’s interval of log seconds per step", ratio, "ratio of times",
                             keys=keys))  # fmt: skip
    return found


def faster(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
    """Claim 14: GLF trains for fewer epochs and a shorter time than the Two-Stage VAE, on one device."""
    found = []
    for dataset in datasets:
        device = _device(evidence, dataset, ["glf", "two-stage-vae"])
        totals: dict[str, dict[str, tuple[float, int]]] = {}
        for model in ("glf", "two-stage-vae"):
            mine = evidence.trainings.loc[[*evidence.keys(model, dataset)]]
            rows = evidence.of([*mine.index[(mine["status"] == "done") & (mine["device"] == device)]])
            sums = rows.groupby("key")["seconds"].agg(["sum", "size"])
            totals[model] = {str(key): (float(s), int(n)) for key, s, n in sums.itertuples()}
        a, b = totals.values()
        keys = (*a, *b)
        if evidence.preset != "paper":
            says = "a shortened budget caps the steps of both models alike: it decides this, and not the models"
            found.append(Finding(dataset, UNDECIDED, says, keys=keys, command="-"))
            continue
        if min(len(a), len(b)) < ENOUGH:
            says = (f"too few finished trainings on one device ({ENOUGH} are needed): GLF: {len(a)}, "
                    f"Two-Stage VAE: {len(b)}")  # fmt: skip
            found.append(Finding(dataset, UNDECIDED, says, keys=keys))
            continue
        e = welch(np.log([s for s, _ in a.values()]), np.log([s for s, _ in b.values()]))
        ratio = e.exp()
        epochs = max(n for _, n in a.values()), min(n for _, n in b.values())
        fewer = epochs[0] < epochs[1]
        answer = (SUPPORTED if fewer and ratio.high < 1 else
                  CONTRADICTED if not fewer or ratio.low > 1 else UNDECIDED)  # fmt: skip
        minutes = [float(np.median([s for s, _ in side.values()])) / 60 for side in (a, b)]
        says = (f"GLF: {epochs[0]} epochs, {minutes[0]:.3g} min; Two-Stage VAE: {epochs[1]} epochs, "
                f"{minutes[1]:.3g} min, on {device}")  # fmt: skip
        found.append(Finding(dataset, answer, says, "Welch’s interval of log total seconds", ratio, "ratio of times",
                             keys=keys))  # fmt: skip
    return found
