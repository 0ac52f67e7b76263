"""Inject faults into launches, and count what is lost: `python -m benchmarks.perf.faults`.

Each fault has its own results folder, with the same few short runs on scikit-learn's digits. Afterwards, the table and
all numbers of all records must equal those of undisturbed runs. Faults on SLURM need the cluster that
`slurm/devcluster.sh start` starts. The full disk needs permission to mount a file system.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.perf.fault_definitions import FAULTS, FaultUnavailable
from benchmarks.perf.fault_judging import COLUMNS, judge_fault, undisturbed_results, write
from benchmarks.printing import prepare_output


def main() -> int:
    """Inject the faults and write the results. Return 1 if a run was lost, duplicated or changed."""
    prepare_output()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.perf.faults", description=__doc__)
    parser.add_argument("--only", default=",".join(FAULTS), help="faults to inject (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=50, help="number of workers to kill (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="folder for faults.csv and faults.json; rows of other faults are kept")
    parser.add_argument("--undisturbed", type=Path, metavar="DIR", help="results folder of earlier undisturbed runs")
    args = parser.parse_args()
    names = args.only.split(",")
    if unknown := [name for name in names if name not in FAULTS]:
        parser.error(f"unknown fault {', '.join(unknown)}. Known: {', '.join(FAULTS)}")
    folder = Path(tempfile.mkdtemp(prefix="ae-bench-faults-"))
    rows: list[dict[str, Any]] = []
    unfinished: list[str] = []
    undisturbed = folder / "undisturbed"
    if args.undisturbed:
        shutil.copytree(args.undisturbed / "records", undisturbed / "records")
    print(" ".join(f"{name:>21}" if name == "fault" else f"{name:>13}" for name in COLUMNS), flush=True)
    for name in names:
        results, started = folder / name, time.monotonic()
        try:
            run = FAULTS[name](results, args.kills)
            seconds = time.monotonic() - started
            row = judge_fault(name, run, *undisturbed_results(undisturbed, run.seeds), seconds)
        except FaultUnavailable as reason:
            print(f"{name:>21} skipped: {reason}", flush=True)
            continue
        except (RuntimeError, OSError, subprocess.SubprocessError) as reason:
            unfinished.append(name)
            print(f"{name:>21} not finished: {reason}", flush=True)
            continue
        finally:
            if os.path.ismount(results):
                subprocess.run(["umount", "-l", results], check=False)
        rows.append(row)
        print(" ".join(f"{row[c]:>21}" if c == "fault" else f"{row[c]!s:>13}" for c in COLUMNS), flush=True)
        if args.out:
            write(args.out, row, args.kills)
    failed = [r["fault"] for r in rows if r["lost"] or r["duplicated"] or not (r["table_equal"] and r["numbers_equal"])]
    if failed or unfinished:
        print(
            f"failed: {', '.join([*failed, *unfinished])} (a run was lost, duplicated or changed, or the fault was not "
            f"finished). Files are in {folder}"
        )
        return 1
    print(f"{len(rows)} faults: no run was lost, duplicated or changed")
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
