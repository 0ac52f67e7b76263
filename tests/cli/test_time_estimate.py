"""Estimates of training time: which measured speed is used, and what is said of it."""

import pytest
from fake_records import record
from trials import trial

from benchmarks.cli import time_estimate
from benchmarks.cli.time_estimate import estimate_time, format_time, measured_speed
from benchmarks.experiments import records


@pytest.fixture(autouse=True)
def nothing_committed(monkeypatch, tmp_path):
    monkeypatch.setattr(time_estimate, "COMMITTED", tmp_path / "none")


def write(folder, device="cpu: Xeon", seconds=20.0, key="a" * 64, **changes):
    epochs = [{"stage": "train", "epoch": epoch, "seconds": seconds, "steps": 10} for epoch in (0, 1)]
    provenance = record()["provenance"] | {"device": device}
    records.write(folder, record(key=key, epochs=epochs, provenance=provenance, **changes))


def test_the_speed_is_seconds_over_steps_of_each_stage_and_device(tmp_path):
    write(tmp_path)
    write(tmp_path, "cuda: H100", 0.5, "b" * 64)
    assert measured_speed(tmp_path) == {
        "cpu: Xeon": {("glf", "digits", "train"): 2.0},
        "cuda: H100": {("glf", "digits", "train"): 0.05},
    }


def test_an_estimate_is_steps_by_seconds_per_step_and_names_its_device(tmp_path):
    write(tmp_path)
    trials = [trial("glf", epochs=2, seed=seed) for seed in range(3)]  # 4 steps an epoch
    assert estimate_time(trials, tmp_path, 2, on_gpu=False) == (
        "about 48 s of training one after the other, 24 s with 2 at a time; measured on cpu: Xeon "
        "(records of this results folder)"
    )


def test_a_speed_of_the_same_kind_of_device_is_preferred(tmp_path):
    write(tmp_path)
    write(tmp_path, "cuda: H100", 0.5, "b" * 64)
    for on_gpu, device in ((False, "cpu: Xeon"), (True, "cuda: H100")):
        assert f"measured on {device} (" in estimate_time([trial("glf")], tmp_path, 1, on_gpu)


def test_committed_measurements_are_used_where_the_results_folder_has_none(tmp_path, monkeypatch):
    monkeypatch.setattr(time_estimate, "COMMITTED", tmp_path / "measured")
    write(tmp_path / "measured" / "some", seconds=10.0)
    text = estimate_time([trial("glf", epochs=2)], tmp_path / "out", 1, on_gpu=False)
    assert text == "about 8 s of training one after the other; measured on cpu: Xeon (measurements of this repository)"
    write(tmp_path / "out")
    assert "records of this results folder" in estimate_time([trial("glf")], tmp_path / "out", 1, on_gpu=False)


def test_runs_of_unknown_speed_are_counted_and_not_estimated(tmp_path):
    assert estimate_time([trial("glf")], tmp_path, 1, on_gpu=False).startswith("no estimate of the time: ")
    write(tmp_path)
    text = estimate_time([trial("glf"), trial("vae")], tmp_path, 1, on_gpu=False)
    assert "about 16 s" in text
    assert "without 1 runs of unknown speed" in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(89, "89 s"), (600, "10 min"), (7200, "2.0 h"), (3_600_000, "1,000 h")]
)  # fmt: skip
def test_a_duration_has_the_unit_that_suits_it(seconds, text):
    assert format_time(seconds) == text
