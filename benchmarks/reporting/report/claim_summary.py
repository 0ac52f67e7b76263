"""A claim in one line, for the table at the top of the page."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.analysis.claims import Claim, ClaimVerdict, Finding
from benchmarks.reporting.report.number_format import dataset_label, format_together


@dataclass(frozen=True)
class ClaimSummary:
    """A claim's verdict, and the finding that shows it.

    Attributes:
        effect: name and value of the finding's effect, or "".
        interval: its 95 % interval, or "".
        n_runs: number of runs used; None if the claim is not about runs.
        scope: metric and data set of the finding, and how many other findings there are.
    """

    claim: Claim
    answer: str
    effect: str
    interval: str
    n_runs: int | None
    scope: str


def summarize_claim(claim: Claim, verdict: ClaimVerdict) -> ClaimSummary:
    """Summarize a claim by its first finding with the claim's answer; one with an effect comes before others."""
    agreeing = [f for f in verdict.findings if f.answer == verdict.answer] or [*verdict.findings]
    finding = next((f for f in agreeing if f.effect), agreeing[0])
    value, interval = format_effect(finding)
    n_others = len(verdict.findings) - 1
    scope = ", ".join(filter(None, [finding.metric, dataset_label(finding.dataset)]))
    return ClaimSummary(
        claim=claim,
        answer=verdict.answer,
        effect=f"{finding.effect_name} {value}" if value else "",
        interval=interval,
        n_runs=len(finding.keys) if claim.models else None,
        scope=scope + (f", and {n_others} more" if n_others else ""),
    )


def format_effect(finding: Finding) -> tuple[str, str]:
    """Value and 95 % interval of a finding's effect, with the same decimals; "" for what it does not have."""
    effect = finding.effect
    if effect is None:
        return "", ""
    if effect.low == effect.high:
        return format_together(effect.value)[0], ""
    value, low, high = format_together(effect.value, effect.low, effect.high)
    return value, f"{low} to {high}"
