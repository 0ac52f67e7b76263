"""The command benchmarks.perf.speed: its errors, its measurements, and failures of these."""

from argparse import Namespace

import pytest
import torch
from speed_cases import record

from benchmarks.perf import speed, speed_measurement, speed_specs
from benchmarks.perf.paired import LoopFailed
from benchmarks.reporting import speed_records


@pytest.mark.parametrize(("arguments", "message"), [
    (["--models", "glff"], "--models: unknown 'glff'. Known: vae,"),
    (["--on", "mnits"], "--on: unknown 'mnits'. Known: digits, mnist"),
    (["--loops", "eager"], "--loops must include ours"),
    (["--rounds", "0"], "--rounds must be at least 1"),
    (["--device", "cpu", "--precision", "bf16"], "--precision bf16 needs a GPU"),
    (["--device", "cpu", "--gpu", "--limit", "0"], "--limit must be a positive number of seconds"),
    (["--device", "cpu", "--gpu", "--limit", "nan"], "--limit must be a positive number of seconds"),
    (["--on", "celeba-hq"], "--on celeba-hq: its number of images, and so an epoch, is not fixed"),
    (["--models", "glf,glf-perceptual"], "glf-perceptual needs vgg16-397923af.pth in torch hub's cache"),
])  # fmt: skip
def test_errors_are_reported_before_anything_is_measured(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("AE_BENCH_DATA", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert speed.main([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_baseline_that_fails_is_omitted(tmp_path, monkeypatch, capsys):
    """If our loop fails, the measurement fails."""

    def measure(spec, root):
        for loop in ("pythae", "plain", failed_baselines):
            if loop in spec.loops:
                raise LoopFailed(loop, "no more memory")
        rows = [{**row, "loop": loop} for loop in spec.loops for row in record()["rows"] if row["loop"] == "ours"]
        return {**record(), **speed_measurement.describe(spec), "rows": rows, "lame": [*spec.failed_baselines]}

    monkeypatch.setattr(speed, "measure", measure)
    options = Namespace(gpu=False, scaling=False, engine="auto", rounds=2, steps=4, channels_last=False, processes=1,
                      models="glf", on="digits", loops="ours,eager,plain", precision="fp32", data_root=None,
                      out=tmp_path)  # fmt: skip
    failed_baselines = ""
    assert speed.run_specs(options, torch.device("cpu")) == 0
    assert "omitted from glf on digits: plain: no more memory" in capsys.readouterr().err
    (found,) = speed_records.read_speed_records(tmp_path)
    assert {row["loop"] for row in found["rows"]} == {"ours", "eager"}
    assert found["lame"] == ["plain"]
    failed_baselines = "ours"
    assert speed.run_specs(options, torch.device("cpu")) == 1


def test_a_model_without_a_protocol_for_a_data_set_is_reported():
    (said,) = speed_specs.find_case_errors("glf-perceptual", "digits", "fp32") or ("",)
    assert "glf-perceptual" in said
    (said,) = speed_specs.find_case_errors("vae-bce", "mnist", "bf16")
    assert "vae-bce cannot be trained at --precision bf16" in said
    assert speed_specs.find_case_errors("vae-bce", "mnist", "tf32") == []


@pytest.mark.slow
def test_a_measurement_that_fails_does_not_stop_the_others(tmp_path, capsys, monkeypatch):
    def broken(case):
        if case.model == "wae-gan":
            raise ValueError("no such luck")
        return speed_measurement.datasets.load("digits", None).train.canonical(case.images).images, False

    monkeypatch.setattr(speed_measurement, "load_images", lambda case, root: broken(case))
    arguments = ["--models", "wae-gan,glf", "--on", "digits", "--loops", "ours", "--rounds", "1", "--steps", "2",
                 "--processes", "1", "--device", "cpu", "--out", str(tmp_path)]  # fmt: skip
    assert speed.main(arguments) == 1
    assert "error: wae-gan on digits: no such luck" in capsys.readouterr().err
    assert [path.name.split("-")[1] for path in tmp_path.glob("*.json")] == ["glf"]
