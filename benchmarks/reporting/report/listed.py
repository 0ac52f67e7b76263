"""The claims and their verdicts as data, and as a Markdown list: RESULTS/tables/claims.csv and claims.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pandas import DataFrame

from benchmarks.analysis.claims import Finding
from benchmarks.experiments import records
from benchmarks.reporting.report.content import Section
from benchmarks.reporting.report.facts import effect
from benchmarks.reporting.report.words import label, number

COLUMNS = ("preset", "claim", "sentence", "source", "verdict", "dataset", "answer", "says", "test", "unit", "value",
           "low", "high", "p", "metric", "protocol_id", "trainings", "used", "note")  # fmt: skip


def frame(sections: Sequence[Section]) -> DataFrame:
    """One row per finding: a claim on a data set at a preset.

    `answer` is the finding's, `verdict` the claim's over all data sets; `trainings` counts those that there are,
    `used` those that the answer rests on; numbers have six figures, as their last ones
    are another in every version of SciPy.
    """
    rows = [
        {
            "preset": section.preset, "claim": claim.number, "sentence": claim.sentence, "source": claim.source,
            "verdict": verdict.answer, "dataset": finding.dataset, "answer": finding.answer, "says": finding.says,
            "test": finding.test, "unit": finding.unit,
            **{name: _figures(finding, name) for name in ("value", "low", "high", "p")},
            "metric": finding.metric, "protocol_id": finding.protocol,
            "trainings": _counts(finding.trainings or {}), "used": _counts(finding.used), "note": finding.note,
        }
        for section in sections for claim, verdict in section.claims for finding in verdict.findings
    ]  # fmt: skip
    return DataFrame(rows, columns=[*COLUMNS])


def _counts(counts: Mapping[str, int]) -> str:
    return " ".join(f"{model}:{n}" for model, n in counts.items())


def _figures(finding: Finding, name: str) -> str:
    value = getattr(finding.effect, name) if finding.effect else float("nan")
    return "" if value != value else f"{value:.6g}"


def markdown(sections: Sequence[Section]) -> str:
    """A table a preset, a line per claim."""
    parts = []
    for section in sections:
        lines = [f"Claims of the paper at preset {section.preset}: {section.budget}.", "",
                 "| | claim | verdict | what was found |", "| ---: | --- | --- | --- |"]  # fmt: skip
        for claim, verdict in section.claims:
            found = "; ".join(f"{label(f.dataset)}{_by(f)}: {f.says}{_effect(f)}" for f in verdict.findings)
            cells = (str(claim.number), claim.sentence, verdict.answer, found)
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _by(finding: Finding) -> str:
    return f" (by {finding.metric})" if finding.metric else ""


def _effect(finding: Finding) -> str:
    value, interval = effect(finding)
    if finding.effect is None or not interval:
        return ""
    p = "" if finding.effect.p != finding.effect.p else f", p = {number(finding.effect.p)}"
    return f" ({finding.unit} {value}, 95 % {interval}{p})"


def write(sections: Sequence[Section], results: Path) -> list[Path]:
    """Both files, below RESULTS/tables; returns their paths."""
    tables = results / "tables"
    data = frame(sections).to_csv(index=False, lineterminator="\n")
    return [records.write_text(tables / name, text)
            for name, text in (("claims.csv", data), ("claims.md", markdown(sections)))]  # fmt: skip
