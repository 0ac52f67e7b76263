"""The columns of the tidy tables, `tableN-tidy.csv`: one row per cell, unrounded numbers.

`python -m benchmarks.reporting.tables.columns > docs/columns.md` writes the page that lists them.
"""

from __future__ import annotations

import re
import sys

from benchmarks.evaluation.metrics import FD, METRICS
from benchmarks.evaluation.names import DIAGNOSTICS

COLUMNS: dict[str, str] = {
    # What identifies a cell
    "model": "model; empty for images that no model made",
    "dataset": "data set",
    "source": "images that the number belongs to: prior (samples), floor (training images), reconstruction, posterior; "
              "criteria: a (decoder) or b (density); latents: a diagnostic; densities: a column; table2: curve; "
              "table5: speed",
    "density": "densities: the density, by the name that --density accepts; latents: decoded training latents",
    "variant": "sensitivity: what its metric protocol changes; base: nothing",
    "protocol_id": "metric protocol: a hash of its settings",
    "metric": "what the number is: a metric, or epochs, seconds_per_epoch, prd, diagnostics",
    "preset": "training budget",
    # A number and its spread
    "mean": "mean over runs of each run's mean over its sample sets",
    "std": "standard deviation over runs (ddof = 1); empty with fewer than two",
    "std_sample_sets": "standard deviation over the sample sets of a run; empty with fewer than two",
    "runs": "runs behind the mean",
    "sample_sets": "sample sets behind each run's mean",
    "runs_wanted": "runs that the cell should have",
    "runs_diverged": "runs that ended in a number that is not finite",
    "runs_failed": "runs that ended in an error",
    # The paper's number, and how ours compares
    "paper_mean": "the paper's number",
    "paper_std": "the paper's standard deviation",
    "paper_cited": "whether the paper took its number from another paper",
    "ci_low": "lower end of the 95 % confidence interval of our mean, by Student's t over runs",
    "ci_high": "upper end of that interval",
    "delta": "our mean minus the paper's",
    "delta_ci_low": "lower end of the 95 % confidence interval of delta, by Welch's t",
    "delta_ci_high": "upper end of that interval",
    "margin": "differences up to this size count as equal",
    "p_value": "of the test behind the verdict; of the equivalence test if the verdict is undecided",
    "verdict": "reproduced, better, worse or undecided; empty where the two numbers cannot be compared",
    "verdict_reason": "why the verdict is undecided, or why the numbers cannot be compared",
    "rank_N_probability": "probability that the model has rank N on its data set; rank 1 is the lowest mean",
    # Table 2
    "epochs": "epochs of the training protocol, all stages together",
    "epochs_by_stage": "the same by stage: 400/800",
    "convergence_epoch_mean": "epochs, all stages together, until the distance is near its final value; mean over runs",
    "convergence_epoch_std": "standard deviation of that over runs",
    "paper_epochs": "the paper's epochs, all stages together",
    "paper_epochs_by_stage": "the same by stage",
    # Table 5
    "seconds_per_epoch": "seconds per epoch, all stages together",
    "seconds_per_epoch_by_stage": "the same by stage",
    "ratio_to_glf": "seconds_per_epoch over GLF's",
    "paper_seconds_per_epoch": "the paper's seconds, all stages together",
    "paper_seconds_per_epoch_by_stage": "the same by stage",
    "paper_ratio_to_glf": "the paper's seconds over GLF's",
    # Table 6
    "f8_mean": "F8, which is recall: mean over runs",
    "f8_std": "standard deviation of F8 over runs",
    "f8_std_sample_sets": "standard deviation of F8 over the sample sets of a run",
    "f1_8_mean": "F1/8, which is precision: mean over runs",
    "f1_8_std": "standard deviation of F1/8 over runs",
    "f1_8_std_sample_sets": "standard deviation of F1/8 over the sample sets of a run",
    "paper_f8": "the paper's F8",
    "paper_f1_8": "the paper's F1/8",
}  # fmt: skip


def describe(column: str) -> str:
    """One line on a column of a tidy table.

    Raises:
        KeyError: no tidy table has such a column.
    """
    for name, metric in METRICS.items():
        if column in metric.columns:
            return f"column of metric {name} ({metric.columns[column]}): mean over the cell's runs"
    if column in DIAGNOSTICS:
        return "diagnostic of the latents (`evaluation.names.DIAGNOSTICS`): mean over the cell's runs"
    return COLUMNS[re.sub(r"^rank_\d+_", "rank_N_", column)]


def columns_page() -> str:
    """The page on the columns of tidy tables, as Markdown."""
    lines = [
        "# Columns of the tidy tables",
        "",
        "Every table is also written as `TABLE-tidy.csv`: one row per cell, with unrounded numbers.",
        "`python -m benchmarks.reporting.tables.columns` makes this page.",
        "",
        "| column | content |",
        "| --- | --- |",
    ]
    metric_columns = [column for metric in METRICS.values() for column in metric.columns if column != FD]
    for column in (*COLUMNS, *metric_columns, *DIAGNOSTICS):
        lines.append(f"| `{column}` | {describe(column)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # what is printed becomes a file
    print(columns_page(), end="")
