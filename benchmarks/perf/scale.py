"""Time commands with many records: `python -m benchmarks.perf.scale`.

It copies the records of a results folder under new keys into a temporary folder. Then it times reading them, `status`,
all tables and the report, first without an index and then with one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.execution import launches
from benchmarks.execution.locks import LOCK_FILE
from benchmarks.execution.requirements import Grid
from benchmarks.experiments import provenance, records
from benchmarks.experiments.process import process_identity
from benchmarks.printing import prepare_output
from benchmarks.reporting import report
from benchmarks.reporting.formats.writer import write_table
from benchmarks.reporting.registry import TABLES
from benchmarks.reporting.tables import build_table
from benchmarks.reporting.tables.timing import REQUIRED_COLUMNS


def make_results(source: Path, target: Path, count: int, trials: int) -> None:
    """Write `count` records under new keys, and a launch file of `trials` runs."""
    models = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(source.glob("records/*.json"))]
    (target / "records").mkdir(parents=True)
    cells = {}
    for number in range(trials):
        record = models[number % len(models)]
        key = hashlib.sha256(str(number).encode()).hexdigest()
        cells[key] = {"model": record["model"], "dataset": record["dataset"], "preset": "demo", "seed": number,
                      "steps": 500}  # fmt: skip
        if number < count:
            text = json.dumps(record | {"key": key, "seed": number})
            (target / "records" / f"{key}.json").write_text(text, encoding="utf-8")
        elif number < count + 8:  # eight runs that look as if they were in progress
            folder = target / "runs" / key
            folder.mkdir(parents=True)
            (folder / LOCK_FILE).write_text(json.dumps(process_identity()), encoding="utf-8")
    with launches.record_launch(target, "local", None, {"what": "table1", "options": {}}, cells):
        pass


def timed(name: str, call: Callable[[], Any]) -> tuple[str, float]:
    """Time a call; print and return its name and seconds."""
    started = time.perf_counter()
    call()
    seconds = time.perf_counter() - started
    print(f"{name:60} {seconds:7.2f} s", flush=True)
    return name, round(seconds, 3)


def write_every_table(folder: Path, out: Path) -> None:
    """Build and write every table from all records of a folder."""
    evaluations, epochs = records.read(folder)
    keys: dict[tuple[str, str], tuple[str, ...]] = {}
    for key, model, dataset in (
        evaluations[["key", "model", "dataset"]].drop_duplicates().itertuples(index=False, name=None)
    ):
        keys[model, dataset] = (*keys.get((model, dataset), ()), key)
    base = evaluations[evaluations["source"] == "posterior"]
    identities: list[str] = evaluations["protocol_id"].dropna().unique().tolist()
    grid = Grid(
        models={model: model for model, _ in keys},
        datasets={dataset: dataset for _, dataset in keys},
        keys=keys,
        metric=str(base["metric"].iloc[0]),
        protocol_ids={str(d): str(identity) for d, identity in zip(base["dataset"], base["protocol_id"], strict=True)},
        preset="demo",
        variants={(dataset, identity): identity for _, dataset in keys for identity in identities},
        variant_labels={identity: identity for identity in identities},
    )
    frames = {"evaluations": evaluations, "epochs": epochs, "speed": pd.DataFrame(columns=[*REQUIRED_COLUMNS])}
    for name in TABLES:
        write_table(build_table(name, frames, grid), out)


def main() -> int:
    """Measure, print, and write scale.json."""
    prepare_output()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.perf.scale", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--trials", type=int, default=10_000, help="runs that status reports; half of them are done")
    parser.add_argument("--source", type=Path, default=Path("results/measured/digits-demo"))
    parser.add_argument("--out", type=Path, help="folder for scale.json")
    args = parser.parse_args()
    timings = []
    with tempfile.TemporaryDirectory(prefix="ae-bench-scale-") as temporary:
        folder = Path(temporary)
        many, half_done = folder / "many", folder / "half-done"
        make_results(args.source, many, args.records, 0 if args.records < 1 else args.records)
        make_results(args.source, half_done, args.trials // 2, args.trials)
        status = [sys.executable, "-m", "benchmarks.run", "status", "--results", str(half_done)]
        for state in ("no index yet", "index", "index"):
            calls: dict[str, Callable[[], Any]] = {
                f"records.read_evaluations, {args.records:,} records, {state}": lambda: records.read_evaluations(many),
                f"records.read, both frames, {args.records:,} records, index": lambda: records.read(many),
                f"status, {args.trials:,} trials, {state}":
                    lambda: subprocess.run(status, check=True, stdout=subprocess.DEVNULL),
            }  # fmt: skip
            timings += [timed(name, call) for name, call in calls.items()]
        complete = folder / "complete"
        make_results(args.source, complete, args.trials, args.trials)
        for state in ("no index yet", "index"):
            name = f"every table in every format, {args.trials:,} records, {state}"
            timings.append(timed(name, lambda: write_every_table(complete, folder / "out")))
        timings.append(timed(f"the report, {args.trials:,} records, index", lambda: report.write_report(complete)))
        evaluations, epochs = records.read(many)
        rows = {"records": args.records, "rows of evaluations": len(evaluations), "rows of epochs": len(epochs)}
    if args.out:
        origin = provenance.describe(torch.device("cpu"))
        seconds = [{"what": name, "seconds": value} for name, value in timings]
        print(records.write_json(args.out / "scale.json", {**rows, "seconds": seconds, "provenance": origin}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
