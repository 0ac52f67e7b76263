"""Notes that follow a finding's numbers: runs with outlying diagnostics, and runs that it does not use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.analysis.claims.finding import Finding, inline_label
from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.statistics import find_outliers

OUTLIER_DIAGNOSTICS = ("recon_sse", "latent_std", "latent_nll", "posterior_var")  # their values do not scatter around 0


def outlier_notes(evidence: Evidence, keys: Sequence[str]) -> list[str]:
    """A note for each run with a diagnostic far from that of the cell's other runs."""
    notes = []
    for (model, _), runs in evidence.runs.loc[[*keys]].groupby(["model", "dataset"], sort=False):
        for name in (name for name in OUTLIER_DIAGNOSTICS if name in runs):
            known = runs.dropna(subset=[name]).set_index("seed")[name].astype(float)
            for seed, value in find_outliers(dict(known)).items():
                others = known.drop(seed)
                notes.append(f"outlier: {name} of {inline_label(str(model))} is {value:.2g} for seed {seed}, and "
                             f"{others.min():.3g} to {others.max():.3g} for the other seeds")  # fmt: skip
    return notes


def unused_runs_note(evidence: Evidence, finding: Finding, models: Iterable[str]) -> str:
    """Counts of the runs that a finding does not use: diverged, failed or of another kind; "" if it uses all."""
    notes = []
    for model in models:
        statuses = evidence.statuses(model, finding.dataset)
        unused = statuses[~statuses.index.isin(finding.keys)]
        counts = {status: int((unused == status).sum()) for status in ("diverged", "failed")}
        excluded = evidence.n_excluded_runs(model, finding.dataset)
        counts["with another revision, precision, settings row or training images"] = excluded
        if any(counts.values()):
            notes.append(f"{inline_label(model)}: " + ", ".join(f"{n} {reason}" for reason, n in counts.items() if n))
    return f"runs not used: {'; '.join(notes)}" if notes else ""
