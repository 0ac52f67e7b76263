"""Measure commands with many records: `python -m benchmarks.perf.scale`.

It copies the records of results folders under other seeds, with other numbers and the keys that belong to them, into a
temporary folder. Then it runs `status`, `table1 --existing` and `report` there, first without an index and then with
one. It measures the CPU time and the peak memory of each command.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data.fingerprint import digest
from benchmarks.experiments import records
from benchmarks.experiments.index.storage import index_path
from benchmarks.printing import prepare_output

MEASURED = re.compile(r"-?\d+\.\d{9,}(?:e[+-]?\d+)?")  # a number that was measured: settings have fewer digits
NOT_HASHED = ("source", "row", "protocol_row")  # settings that do not enter a run's key


def make_results(sources: list[Path], target: Path, count: int) -> int:
    """Write records: copies of all records of some folders, round by round.

    Args:
        sources: results folders.
        target: results folder to make.
        count: number of records.

    Returns:
        Size of all files in bytes.
    """
    files = {path.name: path for source in sources for path in sorted(source.glob("records/*.json"))}
    originals = [json.loads(path.read_text(encoding="utf-8")) for path in files.values()]
    groups = [digest(_key_settings(record, 0)) for record in originals]
    sizes, ranks = Counter(groups), [groups[:i].count(group) for i, group in enumerate(groups)]
    texts = [json.dumps(record | {"key": "@KEY", "seed": "@SEED"}, indent=1) for record in originals]
    pieces = [MEASURED.split(text) for text in texts]
    numbers = [np.array([float(number) for number in MEASURED.findall(text)]) for text in texts]
    rng = np.random.default_rng(0)
    (target / "records").mkdir(parents=True)
    size = 0
    for copy in range(count):
        i = copy % len(originals)
        seed = copy // len(originals) * sizes[groups[i]] + ranks[i]
        key = digest(_key_settings(originals[i], seed))
        values = map(repr, (numbers[i] * rng.uniform(0.99, 1.01, len(numbers[i]))).tolist())
        text = "".join(piece + number for piece, number in zip(pieces[i], [*values, ""], strict=True))
        text = text.replace('"@KEY"', f'"{key}"').replace('"@SEED"', str(seed))
        size += (target / "records" / f"{key}.json").write_text(text, encoding="utf-8")
    return size


def _key_settings(record: dict[str, Any], seed: int) -> dict[str, Any]:
    """What the key of a record's run hashes, with another seed."""
    return {name: value for name, value in record["settings"].items() if name not in NOT_HASHED} | {"seed": seed}


def measure(name: str, arguments: list[str]) -> dict[str, Any]:
    """Run a command of the suite; print and return its seconds on a processor and its largest memory."""
    with subprocess.Popen([sys.executable, "-m", "benchmarks.run", *arguments], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed")
    memory = usage.ru_maxrss // 1024
    row = {"what": name, "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1), "memory_mb": memory}
    print(f"{name:40} {row['cpu_seconds']:7.1f} s of CPU {row['memory_mb']:6,} MB", flush=True)
    return row


def main() -> int:
    """Measure, print, and write scale.json."""
    prepare_output()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.perf.scale", description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--source", type=Path, default=Path("results/measured"), help="its subfolders are copied")
    parser.add_argument("--out", type=Path, help="folder for scale.json")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ae-bench-scale-") as temporary:
        folder = Path(temporary) / "results"
        size = make_results(sorted(path.parent for path in args.source.glob("*/records")), folder, args.records)
        seeds = max(1, args.records // 100)  # more than there are: a table counts what it lacks
        commands = {
            "status": ["status"],
            f"table1 --existing, {seeds} seeds": ["table1", "--preset", "demo", "--existing", "--seeds", str(seeds)],
            "report": ["report"],
        }
        rows = [measure("a command without records", ["status", "--results", temporary])]
        for name, arguments in commands.items():
            for kind in ("evaluations", "epochs"):
                index_path(folder / "records", kind).unlink(missing_ok=True)
            for state in ("no index yet", "index"):
                rows.append(measure(f"{name}, {state}", [*arguments, "--results", str(folder)]))
        index_size = sum(path.stat().st_size for path in (folder / "records").glob(".index-*"))
        frames = records.read_columns(folder, categories=True)
    sizes = {"records": args.records, "records_mb": size // 10**6, "index_mb": index_size // 10**6,
             "evaluations": len(frames[0]), "epochs": len(frames[1])}  # fmt: skip
    print(sizes)
    if args.out:
        # Imported here: the memory of a child process is measured from that of its parent on
        import torch

        from benchmarks.experiments import provenance

        origin = provenance.describe(torch.device("cpu")) | {"cores": os.cpu_count()}
        print(records.write_json(args.out / "scale.json", {**sizes, "commands": rows, "provenance": origin}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
