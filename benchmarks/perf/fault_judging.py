"""Whether a fault cost anything: runs that were lost or made twice, tables and numbers that changed."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.experiments import provenance, records
from benchmarks.perf.fault_definitions import FAULTS, MODELS, RESTARTED, Launcher, read_text

COLUMNS = ("fault", "trainings", "attempts", "launches", "records", "lost", "duplicated", "table_equal",
           "numbers_equal", "seconds")  # fmt: skip


def numbers(record: Mapping[str, Any]) -> Any:
    """All that must be equal in two records of one training: everything but clocks and places."""
    epochs = [{name: v for name, v in row.items() if name != "seconds"} for row in record["epochs"]]
    return record["status"], epochs, [e["values"] for e in record["evaluations"]], record["diagnostics"]


def undisturbed_results(results: Path, seeds: int) -> tuple[bytes, dict[str, Any]]:
    """Run what is missing of an undisturbed launch; return its Table 1 as CSV and the numbers of its records by key.

    Args:
        results: results folder of the undisturbed runs. It may hold runs of more seeds.
        seeds: number of seeds per model.
    """
    launcher = Launcher(results, seeds, "inline")
    launcher.finish()
    expected = {path.stem: numbers(json.loads(read_text(path))) for path in results.glob("records/*.json")}
    return (results / "tables" / "table1.csv").read_bytes(), expected


def judge_fault(name: str, run: Launcher, table: bytes, expected: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """One row: what was started, what there is in the end, and whether it is what it should be."""
    wanted = len(MODELS.split(",")) * run.seeds
    there = {path.stem: json.loads(read_text(path)) for path in run.results.glob("records/*.json")}
    logs = [read_text(path).splitlines() for path in run.results.glob("runs/*/attempts.txt")]
    return {
        "fault": name,
        "trainings": wanted,
        "attempts": sum(line.split()[1] == "begin" for lines in logs for line in lines),
        "launches": run.count,
        "records": len(there),
        "lost": wanted - sum(record["status"] == "done" for record in there.values()),
        "duplicated": sum(map(count_duplicates, logs)),
        "table_equal": (run.results / "tables" / "table1.csv").read_bytes() == table,
        "numbers_equal": all(numbers(record) == expected[key] for key, record in there.items()),
        "seconds": round(seconds, 1),
    }


def count_duplicates(lines: Sequence[str]) -> int:
    """How often work on one training was done twice, by the lines of its attempts.txt.

    That is: it was trained from scratch although it had been done (or had diverged) before, or an attempt began while
    another one, which came to its end, was under way.
    """
    anew, ended, spans = 0, False, list[tuple[float, float, tuple[str, ...]]]()
    begun: dict[tuple[str, ...], float] = {}
    starts = []
    for at, what, *who in (line.split() for line in lines):
        if what == "begin":
            begun[tuple(who)] = float(at)
            starts.append((float(at), tuple(who)))
        elif what == "train":
            anew += ended
        elif what == RESTARTED:
            ended = False
        elif what != "resume":
            ended = what != "failed"  # what has failed, as on a full disk, left nothing that is done again
            spans.append((begun.get(tuple(who), 0.0), float(at), tuple(who)))
    return anew + sum(a < at < b and who != owner for a, b, owner in spans for at, who in starts)


def write(folder: Path, row: Mapping[str, Any], count: int) -> None:
    """Put one fault's row into faults.json, with where it was made, and into faults.csv."""
    path = folder / "faults.json"
    there = {old["fault"]: old for old in (json.loads(read_text(path)) if path.is_file() else [])}
    told = {**provenance.describe(torch.device("cpu")), "slurm": _version(), "kills": count, "models": MODELS}
    there[row["fault"]] = {**row, "provenance": told}
    rows = [there[name] for name in FAULTS if name in there]
    records.write_text(path, json.dumps(rows, indent=1) + "\n")
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    records.write_text(folder / "faults.csv", text.getvalue())


def _version() -> str | None:
    if shutil.which("sbatch") is None:
        return None
    return subprocess.run(["sbatch", "--version"], capture_output=True, text=True).stdout.strip() or None
