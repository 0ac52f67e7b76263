"""The claims and their verdicts as data and as a list: RESULTS/tables/claims.csv and claims.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pandas import DataFrame

from benchmarks.analysis.claims import ANSWERS, Claim, ClaimVerdict, Finding
from benchmarks.analysis.claims.our_claims import OurClaim
from benchmarks.experiments import records
from benchmarks.reporting.formats.csv import frame_to_csv
from benchmarks.reporting.formats.markdown import escape_markdown
from benchmarks.reporting.report.claim_summary import describe_effect
from benchmarks.reporting.report.number_format import dataset_label
from benchmarks.reporting.report.sections import PresetSection

# Columns of claims.csv, which has one row per finding: a claim on a data set at a preset
COLUMNS = {
    "preset": "preset of the runs",
    "claim": "number of the paper's claim; ours-N for a claim of ours, which the paper does not make",
    "statement": "what is claimed",
    "source": "where in the paper; or that the claim is ours",
    "verdict": f"of the claim over all data sets: {', '.join(ANSWERS[:-1])} or {ANSWERS[-1]}",
    "dataset": "data set of this finding",
    "dataset_verdict": "of the claim on this data set",
    "reason": "why the claim is not tested, inconclusive or not decidable on this data set; empty otherwise",
    "finding": "the numbers behind it, and notes on the runs",
    "test": "statistical test; empty if none was made",
    "effect": "what the test estimates: which minus which, which divided by which, and the unit",
    "value": "estimate of the effect",
    "ci_low": "lower end of its 95 % interval",
    "ci_high": "upper end of its 95 % interval",
    "p_value": "corrected for several comparisons; empty where an interval is compared with a margin",
    "metric": "column of the distance; empty if the claim is not about one",
    "protocol_id": "fingerprint of the metric protocol",
    "runs": "number of runs, as MODEL:N",
    "runs_used": "number of runs that the finding uses, as MODEL:N",
    "settings_note": "settings of these runs that are not the paper's; of a claim of ours, preset and budget",
}
MARKDOWN_COLUMNS = ("claim", "statement", "verdict", "reason", "finding")  # of claims.md, which has one row per claim


def claims_frame(sections: Sequence[PresetSection]) -> DataFrame:
    """The rows of claims.csv, in `COLUMNS`; claims of ours follow the paper’s of the same preset, if there are fits."""
    rows = [
        _row(section.preset, name, claim, verdict, finding)
        for section in sections
        for name, claim, verdict in _named_claims(section)
        for finding in verdict.findings
    ]
    return DataFrame(rows, columns=[*COLUMNS])


def _named_claims(section: PresetSection) -> Iterator[tuple[int | str, Claim | OurClaim, ClaimVerdict]]:
    for claim, verdict in section.claims:
        yield claim.number, claim, verdict
    for name, (our_claim, verdict) in section.densities.claims.items():
        yield name, our_claim, verdict


def _row(
    preset: str, name: int | str, claim: Claim | OurClaim, verdict: ClaimVerdict, finding: Finding
) -> dict[str, Any]:
    effect = finding.effect
    return {
        "preset": preset,
        "claim": name,
        "statement": claim.statement,
        "source": claim.source,
        "verdict": verdict.answer,
        "dataset": finding.dataset,
        "dataset_verdict": finding.answer,
        "reason": finding.reason,
        "finding": finding.text,
        "test": finding.test,
        "effect": finding.effect_name,
        "value": _six_figures(effect.value if effect else None),
        "ci_low": _six_figures(effect.low if effect else None),
        "ci_high": _six_figures(effect.high if effect else None),
        "p_value": _six_figures(effect.p if effect else None),
        "metric": finding.metric,
        "protocol_id": finding.protocol_id,
        "runs": _format_counts(finding.run_counts or {}),
        "runs_used": _format_counts(finding.used_counts),
        "settings_note": finding.settings_note,
    }


def _six_figures(value: float | None) -> str:
    """A number with six digits, because further digits differ between versions of SciPy; "" for None and NaN."""
    return "" if value is None or value != value else f"{value:.6g}"


def _format_counts(counts: Mapping[str, int]) -> str:
    return " ".join(f"{model}:{n}" for model, n in counts.items())


def claims_markdown(sections: Sequence[PresetSection]) -> str:
    """A Markdown table per preset, with a row per claim; one more for claims of ours, if there are fits."""
    tables = []
    for section in sections:
        rows = [
            (str(claim.number), claim.statement, verdict.answer, verdict.reason,
             "; ".join(_describe(finding) for finding in verdict.findings if finding.text or finding.effect))
            for claim, verdict in section.claims
        ]  # fmt: skip
        tables.append(_markdown_table(f"Claims of the paper at preset {section.preset}: {section.budget}.", rows))
        if ours := section.densities.claims:
            rows = [(name, claim.statement, verdict.answer, verdict.reason, describe_ours(verdict))
                    for name, (claim, verdict) in ours.items()]  # fmt: skip
            title = f"Claims of ours, which the paper does not make, at preset {section.preset}: {section.budget}."
            tables.append(_markdown_table(title, rows))
    return "\n".join(tables)


def _markdown_table(title: str, rows: Iterable[Sequence[str]]) -> str:
    lines = [escape_markdown(title), "", f"| {' | '.join(MARKDOWN_COLUMNS)} |", "| ---: | --- | --- | --- | --- |"]
    lines += [f"| {' | '.join(map(escape_markdown, cells))} |" for cells in rows]
    return "\n".join(lines) + "\n"


def describe_ours(verdict: ClaimVerdict) -> str:
    """The numbers of a claim of ours, one auto-encoder after the other; each data set is named once."""
    texts: dict[str, list[str]] = {}
    for finding in verdict.findings:
        if finding.text:
            name = f"{dataset_label(finding.dataset)} (by {finding.metric})"
            texts.setdefault(name, []).append(finding.text)
    return "; ".join(f"{name}: {'; '.join(some)}" for name, some in texts.items())


def _describe(finding: Finding) -> str:
    """Data set, metric, effect and numbers of a finding."""
    metric = f" (by {finding.metric})" if finding.metric else ""
    return (
        f"{dataset_label(finding.dataset)}{metric}: {'; '.join(filter(None, [describe_effect(finding), finding.text]))}"
    )


def write_claims(sections: Sequence[PresetSection], results: Path) -> list[Path]:
    """Write both files below RESULTS/tables and return their paths."""
    csv = frame_to_csv(claims_frame(sections))
    texts = {"claims.csv": csv, "claims.md": claims_markdown(sections)}
    return [records.write_text(results / "tables" / name, text) for name, text in texts.items()]
