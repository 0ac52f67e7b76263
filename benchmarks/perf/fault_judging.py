"""Judge a fault: count lost and duplicated runs, and compare the table and all numbers with undisturbed runs."""

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
from benchmarks.reporting.formats.csv import escape_csv

COLUMNS = ("fault", "runs", "attempts", "launches", "records", "lost", "duplicated", "table_equal",
           "numbers_equal", "seconds")  # fmt: skip


def numbers(record: Mapping[str, Any]) -> Any:
    """The fields of a record that must be equal for equal runs: all but times and machines."""
    epochs = [{name: v for name, v in row.items() if name != "seconds"} for row in record["epochs"]]
    return record["status"], epochs, [e["values"] for e in record["evaluations"]], record["diagnostics"]


def undisturbed_results(results: Path, seeds: int) -> tuple[bytes, dict[str, Any]]:
    """Make the missing undisturbed runs; return their Table 1 as CSV, and the numbers of their records by key.

    Args:
        results: results folder of the undisturbed runs. It may contain runs with more seeds.
        seeds: number of seeds per model.
    """
    launcher = Launcher(results, seeds, "inline")
    launcher.finish()
    expected = {path.stem: numbers(json.loads(read_text(path))) for path in results.glob("records/*.json")}
    return (results / "tables" / "table1.csv").read_bytes(), expected


def judge_fault(name: str, run: Launcher, table: bytes, expected: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Return one row of the report: numbers of runs, launches and records, and what was lost or differs."""
    n_runs = len(MODELS.split(",")) * run.seeds
    found = {path.stem: json.loads(read_text(path)) for path in run.results.glob("records/*.json")}
    logs = [read_text(path).splitlines() for path in run.results.glob("runs/*/attempts.txt")]
    return {
        "fault": name,
        "runs": n_runs,
        "attempts": sum(line.split()[1] == "begin" for lines in logs for line in lines),
        "launches": run.count,
        "records": len(found),
        "lost": n_runs - sum(record["status"] == "done" for record in found.values()),
        "duplicated": sum(map(count_duplicates, logs)),
        "table_equal": (run.results / "tables" / "table1.csv").read_bytes() == table,
        "numbers_equal": all(numbers(record) == expected[key] for key, record in found.items()),
        "seconds": round(seconds, 1),
    }


def count_duplicates(lines: Sequence[str]) -> int:
    """Count how often a run was duplicated, by the lines of its attempts.txt.

    A run is duplicated if it is trained from scratch although it was done (or had diverged), or if an attempt begins
    during another one that is later completed.
    """
    repeated, ended, spans = 0, False, list[tuple[float, float, tuple[str, ...]]]()
    begun: dict[tuple[str, ...], float] = {}
    starts = []
    for at, event, *process in (line.split() for line in lines):
        if event == "begin":
            begun[tuple(process)] = float(at)
            starts.append((float(at), tuple(process)))
        elif event == "train":
            repeated += ended
        elif event == RESTARTED:
            ended = False
        elif event != "resume":
            ended = event != "failed"  # a failed attempt, for example on a full disk, leaves no result
            spans.append((begun.get(tuple(process), 0.0), float(at), tuple(process)))
    return repeated + sum(a < at < b and process != owner for a, b, owner in spans for at, process in starts)


def write(folder: Path, row: Mapping[str, Any], count: int) -> None:
    """Write a fault's row, with its provenance, to faults.json and faults.csv. Rows of other faults are kept."""
    path = folder / "faults.json"
    rows_by_fault = {old["fault"]: old for old in (json.loads(read_text(path)) if path.is_file() else [])}
    origin = {**provenance.describe(torch.device("cpu")), "slurm": _version(), "kills": count, "models": MODELS}
    rows_by_fault[row["fault"]] = {**row, "provenance": origin}
    rows = [rows_by_fault[name] for name in FAULTS if name in rows_by_fault]
    records.write_text(path, json.dumps(rows, indent=1) + "\n")
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: escape_csv(value) for name, value in row.items()} for row in rows)
    records.write_text(folder / "faults.csv", text.getvalue())


def _version() -> str | None:
    if shutil.which("sbatch") is None:
        return None
    return (
        subprocess.run(["sbatch", "--version"], capture_output=True, encoding="utf-8", errors="replace").stdout.strip()
        or None
    )
