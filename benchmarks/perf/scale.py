"""How long reading takes when there are many records: `python -m benchmarks.perf.scale`.

Makes records in a temporary folder from those of a results folder, under other keys, and reads them as a table
and as `run status` would: first without an index, then with one.  Of as many records as there are trials, all
tables and the report are made.
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
from benchmarks.reporting import report
from benchmarks.reporting.formats.writer import write_table
from benchmarks.reporting.registry import TABLES
from benchmarks.reporting.tables import build_table
from benchmarks.reporting.tables.timing import REQUIRED_COLUMNS


def make(source: Path, target: Path, count: int, trials: int) -> None:
    """Write records under new keys, and a ledger of more trials than there are records."""
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
        elif number < count + 8:  # some that run
            folder = target / "runs" / key
            folder.mkdir(parents=True)
            (folder / LOCK_FILE).write_text(json.dumps(process_identity()), encoding="utf-8")
    with launches.record_launch(target, "local", None, {"what": "table1", "options": {}}, cells):
        pass


def timed(what: str, call: Callable[[], Any]) -> tuple[str, float]:
    """Print how long a call takes, and return it: what, seconds."""
    started = time.perf_counter()
    call()
    seconds = time.perf_counter() - started
    print(f"{what:60} {seconds:7.2f} s", flush=True)
    return what, round(seconds, 3)


def every_table(folder: Path, out: Path) -> None:
    """Make and write every table from all records of a folder."""
    runs, epochs = records.read(folder)
    trainings: dict[tuple[str, str], tuple[str, ...]] = {}
    for key, model, dataset in runs[["key", "model", "dataset"]].drop_duplicates().itertuples(index=False, name=None):
        trainings[model, dataset] = (*trainings.get((model, dataset), ()), key)
    base = runs[runs["source"] == "posterior"]
    identities: list[str] = runs["protocol_id"].dropna().unique().tolist()
    grid = Grid(
        models={model: model for model, _ in trainings},
        datasets={dataset: dataset for _, dataset in trainings},
        keys=trainings,
        metric=str(base["metric"].iloc[0]),
        protocol_ids={str(d): str(identity) for d, identity in zip(base["dataset"], base["protocol_id"], strict=True)},
        preset="demo",
        variants={(dataset, identity): identity for _, dataset in trainings for identity in identities},
        variant_labels={identity: identity for identity in identities},
    )
    frames = {"evaluations": runs, "epochs": epochs, "speed": pd.DataFrame(columns=[*REQUIRED_COLUMNS])}
    for name in TABLES:
        write_table(build_table(name, frames, grid), out)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.perf.scale", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--trials", type=int, default=10_000, help="of which status is asked; half of them done")
    parser.add_argument("--source", type=Path, default=Path("results/measured/digits-demo"))
    parser.add_argument("--out", type=Path, help="folder for scale.json")
    args = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory(prefix="ae-bench-scale-") as name:
        many, some = Path(name) / "many", Path(name) / "some"
        make(args.source, many, args.records, 0 if args.records < 1 else args.records)
        make(args.source, some, args.trials // 2, args.trials)
        status = [sys.executable, "-m", "benchmarks.run", "status", "--results", str(some)]
        for state in ("no index yet", "index", "index"):
            calls: dict[str, Callable[[], Any]] = {
                f"records.runs, {args.records:,} records, {state}": lambda: records.read_evaluations(many),
                f"records.read, both frames, {args.records:,} records, index": lambda: records.read(many),
                f"run status, {args.trials:,} trials, {state}":
                    lambda: subprocess.run(status, check=True, stdout=subprocess.DEVNULL),
            }  # fmt: skip
            found += [timed(what, call) for what, call in calls.items()]
        all_of_them = Path(name) / "all"
        make(args.source, all_of_them, args.trials, args.trials)
        for state in ("no index yet", "index"):
            what = f"every table in every format, {args.trials:,} records, {state}"
            found.append(timed(what, lambda: every_table(all_of_them, Path(name) / "out")))
        found.append(timed(f"the report, {args.trials:,} records, index", lambda: report.write_report(all_of_them)))
        runs, epochs = records.read(many)
        rows = {"records": args.records, "rows of runs": len(runs), "rows of epochs": len(epochs)}
    if args.out:
        where = provenance.describe(torch.device("cpu"))
        seconds = [{"what": what, "seconds": value} for what, value in found]
        print(records.write_json(args.out / "scale.json", {**rows, "seconds": seconds, "provenance": where}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
