"""Several runs in one process: the numbers of each are those of the same run alone."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from trials import job, numbers, trial, with_learning_rate

import zoo
from benchmarks.execution.worker import WORKER_LOST, run_job, run_job_in_turns
from benchmarks.experiments import records
from slurm import launch
from slurm.turns import Turns

ROOT = Path(__file__).resolve().parents[2]
MODELS = ("glf", "two-stage-vae", "wae-gan", "vae-flow-prior")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Model -> the numbers of its run alone."""
    folder = tmp_path_factory.mktemp("alone")
    return {name: numbers(run_job(job(folder, trial(name)))) for name in MODELS}


def run_at_once(jobs):
    """Run jobs in turns in this process; return their records."""
    turns = Turns()
    for number, one in enumerate(jobs):
        turns.add(number, run_job_in_turns, one)
    found, switches = {}, 0
    while turns.calls:
        switches += len(turns.running) > 1
        for event in turns.advance():
            if event.is_end:
                assert event.error is None, event.error
                found[event.number] = event.value
    assert switches > 5, "the runs did not take turns"
    return [found[number] for number in range(len(jobs))]


def test_runs_that_take_turns_have_the_numbers_of_each_run_alone(tmp_path, alone):
    before = torch.get_rng_state()
    found = run_at_once([job(tmp_path, trial(name)) for name in MODELS])
    assert {name: numbers(record) for name, record in zip(MODELS, found, strict=True)} == alone
    assert torch.equal(torch.get_rng_state(), before), "a run has changed the generator of the process"


def test_a_worker_that_takes_several_runs_gives_the_numbers_of_each_run_alone(tmp_path, alone):
    jobs = [job(tmp_path, trial(name)) for name in MODELS]
    outcomes = [*launch(run_job_in_turns, jobs, cluster="local", workers=1, at_once=lambda _: 3)]
    assert {one.item.trial.model: numbers(one.value) for one in outcomes} == alone


def test_a_diverging_and_a_failing_run_leave_the_others_alone(tmp_path, alone):
    diverging = replace(with_learning_rate(trial("vae"), 1e18), seed=5)
    failing = trial("vae", seed=6)
    (tmp_path / "runs" / failing.key / "samples.png").mkdir(parents=True)  # a picture cannot be written there
    found = run_at_once([job(tmp_path, made) for made in (diverging, trial("glf"), failing, trial("wae-gan"))])
    assert [record["status"] for record in found] == ["diverged", "done", "failed", "done"]
    assert [numbers(found[1]), numbers(found[3])] == [alone["glf"], alone["wae-gan"]]


CUT = """
from benchmarks.execution.worker import run_job_in_turns
from slurm.turns import Turns
from trials import job, trial
turns = Turns()
for number, model in enumerate({models!r}):
    turns.add(number, run_job_in_turns, job({folder!r}, trial(model, epochs=8)))
while turns.calls:
    turns.advance()
"""


@pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")
@pytest.mark.kill
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.full)])
def test_runs_that_are_cut_off_together_are_each_resumed_bit_for_bit(tmp_path, monkeypatch, number):
    """SIGTERM: all save their states first. SIGKILL: each has the state of its last epoch."""
    models = ("glf", "vae", "two-stage-vae")
    made = [trial(model, epochs=8) for model in models]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "tests" / "support"), str(ROOT)]))
    monkeypatch.setenv("AE_BENCH_SAVE_SECONDS", "1e9" if number == signal.SIGTERM else "0")
    process = subprocess.Popen([sys.executable, "-c", CUT.format(folder=str(tmp_path / "cut"), models=models)])
    logs = [tmp_path / "cut" / "runs" / one.key / "log.txt" for one in made]
    deadline = time.monotonic() + 240
    while not all(log.is_file() and len(log.read_text().splitlines()) >= 4 for log in logs):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(60) == -number
    assert all((log.parent / "state.pt").is_file() for log in logs)
    resumed = run_at_once([job(tmp_path / "cut", one) for one in made])
    assert [record["provenance"]["resumed"] for record in resumed] == [1, 1, 1]
    for one, record in zip(made, resumed, strict=True):
        assert numbers(record) == numbers(run_job(job(tmp_path / "whole", one)))


def test_runs_without_memory_wait_until_fewer_share_the_process(tmp_path, capsys):
    zoo.adopt("crowded:Crowded", like="rae-gmm")
    jobs = [job(tmp_path, trial("crowded:Crowded", seed=seed)) for seed in range(4)]
    found = run_at_once(jobs)
    assert [record["status"] for record in found] == ["done"] * 4
    said = capsys.readouterr().err
    assert "the GPU has no memory left for" in said
    assert "this process runs at most 2 at once from now on" in said
    other = tmp_path / "alone"
    for one, record in zip(jobs, found, strict=True):
        assert numbers(record) == numbers(run_job(replace(one, results=other)))
        steps = [line.split()[1] for line in (one.run_folder / "attempts.txt").read_text().splitlines()]
        assert steps[-1] == "done"


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU: there, every GPU is a lost one")
def test_runs_that_lose_their_gpu_together_are_tried_again_alone_and_none_is_lost(tmp_path):
    jobs = [replace(job(tmp_path, trial(epochs=1, seed=seed)), device="cuda") for seed in range(3)]
    outcomes = [*launch(run_job_in_turns, jobs, cluster="local", workers=1, retries=1, worker_lost=WORKER_LOST,
                        at_once=lambda _: 3)]  # fmt: skip
    assert len(outcomes) == 3
    for one in outcomes:
        assert one.error is None
        assert one.value["status"] == "failed"
        assert records.find(tmp_path, one.item.trial.key) == one.value
