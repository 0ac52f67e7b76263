"""Notes that follow a finding's numbers: runs with outlying diagnostics, and runs that it does not use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.analysis.claims.finding import Finding
from benchmarks.analysis.evidence import Evidence, model_label
from benchmarks.analysis.statistics import find_outliers

OUTLIER_DIAGNOSTICS = ("recon_sse", "latent_std", "latent_nll", "posterior_var")  # those that do not vary about zero


def outlier_notes(evidence: Evidence, keys: Sequence[str]) -> list[str]:
    """A note for each of some runs with a diagnostic far from that of the others of its cell."""
    notes = []
    for (model, _), runs in evidence.runs.loc[[*keys]].groupby(["model", "dataset"], sort=False):
        for name in (name for name in OUTLIER_DIAGNOSTICS if name in runs):
            known = runs.dropna(subset=[name]).set_index("seed")[name].astype(float)
            for seed, value in find_outliers(dict(known)).items():
                others = known.drop(seed)
                notes.append(f"{name} of {model_label(str(model))}, seed {seed}, is {value:.2g}, of its others "
                             f"{others.min():.3g} to {others.max():.3g}")  # fmt: skip
    return notes


def unused_runs_note(evidence: Evidence, finding: Finding, models: Iterable[str]) -> str:
    """Counts of the runs that a finding does not use: diverged, failed or of another kind; "" if it uses all."""
    notes = []
    for model in models:
        statuses = evidence.statuses(model, finding.dataset)
        unused = statuses[~statuses.index.isin(finding.keys)]
        counts = {status: int((unused == status).sum()) for status in ("diverged", "failed")}
        excluded = evidence.n_excluded_runs(model, finding.dataset)
        counts["of another revision, precision, row or training part"] = excluded
        if any(counts.values()):
            notes.append(f"{model_label(model)} " + ", ".join(f"{n} {reason}" for reason, n in counts.items() if n))
    return f"not counted: {'; '.join(notes)}" if notes else ""
