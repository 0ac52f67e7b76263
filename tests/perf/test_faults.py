"""How benchmarks.perf.faults counts lost and duplicated runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.perf.fault_judging import count_duplicates

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("lines", "twice"),
    [
        (["1 begin a", "1 train a", "5 done a"], 0),
        (["1 begin a", "1 train a", "3 begin b", "3 resume b", "5 done b"], 0),
        (["1 begin a", "1 train a", "3 begin b", "3 train b", "5 done b"], 0),
        (["1 begin a", "1 train a", "5 done a", "6 begin b", "7 done b"], 0),
        (["1 begin a", "1 train a", "5 done a", "6 begin b", "6 train b", "9 done b"], 1),
        (["1 begin a", "1 train a", "5 done a", "5 anew x", "6 begin b", "6 train b", "9 done b"], 0),
        (["1 begin a", "1 train a", "2 begin b", "2 resume b", "5 done a", "6 done b"], 1),
        (["1 begin a", "1 train a", "5 failed a", "6 begin b", "6 train b", "9 done b"], 0),
    ],
    ids=[
        "once",
        "resumed",
        "killed before it had saved",
        "launched again after its end",
        "trained again after its end",
        "trained again on purpose",
        "two attempts at once",
        "trained again after a failure",
    ],
)
def test_duplicated_runs_are_counted(lines, twice):
    assert count_duplicates(lines) == twice


@pytest.mark.full
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for workers in /proc")
def test_three_killed_workers_lose_duplicate_or_change_no_run():
    """tests/integration kills one worker. `python -m benchmarks.perf.faults` injects all faults."""
    command = [sys.executable, "-m", "benchmarks.perf.faults", "--only", "kills", "--kills", "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no run was lost, duplicated or changed" in done.stdout
    row = dict(zip(*(line.split() for line in done.stdout.splitlines()[:2]), strict=True))
    assert int(row["attempts"]) == int(row["runs"]) + 3
