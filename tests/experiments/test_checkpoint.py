"""Resuming killed runs, with valid or broken states and weights."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from trials import job, numbers, trial

from benchmarks.experiments import records
from benchmarks.experiments.checkpoint import load_model_if_valid, read_state
from benchmarks.experiments.run_trial import run_trial
from benchmarks.training.loop import STATE_KEYS

ROOT = Path(__file__).resolve().parents[2]


SUPPORT = str(ROOT / "tests" / "support")


def test_a_run_whose_weights_are_missing_is_trained_again(tmp_path):
    one = run_trial(job(tmp_path, trial(epochs=1)))
    (tmp_path / "runs" / one["key"] / "weights.pt").unlink()
    two = run_trial(job(tmp_path, trial(epochs=1), draws=2))
    assert numbers(two)[0] == numbers(one)[0]
    assert two["evaluations"][0]["values"] == one["evaluations"][0]["values"]


KILLED = """
from benchmarks.experiments.run_trial import run_trial
from trials import job, trial
run_trial(job({folder!r}, trial({model!r}, epochs={epochs}, images={images})))
"""


@pytest.mark.kill
@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "lines", "images"),
    [
        ("rae-gmm", 3, 640),
        pytest.param("wae-gan", 8, 640, marks=pytest.mark.full),
        pytest.param("two-stage-vae", 9, 256, marks=pytest.mark.full),
    ],
)
def test_a_killed_trial_resumes_to_bit_identical_numbers(tmp_path, monkeypatch, model, lines, images):
    """Two-Stage VAE and WAE-GAN are killed in their second stage; a mixture is fitted after the kill."""
    cut, epochs = tmp_path / "cut", 6
    code = KILLED.format(folder=str(cut), model=model, epochs=epochs, images=images)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([SUPPORT, str(ROOT)]))
    monkeypatch.setenv("AE_BENCH_SAVE_SECONDS", "0")
    process = subprocess.Popen([sys.executable, "-c", code])
    made = trial(model, epochs=epochs, images=images)
    log, state = (cut / "runs" / made.key / name for name in ("log.txt", "state.pt"))
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if log.is_file() and state.is_file() and len(log.read_text().splitlines()) >= lines:
            break
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert state.is_file(), "killed too late: nothing was left to go on with"
    assert records.find(cut, made.key) is None

    resumed = run_trial(job(cut, made))
    assert resumed["provenance"]["resumed"] == 1
    assert [place["device"] for place in resumed["provenance"]["earlier"]] == [resumed["provenance"]["device"]]
    assert not state.exists()
    assert log.read_text().count("resumed after") == 1
    uninterrupted = run_trial(job(tmp_path / "whole", made))
    assert uninterrupted["provenance"]["resumed"] == 0
    assert numbers(resumed) == numbers(uninterrupted)


def test_a_broken_state_is_ignored(done, tmp_path):
    _, record = done
    state = tmp_path / "runs" / record["key"] / "state.pt"
    state.parent.mkdir(parents=True)
    state.write_bytes(b"PK\x03\x04 half a file")
    with pytest.warns(UserWarning, match=r"state\.pt: cannot be read; the run starts from scratch"):
        assert numbers(run_trial(job(tmp_path, trial())))[1:] == numbers(record)[1:]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a file"])
def test_a_run_whose_weights_are_broken_is_trained_again(tmp_path, content):
    one = run_trial(job(tmp_path, trial(epochs=1)))
    (tmp_path / "runs" / one["key"] / "weights.pt").write_bytes(content)
    two = run_trial(job(tmp_path, trial(epochs=1), draws=2))
    assert two["evaluations"][0]["values"] == one["evaluations"][0]["values"]


def test_states_and_weights_with_a_hole_are_not_loaded(done, tmp_path):
    """A power cut may leave such files. torch alone would load zeros without an error."""
    _, record = done
    source = done[0] / "runs" / record["key"] / "weights.pt"
    raw = bytearray(source.read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 4096] = bytes(4096)
    target = tmp_path / "runs" / record["key"] / "weights.pt"
    target.parent.mkdir(parents=True)
    target.write_bytes(raw)
    torch.load(target, weights_only=True)  # it does
    assert load_model_if_valid(target) is None
    state = target.with_name("state.pt")
    provenance = json.dumps({"started": "2026-11-27T00:00:00Z", "resumed": 0, "before": [], "place": {}})
    training = dict.fromkeys(STATE_KEYS, 0)
    torch.save({"training": training, "epochs": "[]", "provenance": provenance, "x": torch.ones(9000)}, state)
    assert read_state(state) is not None
    raw = bytearray(state.read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 4096] = bytes(4096)
    state.write_bytes(raw)
    with pytest.warns(UserWarning, match="cannot be read; the run starts"):
        assert read_state(state) is None


def test_a_file_that_is_not_a_state_is_ignored(done, tmp_path):
    _, record = done
    state = tmp_path / "runs" / record["key"] / "state.pt"
    state.parent.mkdir(parents=True)
    torch.save({"training": {}, "epochs": "[]", "provenance": "{}"}, state)
    assert numbers(run_trial(job(tmp_path, trial())))[1:] == numbers(record)[1:]
