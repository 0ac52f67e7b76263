"""A claim of the paper, and its verdict on the records of one preset.

A claim looks at the runs of one preset, data set by data set.  Each finding names its test, its effect with an
interval, and the records it used.  If these do not suffice, it names the command that adds what is missing.

- An open claim is "not tested" (runs are missing), "inconclusive" (the tests do not decide, and more runs might) or
  "not decidable here" (no command on these data and this budget decides).  Each has a reason in one line.
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
    INCONCLUSIVE,
    NOT_DECIDABLE,
    NOT_TESTED,
    OPEN_ANSWERS,
    SUPPORTED,
    TABLE1_DATASETS,
    Finding,
    Judge,
    inline_label,
)
from benchmarks.analysis.claims.notes import outlier_notes, unused_runs_note
from benchmarks.analysis.claims.published_table1 import published_evidence
from benchmarks.analysis.claims.training_commands import seeds_needed, training_command
from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.paper_setting import matches_paper, own_settings_note
from benchmarks.analysis.verdicts import MIN_RUNS
from benchmarks.data.datasets import DATASETS


@dataclass(frozen=True)
class ClaimVerdict:
    """A claim's answer over all data sets, and the findings that it follows from."""

    answer: str
    findings: tuple[Finding, ...]

    @property
    def reason(self) -> str:
        """Why the claim has no answer, in one line; "" if it has one.  Of several data sets, each is named."""
        if self.answer not in OPEN_ANSWERS:
            return ""
        datasets: dict[tuple[str, str], list[str]] = {}
        for finding in self.findings:
            if finding.reason:
                name = DATASETS[finding.dataset].label if finding.dataset in DATASETS else finding.dataset
                datasets.setdefault((finding.answer, finding.reason), []).append(name)
        if len(self.findings) == 1:
            return self.findings[0].reason
        return "; ".join(
            ("" if answer == self.answer else f"{answer} on ") + f"{', '.join(names)}: {reason}"
            for (answer, reason), names in datasets.items()
        )


@dataclass(frozen=True)
class Claim:
    """One claim of the paper.

    Attributes:
        number: as reports cite it.
        statement: what is claimed.
        source: where in the paper.
        models: models concerned.  A data set with none of them has no finding at a shortened preset.
        judge: evidence and data sets -> a finding for each.
        datasets: what the claim is about.  Unless `is_dataset_specific`, a shortened preset judges it on
            the data sets with runs instead.  So does the preset "paper" if only other data sets have runs.
        is_dataset_specific: whether the claim is about these data sets alone.
        command: the command that makes the runs that are missing.
        rule: when the claim is supported and when contradicted, as text that follows "Supported where: ".
        needs: what its runs need besides the data set; "" for nothing.
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
    needs: str = ""
    counts_divergence: bool = False

    @cached_property
    def published_verdict(self) -> str:
        """The rule's answers on the paper's own Table 1, by data set; "" if the table lacks the models."""
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
        return ClaimVerdict(combine_answers(f.answer for f in findings), tuple(findings))

    def _scope(self, evidence: Evidence) -> list[str]:
        """The data sets that the claim is judged on, at least one."""
        with_runs = [d for d in evidence.datasets if not self.models or any(evidence.keys(m, d) for m in self.models)]
        only_others = bool(with_runs) and not {*with_runs} & {*self.datasets}
        if not self.is_dataset_specific and (evidence.preset != "paper" or only_others):
            return with_runs or ["digits" if evidence.preset == "demo" else "mnist"]
        return [*self.datasets]

    def _complete(self, evidence: Evidence, finding: Finding, results: str) -> Finding:
        """Add counts of runs, notes, the metric protocol, and the command that would decide the finding."""
        dataset, models = finding.dataset, finding.models or self.models
        run_counts = {m: len(evidence.keys(m, dataset)) for m in models if m in zoo.MODELS}
        used_counts = Counter(evidence.runs.loc[[*finding.keys], "model"])
        metric, protocol_id = evidence.distances.protocols.get(dataset, ("", ""))
        if finding.protocol_id:  # one of its own, such as a learning curve's
            metric, protocol_id = finding.metric, finding.protocol_id
        answer, reason, command = finding.answer, finding.reason, ""
        if answer in (NOT_TESTED, INCONCLUSIVE):
            if not_decidable := self._not_decidable_reason(evidence, dataset, models):
                answer, reason = NOT_DECIDABLE, not_decidable
            else:
                reason += f"; such runs need {self.needs}" if self.needs and answer == NOT_TESTED else ""
                command = self._command(evidence, finding, results, models)
        outliers = "; ".join(outlier_notes(evidence, finding.keys)) if finding.metric else ""
        notes = [finding.text, outliers, unused_runs_note(evidence, finding, run_counts)]
        return replace(
            finding,
            run_counts=finding.run_counts if finding.run_counts is not None else run_counts,
            used_counts={m: used_counts[m] for m in run_counts},
            settings_note=own_settings_note(evidence, dataset, models),
            answer=answer,
            reason=reason,
            text="; ".join(filter(None, notes)),
            metric=finding.metric and metric,
            protocol_id=protocol_id if finding.metric else "",
            command=command,
        )

    def _not_decidable_reason(self, evidence: Evidence, dataset: str, models: Sequence[str]) -> str:
        """Why more runs of some models cannot be made or would not help; "" if they can help."""
        if unknown := [model for model in models if model not in zoo.MODELS]:
            return f"this version has no model {', '.join(unknown)}"
        statuses = {model: evidence.statuses(model, dataset) for model in models}
        lost = [m for m, s in statuses.items() if len(s) >= MIN_RUNS and (s == "diverged").all()]
        if self.counts_divergence or not lost:
            return ""
        reason = f"all runs of {', '.join(map(inline_label, lost))} diverged, and more runs would, too"
        return reason if matches_paper(evidence, dataset) else f"{reason}; the paper’s data and budget might not"

    def _command(self, evidence: Evidence, finding: Finding, results: str, models: Sequence[str]) -> str:
        """The command that makes and measures the runs that a finding lacks; it repeats no run that is there."""
        was_tested = finding.answer == INCONCLUSIVE
        seeds = seeds_needed(evidence, finding.dataset, models, self.counts_divergence, was_tested)
        n_seeds = max(seeds, finding.min_seeds)
        return training_command(evidence, self.command, models, finding.dataset, range(n_seeds), results)


def combine_answers(answers: Iterable[str]) -> str:
    """The answer over all data sets.

    A claim is contradicted if one data set contradicts it, and supported if all support it. Otherwise it has the first
    of `OPEN_ANSWERS` that some data set has. So it is not decidable here only if no command can change the answer on
    any data set.
    """
    distinct = {*answers}
    if CONTRADICTED in distinct:
        return CONTRADICTED
    return SUPPORTED if distinct == {SUPPORTED} else next(answer for answer in OPEN_ANSWERS if answer in distinct)
