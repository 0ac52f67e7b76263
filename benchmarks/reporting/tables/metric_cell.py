"""The cell of a metric: its mean and spread over runs, the runs that are missing, and the paper's number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.analysis.verdicts import VERDICT_SIGNS, Verdict
from benchmarks.paper import PublishedValue
from benchmarks.reporting.tables.table import MISSING, CellText

CITED_SUFFIX = " (cited)"


@dataclass(frozen=True)
class MetricCell:
    """A metric of one model on one data set, over runs and over the sample sets of each run."""

    mean: float | None  # over runs, of each run's mean over its sample sets
    std: float | None  # over runs, ddof = 1; None with fewer than two
    std_sample_sets: float | None  # within a run: square root of the mean variance over sample sets
    runs: int  # runs behind the mean
    runs_wanted: int
    runs_diverged: int = 0
    runs_failed: int = 0
    paper: PublishedValue | None = None
    is_best: bool = False  # lowest of its column as printed
    sample_sets: int = 0  # of each run; the fewest where runs differ
    run_means: Mapping[str, float] = field(default_factory=dict)  # run key -> its mean over sample sets
    other_means: Mapping[str, float | None] = field(default_factory=dict)  # tidy column -> mean over runs
    id_columns: Mapping[str, str | None] = field(default_factory=dict)  # model, dataset, source, variant, protocol_id
    decimals: int | None = None  # None: the table's
    note: str = ""  # printed after the number
    verdict: Verdict | None = None  # None in a table without verdicts
    rank_probabilities: tuple[float, ...] = ()  # of each rank in its column, the lowest first

    @property
    def lost_runs(self) -> int:
        """Runs that ended without a number.  The remaining runs may be the luckier ones."""
        return self.runs_diverged + self.runs_failed

    def format_value(self, decimals: int) -> str:
        """The number alone: mean ± std over runs, and ± std over sample sets where a run has several."""
        if self.mean is None:
            return MISSING
        decimals = decimals if self.decimals is None else self.decimals
        spreads = [self.std] if self.sample_sets < 2 else [self.std, self.std_sample_sets]
        return format_mean(self.mean, spreads, decimals)

    def suffix(self) -> str:
        """The note, the missing runs and the sign of the verdict: " (7/10) [2 diverged] ≈", or nothing."""
        sign = f" {VERDICT_SIGNS[self.verdict.outcome]}" if self.verdict and self.verdict.outcome else ""
        missing = missing_runs_note(self.runs, self.runs_wanted, self.runs_diverged, self.runs_failed)
        return self.note + missing + sign

    def render(self, decimals: int) -> Mapping[str, CellText]:
        """Our value, and the paper's with one decimal, as the paper prints it."""
        texts = {"": CellText(self.format_value(decimals), self.suffix(), self.is_best)}
        if self.paper is not None:
            published = format_mean(self.paper.mean, [self.paper.std], decimals=1)
            texts["paper"] = CellText(published + (CITED_SUFFIX if self.paper.is_cited else ""))
        return texts

    def value_columns(self) -> dict[str, Any]:
        """Every number behind the cell."""
        verdict = self.verdict
        return {
            "mean": self.mean,
            "std": self.std,
            "std_sample_sets": self.std_sample_sets,
            **self.run_counts(),
            **self.other_means,
            "paper_mean": self.paper and self.paper.mean,
            "paper_std": self.paper and self.paper.std,
            "paper_cited": self.paper is not None and self.paper.is_cited,
            **({
                "ci_low": verdict.low,
                "ci_high": verdict.high,
                "delta": verdict.delta,
                "delta_ci_low": verdict.delta_low,
                "delta_ci_high": verdict.delta_high,
                "margin": verdict.margin,
                "p_value": verdict.p,
                "verdict": verdict.outcome,
                "verdict_reason": verdict.reason,
            } if verdict else {}),
            **{f"rank_{rank}_probability": p for rank, p in enumerate(self.rank_probabilities, 1)},
        }  # fmt: skip

    def run_counts(self) -> dict[str, int]:
        """How many runs and sample sets are behind the cell, and what became of the other runs."""
        return {
            "runs": self.runs,
            "sample_sets": self.sample_sets,
            "runs_wanted": self.runs_wanted,
            "runs_diverged": self.runs_diverged,
            "runs_failed": self.runs_failed,
        }


def missing_runs_note(runs: int, runs_wanted: int, runs_diverged: int, runs_failed: int) -> str:
    """What a cell lacks: " (7/10) [2 diverged]", or nothing."""
    share = f" ({runs}/{runs_wanted})" if 0 < runs < runs_wanted else ""
    lost = [f"{count} {status}" for count, status in ((runs_diverged, "diverged"), (runs_failed, "failed")) if count]
    return share + (f" [{', '.join(lost)}]" if lost else "")


def format_mean(mean: float, spreads: Sequence[float | None], decimals: int) -> str:
    """A mean and its spreads, joined by ±; an unknown spread is "—" where a known one follows."""
    largest = max(map(abs, [mean, *(s for s in spreads if s is not None)]))
    spec = f"z.{decimals}{'e' if largest >= 1e5 else 'f'}"  # z: no -0.00; e: more digits would widen columns
    if not decimals and 1e4 <= largest < 1e8:  # a count, such as that of parameters
        spec = "z,.0f"
    known = [*spreads]
    while known and known[-1] is None:
        known.pop()
    return " ± ".join([f"{mean:{spec}}", *(MISSING if s is None else f"{s:{spec}}" for s in known)])


def format_signed(value: float) -> str:
    """A number with two decimals and a minus sign instead of a hyphen."""
    return f"{value:z.2f}".replace("-", "−")
