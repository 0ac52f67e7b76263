"""Limits of claims about β: budgets and images other than the paper's, and rows of settings that scale β."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.analysis.claims.finding import CONTRADICTED, NOT_DECIDABLE, Finding
from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.paper_setting import differences_from_paper
from benchmarks.protocols import PROTOCOLS


def contradicted_on_paper_budget_only(evidence: Evidence, finding: Finding) -> Finding:
    """The same finding, but not decidable if it contradicts the claim on a budget or images other than the paper's."""
    differences = differences_from_paper(evidence, finding.dataset)
    if not differences or finding.answer != CONTRADICTED:
        return finding
    causes = " or ".join({"budget": "another budget", "images": "other images"}[name] for name in differences)
    reason = (
        f"the numbers disagree with the claim, but {causes} can cause that; "
        f"only runs with the paper’s {' and '.join(differences)} can contradict it"
    )
    return replace(finding, answer=NOT_DECIDABLE, reason=reason)


def scaled_beta_note(evidence: Evidence, dataset: str, models: Sequence[str]) -> str:
    """A note about the β in the loss if a row of settings scales it; else ""."""
    rows = {str(evidence.runs.at[key, "protocol_row"]) for model in models for key in evidence.keys(model, dataset)}
    protocols = [PROTOCOLS[m][row] for m in ("glf", "vae-flow-prior") for row in rows if row in PROTOCOLS[m]]
    factors = {protocol.scale.get("beta", 1) for protocol in protocols} - {1}
    scaled = ", ".join(f"{factor:g}" for factor in sorted(factors))
    return f"; these β are the paper’s, and the loss here uses {scaled} times them" if scaled else ""
