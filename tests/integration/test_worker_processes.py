"""Launchers with worker processes, after an interruption, a kill and a cancellation."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.evaluation.sources import CRITERIA_SOURCES
from benchmarks.experiments import records
from benchmarks.presets import PRESETS
from benchmarks.run import main

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("empty_home")


def restore_sigint():
    """Python ignores SIGINT if its parent did, as background jobs of a shell do."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


STEPS = 120  # of each run: long enough to be interrupted
COMMAND = ["table1", "--preset", "demo", "--only", "rae-gmm,vae,glf", "--seeds", "1", "--images", "500"]


@pytest.fixture
def two_workers(tmp_path, monkeypatch):
    """A launcher of three short runs in a process group of its own, with two workers."""
    monkeypatch.setitem(PRESETS, "demo", replace(PRESETS["demo"], steps=STEPS))
    monkeypatch.setenv("SHORT_DEMO_STEPS", str(STEPS))
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'tests' / 'support'}:{ROOT}")
    command = [sys.executable, "-m", "short_demo", *COMMAND, "--workers", "2", "--results", str(tmp_path / "out")]
    process = subprocess.Popen(
        command, cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, preexec_fn=restore_sigint,
    )  # fmt: skip
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def processes_of(group):
    """Ids of the processes of a group."""
    if not Path("/proc/self/stat").is_file():
        pytest.skip("processes are found by /proc")
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getpgid(int(entry.name)) == group:
                yield int(entry.name)
        except ProcessLookupError:
            continue


def command_of(pid):
    return Path(f"/proc/{pid}/cmdline").read_text()


def wait_for(condition, process=None, seconds=120):
    """Wait until a condition holds; fail if the process ends before."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.1)


def group_is_empty(pgid):
    try:
        os.killpg(pgid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.slow
@pytest.mark.kill
def test_ctrl_c_keeps_finished_runs(two_workers, tmp_path, capsys):
    out = tmp_path / "out"

    def finished():
        """Records with all evaluations: a record is first written after the evaluation of its samples."""
        texts = {path.name: path.read_bytes() for path in out.glob("records/*.json")}
        return {
            name: text
            for name, text in texts.items()
            if len(json.loads(text)["evaluations"]) == 1 + len(CRITERIA_SOURCES)
        }

    wait_for(finished, two_workers)
    os.killpg(two_workers.pid, signal.SIGINT)  # to all processes of the group, as a terminal does
    _, errors = two_workers.communicate(timeout=30)
    assert two_workers.returncode == 130
    assert "Traceback" not in errors
    assert "finished runs are kept" in errors
    wait_for(lambda: group_is_empty(two_workers.pid), seconds=20)
    saved = finished()
    assert 1 <= len(saved) < 3
    assert main([*COMMAND, "--cluster", "inline", "--results", str(out)]) == 0
    left = rf"{3 - len(saved)} runs? to do(?: \(\d only to score\))?, {len(saved)} done already"
    assert re.search(left, capsys.readouterr().out)
    assert len([*out.glob("records/*.json")]) == 3
    assert all((out / "records" / name).read_bytes() == content for name, content in saved.items())


@pytest.mark.slow
@pytest.mark.kill
def test_a_launcher_that_gets_sigterm_lets_its_workers_save(two_workers, tmp_path):
    """`kill` sends SIGTERM, and SLURM does at the end of a job."""
    out = tmp_path / "out"
    wait_for(lambda: len([*out.glob("runs/*/progress.json")]) == 2, two_workers)
    two_workers.terminate()
    _, errors = two_workers.communicate(timeout=60)
    assert two_workers.returncode == 130
    assert "finished runs are kept" in errors
    wait_for(lambda: group_is_empty(two_workers.pid), seconds=20)
    assert [*out.glob("runs/*/state.pt")]


@pytest.mark.slow
@pytest.mark.kill
def test_runs_finish_if_a_worker_is_killed_once(two_workers, tmp_path):
    out = tmp_path / "out"
    wait_for(lambda: len([*out.glob("runs/*/log.txt")]) == 2, two_workers)
    workers = [pid for pid in processes_of(two_workers.pid) if "spawn_main" in command_of(pid)]
    os.kill(workers[0], signal.SIGKILL)
    printed, errors = two_workers.communicate(timeout=180)
    assert two_workers.returncode == 0, errors
    assert printed.strip().splitlines()[-1] == str(out / "tables" / "table1.csv")
    runs, _ = records.read(out)
    assert [*runs.drop_duplicates("key")["status"]] == ["done"] * 3


@pytest.mark.full
@pytest.mark.slow
@pytest.mark.kill
def test_only_the_trial_whose_worker_is_killed_twice_fails(two_workers, tmp_path):
    """The trial is retried once, at the end of the queue; its second worker is the owner of its lock."""
    out = tmp_path / "out"
    wait_for(lambda: len([*out.glob("runs/*/log.txt")]) == 2, two_workers)
    claims = {json.loads(path.read_text())["pid"]: path for path in out.glob("runs/*/claim.json")}
    pid, claim = next(iter(claims.items()))
    os.kill(pid, signal.SIGKILL)

    def taken_over():
        try:
            return json.loads(claim.read_text())["pid"] != pid
        except (OSError, ValueError):
            return False

    wait_for(taken_over, two_workers)
    os.kill(json.loads(claim.read_text())["pid"], signal.SIGKILL)
    printed, errors = two_workers.communicate(timeout=180)
    assert two_workers.returncode == 1, errors
    assert "signal 9" in printed
    assert "[1 failed]" in printed
    runs, _ = records.read(out)
    assert sorted(runs.drop_duplicates("key")["status"]) == ["done", "done", "failed"]


@pytest.mark.slow
@pytest.mark.kill
def test_cancel_stops_the_launcher_of_another_process(two_workers, tmp_path, capsys):
    out = tmp_path / "out"
    wait_for(lambda: len([*out.glob("runs/*/log.txt")]) == 2, two_workers)
    assert main(["status", "--results", str(out)]) == 0
    assert re.search(r"rae-gmm +digits +\. +1", capsys.readouterr().out)
    assert main(["cancel", "--results", str(out)]) == 0
    assert "cancelled: the launcher on" in capsys.readouterr().out
    two_workers.communicate(timeout=60)
    assert two_workers.returncode == 130


@pytest.mark.slow
def test_no_wait_runs_in_the_background(tmp_path, capsys):
    out = tmp_path / "out"
    command = ["table1", "--preset", "demo", "--only", "rae-gmm", "--seeds", "1", "--cluster", "local", "--no-wait",
               "--images", "500"]  # fmt: skip
    assert main([*command, "--results", str(out)]) == 0
    assert "started as process" in capsys.readouterr().out
    wait_for(lambda: (out / "tables" / "table1.csv").is_file())
