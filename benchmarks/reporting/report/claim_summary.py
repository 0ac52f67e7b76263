"""A claim in one line, for the table at the top of the page."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.analysis.claims import Claim, ClaimVerdict, Finding
from benchmarks.reporting.report.number_format import dataset_label, format_together


@dataclass(frozen=True)
class ClaimSummary:
    """A claim's verdict, and the finding that shows it.

    Attributes:
        reason: why the claim has no answer, in one line; "" if it has one.
        effect: the finding's effect, "NAME = VALUE", or "".
        interval: its 95 % interval, "95 %: LOW to HIGH", or "".
        n_runs: number of runs used; None if the claim is not about runs.
        scope: metric and data set of the finding, and how many other findings there are.
    """

    claim: Claim
    answer: str
    reason: str
    effect: str
    interval: str
    n_runs: int | None
    scope: str


def summarize_claim(claim: Claim, verdict: ClaimVerdict) -> ClaimSummary:
    """Summarize a claim by the first finding that has the claim's answer; findings with an effect are preferred."""
    agreeing = [f for f in verdict.findings if f.answer == verdict.answer] or [*verdict.findings]
    finding = next((f for f in agreeing if f.effect), agreeing[0])
    value, interval = format_effect(finding)
    n_others = len(verdict.findings) - 1
    scope = ", ".join(filter(None, [finding.metric, dataset_label(finding.dataset)]))
    return ClaimSummary(
        claim=claim,
        answer=verdict.answer,
        reason=verdict.reason,
        effect=f"{finding.effect_name} = {value}" if value else "",
        interval=interval,
        n_runs=len(finding.keys) if claim.models else None,
        scope=scope + (f", and {n_others} more" if n_others else ""),
    )


def format_effect(finding: Finding) -> tuple[str, str]:
    """A finding's effect, and "95 %: LOW to HIGH" with the same decimals; "" for each that is missing."""
    effect = finding.effect
    if effect is None:
        return "", ""
    if effect.low == effect.high:
        return format_together(effect.value)[0], ""
    value, low, high = format_together(effect.value, effect.low, effect.high)
    return value, f"95 %: {low} to {high}"


def describe_effect(finding: Finding) -> str:
    """A finding's effect as "NAME = VALUE (95 %: LOW to HIGH), p = P"; "" without one."""
    value, interval = format_effect(finding)
    if finding.effect is None:
        return ""
    p_value = "" if finding.effect.p != finding.effect.p else f", p = {finding.effect.p:.2g}"
    return f"{finding.effect_name} = {value}" + (f" ({interval})" if interval else "") + p_value
