"""The command benchmarks.perf.speed: its errors, its measurements, and failures of these."""

from argparse import Namespace
from dataclasses import replace

import pytest
import torch
from speed_cases import record

from benchmarks.perf import speed, speed_measurement, speed_specs
from benchmarks.perf.paired import LoopFailed
from benchmarks.presets import TABLE1
from benchmarks.reporting import speed_records


@pytest.mark.parametrize(("arguments", "message"), [
    (["--models", "glff"], "--models: unknown 'glff'. Known: vae,"),
    (["--on", "mnits"], "--on: unknown 'mnits'. Known: digits, mnist"),
    (["--loops", "eager"], "--loops must include ours"),
    (["--rounds", "0"], "--rounds must be at least 1"),
    (["--device", "cpu", "--precision", "bf16"], "--precision bf16 needs a GPU"),
    (["--device", "cpu", "--gpu"], "--gpu needs a GPU"),
    (["--on", "celeba-hq"], "--on celeba-hq: its number of images, and so an epoch, is not fixed"),
    (["--models", "glf,glf-perceptual"], "glf-perceptual needs vgg16-397923af.pth in torch hub's cache"),
])  # fmt: skip
def test_errors_are_reported_before_anything_is_measured(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("AE_BENCH_DATA", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert speed.main([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_option_gpu_makes_all_measurements():
    options = Namespace(gpu=True, scaling=False, engine="auto", rounds=3, channels_last=False, processes=0)
    found = [*speed_specs.make_specs(options, torch.device("cuda"))]
    tables = {(w.case.model, w.case.dataset, w.case.precision) for w in found if w.purpose == "table"}
    assert {("glf", d, p) for d in ("mnist", "cifar10", "celeba") for p in ("tf32", "fp32")} <= tables
    assert {(m, "mnist", "tf32") for m in TABLE1} <= tables
    assert [w.processes for w in found if w.purpose == "processes"] == [1, 2, 4, 8]
    first = {(w.purpose, w.case.model, w.case.dataset, w.case.precision) for w in found[: len(TABLE1)]}
    assert first == {("table", m, "mnist", "tf32") for m in TABLE1}, (
        "the records from which Table 1's column is extrapolated"
    )
    celeba = next(w for w in found if w.case.dataset == "celeba")
    assert (celeba.case.steps, celeba.case.images, celeba.case.total) == (234, 234 * 256, 162_770)
    assert {"ours", "eager", "plain", "ceiling"} <= {*celeba.loops}


def test_a_baseline_that_fails_is_omitted(tmp_path, monkeypatch, capsys):
    """A repetition does not measure it again. If our loop fails, the measurement fails."""

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
    (spec,) = speed_specs.make_specs(options, torch.device("cpu"))
    assert speed_measurement.is_measured(replace(spec, count=1), tmp_path)
    assert not speed_measurement.is_measured(replace(spec, count=1, loops=["ours", "ceiling"]), tmp_path)
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
