"""What limits a claim about β: the paper's budget and images, and rows of settings that scale β."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.analysis.claims.finding import CONTRADICTED, NEEDS_PAPER_SETTING, UNDECIDED, Finding
from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.paper_setting import differences_from_paper
from benchmarks.protocols import PROTOCOLS


def contradicted_on_paper_budget_only(evidence: Evidence, finding: Finding) -> Finding:
    """The same finding, but undecided if it contradicts on another budget or other images: these can be the cause."""
    differences = differences_from_paper(evidence, finding.dataset)
    if not differences or finding.answer != CONTRADICTED:
        return finding
    causes = " or ".join({"budget": "another budget", "images": "other images"}[name] for name in differences)
    text = f"{finding.text}; {causes} can do this alone: it takes the paper’s {' and '.join(differences)} to contradict"
    return replace(finding, answer=UNDECIDED, text=text, undecidable_reason=NEEDS_PAPER_SETTING)


def scaled_beta_note(evidence: Evidence, dataset: str, models: Sequence[str]) -> str:
    """A note about the β in the loss if a row of settings scales it; else ""."""
    rows = {str(evidence.runs.at[key, "protocol_row"]) for model in models for key in evidence.keys(model, dataset)}
    protocols = [PROTOCOLS[m][row] for m in ("glf", "vae-flow-prior") for row in rows if row in PROTOCOLS[m]]
    factors = {protocol.scale.get("beta", 1) for protocol in protocols} - {1}
    scaled = ", ".join(f"{factor:g}" for factor in sorted(factors))
    return f"; β is the paper’s: the loss here has {scaled} times that" if scaled else ""
