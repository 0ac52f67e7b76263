"""The mean and standard deviation of a metric over runs, by model and data set, from the records of a results folder.

    python examples/records.py results/measured/digits-demo fd_classifier

`help(records.read)` lists all columns.
"""

import sys

from benchmarks.experiments import records
from benchmarks.printing import prepare_output


def main(folder: str, metric: str) -> None:
    """Print one row per model, data set, preset and metric protocol."""
    evaluations, _ = records.read(folder)
    if metric not in evaluations:
        sys.exit(f"no record in {folder} has a column {metric!r}; columns: {', '.join(evaluations) or 'none'}")
    chosen = evaluations[(evaluations["status"] == "done") & (evaluations["source"] == "prior")].dropna(subset=[metric])
    cell = ["dataset", "model", "preset", "protocol_id"]  # numbers under two metric protocols are not comparable
    runs = chosen.groupby([*cell, "key"])[metric].mean()  # over the sample sets of each run
    for (dataset, model, preset, protocol), row in runs.groupby(cell).agg(["mean", "std", "count"]).iterrows():
        number = f"{row['mean']:.2f}" + (f" ± {row['std']:.2f}" if row["count"] > 1 else "")
        print(f"{dataset:10} {model:20} {preset:6} {protocol} {number:>16}  (runs: {row['count']:.0f})")


if __name__ == "__main__":
    prepare_output()  # this terminal may not have all characters of names and signs
    if len(sys.argv) != 3:
        sys.exit("usage: python examples/records.py RESULTS COLUMN")
    main(*sys.argv[1:])
