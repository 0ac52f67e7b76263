"""What a worker or a job does with one trial."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from trials import job, numbers, trial

from benchmarks.execution import launches, locks, worker
from benchmarks.execution.worker import find_outcome, run_job
from benchmarks.experiments import records
from benchmarks.experiments.run_trial import run_trial, run_trial_in_turns
from slurm.launch import launch

ROOT = Path(__file__).resolve().parents[2]


def log(folder, key):
    return [line.split()[1] for line in (folder / "runs" / key / "attempts.txt").read_text().splitlines()]


def test_a_failing_trial_is_tried_twice_then_recorded_with_its_traceback(tmp_path, monkeypatch):
    made = trial(epochs=1)
    (tmp_path / "runs" / made.key / "samples.png").mkdir(parents=True)  # a picture cannot be written there
    calls = []
    monkeypatch.setattr(worker.run_trial, "run_trial_in_turns", lambda job: calls.append(1) or run_trial_in_turns(job))
    record = run_job(job(tmp_path, made))
    assert len(calls) == 2
    assert record["status"] == "failed"
    assert "run_trial.py" in record["error"]["traceback"]
    assert records.find(tmp_path, made.key) == record


def test_a_temporary_error_does_not_change_the_record(tmp_path, monkeypatch):
    made = trial(epochs=1)
    calls = []

    def once(job):
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("the GPU fell off the bus")
        return run_trial_in_turns(job)

    monkeypatch.setattr(worker.run_trial, "run_trial_in_turns", once)
    assert run_job(job(tmp_path, made))["status"] == "done"
    assert log(tmp_path, made.key) == ["begin", "train", "done"]


def spoil(job):
    """Run a trial that leaves its device unusable."""
    record = run_job(job)
    worker.LOST_DEVICES.add(job.device)
    return os.getpid(), record["status"]


def test_a_trial_after_a_lost_device_runs_in_a_new_worker(tmp_path):
    jobs = [job(tmp_path, trial(epochs=1, seed=seed)) for seed in range(2)]
    outcomes = [*launch(spoil, jobs, cluster="local", workers=1, retries=0, worker_lost=worker.WORKER_LOST)]
    assert [one.error for one in outcomes] == [None] * 2
    assert [status for _, status in (one.value for one in outcomes)] == ["done"] * 2
    assert len({pid for pid, _ in (one.value for one in outcomes)}) == 2


def test_no_trial_starts_on_a_lost_device(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "LOST_DEVICES", set())
    broken, uninterrupted = trial(epochs=1, train_fingerprint="0" * 64), trial(epochs=1)
    calls = []

    def lose(job):
        calls.append(1)
        worker.LOST_DEVICES.add(job.device)
        return run_trial_in_turns(job)

    monkeypatch.setattr(worker.run_trial, "run_trial_in_turns", lose)
    assert run_job(job(tmp_path, broken))["status"] == "failed"
    assert len(calls) == 1, "not a second time"
    with pytest.raises(RuntimeError, match=r"left cpu unusable for this process\. Run the command again"):
        run_job(job(tmp_path, uninterrupted))
    assert len(calls) == 1
    assert records.find(tmp_path, uninterrupted.key) is None, "it is still to be done, elsewhere"


def test_a_run_that_fails_twice_is_recorded_by_its_worker(tmp_path):
    made = trial(epochs=1, train_fingerprint="0" * 64)
    record = run_job(job(tmp_path, made))
    assert record["status"] == "failed"
    assert "changed on disk" in record["error"]["message"]


def test_a_trial_that_another_process_runs_is_skipped(tmp_path):
    made = trial(epochs=1)
    with locks.locked(tmp_path / "runs" / made.key):
        assert run_job(job(tmp_path, made)) is None
    assert not [*tmp_path.glob("records/*")]


def test_two_simultaneous_jobs_of_one_trial_train_once(tmp_path):
    made = trial(epochs=2)
    found = []
    threads = [threading.Thread(target=lambda: found.append(run_job(job(tmp_path, made)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    noted = log(tmp_path, made.key)
    assert noted.count("begin") in (1, 2)  # the second may have come after the first
    assert noted.count("train") == 1


def test_find_outcome_ignores_failures_before_the_given_time(tmp_path):
    made = trial(epochs=1)
    this = job(tmp_path, made)

    def is_finished(record):
        return record["status"] == "done"

    assert find_outcome(this, is_finished, 0.0) is None
    (this.run_folder / "samples.png").mkdir(parents=True)
    assert run_job(this)["status"] == "failed"
    assert find_outcome(this, is_finished, 0.0)["status"] == "failed"
    assert find_outcome(this, is_finished, time.time() + 60) is None, "an old failure is to be tried again"
    (this.run_folder / "samples.png").rmdir()
    done = run_job(this)
    assert find_outcome(this, is_finished, time.time() + 60) == done
    assert find_outcome(replace(this, force_id="now"), is_finished, 0.0) is None
    again = run_job(replace(this, force_id="now"))
    assert find_outcome(replace(this, force_id="now"), is_finished, 0.0) == again
    assert run_job(replace(this, force_id="now")) == again, "once for each wish"


SIGNALLED = """
from benchmarks.execution.worker import run_job
from trials import job, trial
run_job(job({folder!r}, trial("vae", epochs=15, images=640)))
"""


@pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")
@pytest.mark.kill
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGUSR2, marks=pytest.mark.full)])
def test_a_run_that_gets_a_signal_saves_its_state_first(tmp_path, monkeypatch, number):
    made = trial("vae", epochs=15, images=640)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "tests" / "support"), str(ROOT)]))
    monkeypatch.setenv("AE_BENCH_SAVE_SECONDS", "1e9")
    process = subprocess.Popen([sys.executable, "-c", SIGNALLED.format(folder=str(tmp_path / "cut"))])
    progress, state = (tmp_path / "cut" / "runs" / made.key / name for name in ("log.txt", "state.pt"))
    deadline = time.monotonic() + 120
    while not progress.is_file() or len(progress.read_text().splitlines()) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(60) == -number
    assert state.is_file()
    resumed = run_job(job(tmp_path / "cut", made))
    assert resumed["provenance"]["resumed"] == 1
    assert numbers(resumed) == numbers(run_trial(job(tmp_path / "whole", made)))


def test_locks_name_the_host_but_records_do_not(tmp_path):
    made = trial(epochs=1)
    record = run_job(job(tmp_path, made))
    host = locks.process_identity()["host"]
    assert len(host) < 4 or host not in json.dumps(record)
    assert record["provenance"]["slurm_job"] is None


def test_a_command_waits_only_for_jobs_of_the_same_command():
    """It may run elsewhere. A command that needs more measurements of the same runs submits its own jobs."""
    base = {"what": "table1", "options": {"draws": None, "metrics": "fd", "cluster": "auto", "results": "a"}}
    elsewhere = {**base, "options": {**base["options"], "cluster": "slurm", "results": "b"}}
    assert launches.is_same_command(base, elsewhere)
    for more in ({**base, "what": "criteria"}, {**base, "options": {**base["options"], "draws": "10"}}):
        assert not launches.is_same_command(base, more)
