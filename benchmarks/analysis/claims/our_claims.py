"""Claims of ours, which the paper does not make. They are judged on the records of fitted densities.

The command `densities` prints them below its table, and the report lists them after the paper's claims as `ours-1` and
so on. They are not among the paper's claims (`paper_claims.CLAIMS`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from pandas import DataFrame
from scipy import stats

from benchmarks.analysis.claims.claim import ClaimVerdict, combine_answers
from benchmarks.analysis.claims.finding import CONTRADICTED, INCONCLUSIVE, NOT_TESTED, SUPPORTED, Finding
from benchmarks.analysis.statistics import paired_t_test
from benchmarks.analysis.verdicts import MIN_RUNS

SOURCE = "ours, not the paper’s"
MIN_DENSITIES = 4  # fewer have no rank correlation worth a test
MIN_CORRELATION = 0.5  # our limit: a lower correlation does not order densities
NOT_FITTED = "own"  # a model's own density; RAE's would count as a mixture twice

DensityJudge = Callable[[DataFrame, Mapping[str, str], str], list[Finding]]
"""Rows of `read_densities` under one metric protocol, auto-encoder -> label, data set -> a finding per auto-encoder."""


@dataclass(frozen=True)
class OurClaim:
    """A claim of ours.

    Attributes:
        statement: what is claimed.
        rule: when the claim is supported and when contradicted, as text that follows "Supported where: ".
        judge: the rule.
        source: whose claim it is.
    """

    statement: str
    rule: str
    judge: DensityJudge
    source: str = SOURCE

    def verdict(self, densities: DataFrame, models: Mapping[str, str], dataset: str) -> ClaimVerdict:
        """Judge the claim on one data set.

        Args:
            densities: rows of `read_densities`, of the fits that count, under one metric protocol.
            models: auto-encoder -> label.
            dataset: its name.
        """
        findings = self.judge(densities, models, dataset)
        return ClaimVerdict(combine_answers(finding.answer for finding in findings), tuple(findings))


def rank_correlations(fits: DataFrame) -> dict[int, float]:
    """Seed -> Spearman's rank correlation, over densities, of the NLL of held-out latents and the distance of samples.

    Args:
        fits: rows of one auto-encoder on one data set. The distance of a fit is the mean over its sample sets.

    Returns:
        only seeds with `MIN_DENSITIES` fitted densities that have both numbers.
    """
    known = fits[(fits["status"] == "done") & (fits["density"] != NOT_FITTED)]
    known = known.dropna(subset=["held_out_nll", "distance"])
    correlations = {}
    for seed, own in known.groupby("seed"):
        pairs = own.groupby("density")[["held_out_nll", "distance"]].mean()
        if len(pairs) >= MIN_DENSITIES:
            rho = float(stats.spearmanr(pairs["held_out_nll"], pairs["distance"]).statistic)
            if np.isfinite(rho):
                correlations[int(str(seed))] = rho
    return correlations


def likelihood_orders_densities(densities: DataFrame, models: Mapping[str, str], dataset: str) -> list[Finding]:
    """Whether the rank correlation of likelihood and distance is above `MIN_CORRELATION`, for each auto-encoder."""
    findings = []
    for model, label in models.items():
        own = densities[(densities["model"] == model) & (densities["dataset"] == dataset)]
        correlations = rank_correlations(own)
        values, keys = [*correlations.values()], own[own["seed"].isin([*correlations])]["autoencoder"]
        if len(values) < MIN_RUNS:
            reason = (
                f"{label}: {len(values)} seeds have at least {MIN_DENSITIES} fitted densities with a likelihood and a "
                f"distance; {MIN_RUNS} are needed"
            )
            findings.append(Finding(dataset, NOT_TESTED, reason=reason, models=(model,)))
            continue
        effect = paired_t_test(values).without_p()
        answer, reason = INCONCLUSIVE, f"{label}: the interval crosses {MIN_CORRELATION}"
        if effect.low > MIN_CORRELATION or effect.high < MIN_CORRELATION:
            answer, reason = SUPPORTED if effect.low > MIN_CORRELATION else CONTRADICTED, ""
        text = f"{label}: mean ρ {effect.value:.2f} (95 %: {effect.low:.2f} to {effect.high:.2f}, {len(values)} seeds)"
        findings.append(Finding(
            dataset, answer, text, reason, test="Student’s interval of the mean over seeds", effect=effect,
            effect_name=f"Spearman’s ρ over densities, {label}", metric="distance",
            keys=tuple(dict.fromkeys(map(str, keys))), models=(model,),
        ))  # fmt: skip
    return findings


OUR_CLAIMS: tuple[OurClaim, ...] = (
    OurClaim(
        statement="Likelihood on held-out latents orders densities as the distance of their samples does",
        rule="for each auto-encoder, the mean over seeds of Spearman’s rank correlation, over the fitted densities, of "
        f"held-out NLL and distance is shown to be above {MIN_CORRELATION}; contradicted where it is shown to be below "
        "for one",
        judge=likelihood_orders_densities,
    ),
)
