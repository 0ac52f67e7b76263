"""A claim of the paper, and its verdict on the records of one preset.

A claim looks at the runs of one preset, data set by data set.  Each finding names its test, its effect with an
interval, and the records it used.  If these do not suffice, it names the command that adds what is missing.

- Claims of order use whatever distance the records have, and each finding names it.  A classifier's distance cannot be
  compared with the paper's numbers, but it ranks models.  Distances under two metric protocols are never compared.
- Fewer than three runs of a model decide nothing: their standard deviation is not known.  (Claim 12 needs no runs.)
- Diverged and failed runs have no distance.  A finding counts them, and a model cannot win by the runs that are left.
- A shorter budget or other images can make a claim of values, divergence or degeneration fail.  Such a claim is
  contradicted on the paper's budget and images only; a value (claim 8's) is judged there only.
- A finding's test, effect and p-value are those that decide it.  Where an interval is compared with a margin (claims
  3, 7, 8, 13, 15) there is no p-value, because the p-value of "no difference" answers another question.
- A run with a diagnostic more than `statistics.OUTLIER_FACTOR` times that of the others is named.  It still counts.
- A claim is supported if every data set supports it, and contradicted if one data set contradicts it.
- P-values of claims of order (1, 2, 4, 5, 16, 17: Welch's tests) are corrected by Holm's method over models and data
  sets together.  Those of claims 6, 7, 10 and 11 are corrected over all their comparisons (between values of β, and
  with GLF) on one data set.  The others have one test or interval on each data set and are not corrected.  Nothing is
  corrected between claims: of eighteen, about one false verdict is to be expected if none were true.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import zoo
from benchmarks.analysis.claims.finding import (
    CONTRADICTED,
    NEEDS_PAPER_SETTING,
    SUPPORTED,
    TABLE1_DATASETS,
    UNDECIDED,
    Finding,
    Judge,
)
from benchmarks.analysis.claims.notes import outlier_notes, unused_runs_note
from benchmarks.analysis.claims.published_table1 import published_evidence
from benchmarks.analysis.claims.training_commands import seeds_needed, training_command
from benchmarks.analysis.evidence import Evidence, model_label
from benchmarks.analysis.paper_setting import matches_paper, own_settings_note
from benchmarks.analysis.verdicts import MIN_RUNS
from benchmarks.data.datasets import DATASETS


@dataclass(frozen=True)
class ClaimVerdict:
    """A claim's answer over all data sets, and the findings that it follows from."""

    answer: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Claim:
    """One claim of the paper.

    Attributes:
        number: as reports cite it.
        statement: what is claimed.
        source: where in the paper.
        models: models concerned.  A data set with none of them has no finding at a shortened preset.
        judge: evidence and data sets -> a finding for each.
        datasets: what the claim is about.  Unless `is_dataset_specific`, a shortened preset judges it on the data sets
            with runs instead, and so does the preset "paper" if there are runs on other data sets only.
        is_dataset_specific: whether the claim is about these data sets alone.
        command: the command that makes the runs that are missing.
        rule: when the claim is supported and when contradicted, as text that follows "Supported where: ".
        counts_divergence: whether the claim is about how runs end, so that a diverged run is evidence like any other.
    """

    number: int
    statement: str
    source: str
    models: tuple[str, ...]
    judge: Judge
    datasets: tuple[str, ...] = TABLE1_DATASETS
    is_dataset_specific: bool = False
    command: str = "table1"
    rule: str = ""
    counts_divergence: bool = False

    @cached_property
    def published_verdict(self) -> str:
        """What the rule says about the paper's own Table 1, by data set; "" if the table lacks the models."""
        table = published_evidence()
        if (
            self.command != "table1"
            or not self.models
            or not any(all(table.keys(m, d) for m in self.models) for d in TABLE1_DATASETS)
        ):
            return ""
        findings = [f for f in self.judge(table, self.datasets) if f.metric]
        return ", ".join(f"{f.answer} on {DATASETS[f.dataset].label}" for f in findings)

    def verdict(self, evidence: Evidence, results: str = "results/local") -> ClaimVerdict:
        """Judge the claim on the records of one preset; `results` is the folder that commands name."""
        findings = [
            self._complete(evidence, finding, results) for finding in self.judge(evidence, self._scope(evidence))
        ]
        findings = findings or [self._without_runs(evidence, results)]
        return ClaimVerdict(combine_answers(f.answer for f in findings), tuple(findings))

    def _scope(self, evidence: Evidence) -> list[str]:
        """The data sets that the claim is judged on."""
        with_runs = [d for d in evidence.datasets if not self.models or any(evidence.keys(m, d) for m in self.models)]
        only_others = bool(with_runs) and not {*with_runs} & {*self.datasets}
        if not self.is_dataset_specific and (evidence.preset != "paper" or only_others):
            return with_runs
        return [*self.datasets]

    def _complete(self, evidence: Evidence, finding: Finding, results: str) -> Finding:
        """Add counts of runs, notes, the metric protocol, and the command that would decide the finding."""
        dataset, models = finding.dataset, finding.models or self.models
        run_counts = {m: len(evidence.keys(m, dataset)) for m in models if m in zoo.MODELS}
        used_counts = Counter(evidence.runs.loc[[*finding.keys], "model"])
        metric, protocol_id = evidence.distances.protocols.get(dataset, ("", ""))
        if finding.protocol_id:  # one of its own, such as a learning curve's
            metric, protocol_id = finding.metric, finding.protocol_id
        reason, command = finding.undecidable_reason, ""
        if finding.answer == UNDECIDED and models and not reason:
            reason = self._undecidable_reason(evidence, dataset, models)
            command = "" if reason else self._command(evidence, dataset, results, models, finding.was_tested)
        outliers = "; ".join(outlier_notes(evidence, finding.keys)) if finding.metric else ""
        unknown = [model for model in models if model not in zoo.MODELS]
        unknown_note = f"this version has no {', '.join(unknown)}" if unknown else ""
        notes = [finding.text, outliers, unused_runs_note(evidence, finding, run_counts), unknown_note]
        return replace(
            finding,
            run_counts=finding.run_counts if finding.run_counts is not None else run_counts,
            used_counts={m: used_counts[m] for m in run_counts},
            settings_note=own_settings_note(evidence, dataset, models),
            text="; ".join(filter(None, notes)),
            metric=finding.metric and metric,
            protocol_id=protocol_id if finding.metric else "",
            command=command,
            undecidable_reason=reason if finding.answer == UNDECIDED else "",
        )

    def _without_runs(self, evidence: Evidence, results: str) -> Finding:
        """The finding of a preset that has no run of the claim's models."""
        dataset = "digits" if evidence.preset == "demo" else "mnist"
        text = "no training of " + ", ".join(model_label(m) for m in self.models) + f" at preset {evidence.preset}"
        undecidable = [f for f in self.judge(evidence, [dataset]) if f.undecidable_reason]
        reason = (
            undecidable[0].undecidable_reason
            if undecidable
            else self._undecidable_reason(evidence, dataset, self.models)
        )
        command = "" if reason else self._command(evidence, dataset, results, self.models)
        text = "; ".join([text, *(finding.text for finding in undecidable)])
        return Finding(dataset, UNDECIDED, text, command=command, undecidable_reason=reason)

    def _undecidable_reason(self, evidence: Evidence, dataset: str, models: Sequence[str]) -> str:
        """Why no more runs of some models can be made, or would not help; "" if they can and would."""
        if not {*models} <= zoo.MODELS.keys():
            return "it takes a model that this version has not"
        statuses = {model: evidence.statuses(model, dataset) for model in models}
        lost = [m for m, s in statuses.items() if len(s) >= MIN_RUNS and (s == "diverged").all()]
        if self.counts_divergence or not lost:
            return ""
        reason = f"every training of {', '.join(map(model_label, lost))} diverged, and so would more of them"
        return reason if matches_paper(evidence, dataset) else f"{reason}; otherwise {NEEDS_PAPER_SETTING}"

    def _command(
        self, evidence: Evidence, dataset: str, results: str, models: Sequence[str], was_tested: bool = False
    ) -> str:
        """The command that makes and measures the runs that a finding lacks; it repeats no run that is there."""
        seeds = seeds_needed(evidence, dataset, models, self.counts_divergence, was_tested)
        return training_command(evidence, self.command, models, dataset, seeds, results)


def combine_answers(answers: Iterable[str]) -> str:
    """Contradicted if one is, supported if all are, else undecided."""
    distinct = {*answers}
    if CONTRADICTED in distinct:
        return CONTRADICTED
    return SUPPORTED if distinct == {SUPPORTED} else UNDECIDED
