"""Speed: what is computed from measured seconds, in closed form, and the measuring itself, tiny."""

import json
import time
from argparse import Namespace
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from benchmarks.perf import baselines, paired, speed, speed_measurement, speed_report, speed_specs
from benchmarks.perf.baselines import LOOPS, Case
from benchmarks.perf.paired import LoopFailed
from benchmarks.presets import TABLE1
from benchmarks.reporting import speed_records


def row(loop, number, seconds, steps=4, stage="train", **more):
    return {"round": number, "loop": loop, "stage": stage, "steps": steps, "seconds": seconds, "cpu": seconds,
            "memory": [2e9], "foreign": 0.0, "how": "eager" if loop == "ours" else "", **more}  # fmt: skip


def record(**more):
    """GLF on 1,000 images in batches of 100: an epoch is ten steps; a step is 2 GFLOP."""
    rows = [
        row("ours", 0, [0.4, 0.8]), row("plain", 0, [1.2, 1.2]), row("ceiling", 0, [1.0, 1.0], steps=40),
        row("ours", 1, [0.4, 0.4]), row("plain", 1, [1.2, 0.4], steps=2), row("ceiling", 1, [1.0, 1.0], steps=50),
        row("ours", 2, [0.8, 0.8]), row("plain", 2, [1.6, 1.6]), row("ceiling", 2, [1.0, 1.0], steps=40),
    ]  # fmt: skip
    return {
        "what": "speed", "schema": 1, "purpose": "table", "model": "glf", "label": "GLF", "dataset": "mnist",
        "shape": [1, 28, 28], "synthetic": False, "images": 1000, "images_used": 400, "batch": {"train": 100},
        "flops": {"train": 2e9}, "precision": "fp32", "engine": "auto", "channels_last": False, "processes": 2,
        "loader_workers": 0, "warm": 2, "exclusive": True, "foreign": 0.0, "rows": rows,
        "provenance": {"device": "cpu: Abacus"}, **more,
    }  # fmt: skip


def test_ratios_and_shares_are_of_a_round():
    (found,) = speed_report.summary(record())
    assert found["epochs"] == pytest.approx([1.5, 1.0, 2.0])  # ten steps of the processes' mean
    assert found["epoch"] == pytest.approx(1.5)
    assert found["plain"] == pytest.approx([2.0, 4.0, 2.0])
    assert found["mfu"] == pytest.approx([2 / 40 / 0.15, 2 / 50 / 0.1, 2 / 40 / 0.2])
    assert found["images"] == pytest.approx(2 * 100 / 0.15)
    assert "eager" not in found


def test_read_gives_one_row_per_stage(tmp_path):
    two = [row("ours", n, [s], stage=stage) for n in (0, 1) for stage, s in (("first", 0.4), ("second", 0.2))]
    other = record(model="two-stage-vae", batch={"first": 100, "second": 50}, rows=two, processes=1, exclusive=False)
    side = record(purpose="side")
    for number, value in enumerate([record(), other, side, {"what": "cost"}]):
        (tmp_path / f"{number}.json").write_text(json.dumps(value))
    found = speed_records.read_epoch_seconds(tmp_path)
    assert [*found.columns] == [*speed_records.COLUMNS]
    assert found[["model", "stage", "processes", "rounds"]].values.tolist() == [
        ["glf", "train", 2, 3], ["two-stage-vae", "first", 1, 2], ["two-stage-vae", "second", 1, 2]
    ]  # fmt: skip
    assert found["seconds_per_epoch"].tolist() == pytest.approx([1.5, 1.0, 1.0])
    assert found["min"].tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert found["max"].tolist() == pytest.approx([2.0, 1.0, 1.0])
    assert found["engine"].tolist() == ["eager"] * 3
    assert found["purpose"].tolist() == ["table"] * 3
    assert found["channels_last"].tolist() == [False] * 3
    assert found["exclusive"].tolist() == [True, False, False]
    assert speed_records.read_epoch_seconds(tmp_path / "absent").empty


def test_steps_of_all_stages_make_one_engine(tmp_path):
    """A stage that fell back is no reason to tear a training in two."""
    rows = [row("ours", 0, [0.1], stage="first", how="graph"), row("ours", 0, [0.1], stage="second", how="eager: no")]
    value = record(rows=rows, batch={"first": 100, "second": 100}, channels_last=True)
    (tmp_path / "a.json").write_text(json.dumps(value))
    assert (
        speed_records.read_epoch_seconds(tmp_path)[["engine", "channels_last"]].values.tolist()
        == [["eager: no, graph", True]] * 2
    )


def test_measurements_that_differ_have_files_of_their_own():
    others = ({"provenance": {"device": "cpu: Abaca"}}, {"images_used": 800}, {"processes": 3}, {"engine": "eager"},
              {"channels_last": True}, {"precision": "tf32"}, {"purpose": "processes"}, {"dataset": "fashion"},
              {"shape": [1, 8, 8], "purpose": "side"}, {"model": "vae"})  # fmt: skip
    names = [speed_measurement.file_name(record(**other)) for other in ({}, *others)]
    assert len({*names}) == len(names)
    assert speed_measurement.file_name(record(exclusive=False)) == names[0]
    long = speed_measurement.device_slug("cuda: NVIDIA ../H100 80GB HBM3, driver 550.54.15")
    assert long.startswith("cuda-nvidia-h100-80gb-hbm3")
    assert len(long) < 42


def test_a_fixed_cost_per_step_is_found():
    assert speed_report.fit([(f, 2 + 3 * f) for f in (0.1, 1.0, 10.0, 100.0)]) == pytest.approx((2, 3))
    assert speed_report.fit([(1, 1), (2, 3)])[0] == 0  # not below zero


def test_parallel_runs_add_up():
    assert speed_report.throughput(record()) == pytest.approx(2 / 1.5)


def test_hours_of_a_run_are_the_sum_over_its_stages():
    """Two-Stage VAE on MNIST: 400 epochs and 800 of 600 steps (B.4)."""
    rows = [row("ours", 0, [s], stage=stage, steps=1) for stage, s in (("first", 0.01), ("second", 0.001))]
    value = record(model="two-stage-vae", images=60_000, batch={"first": 100, "second": 100}, rows=rows)
    assert speed_report.column_hours(value) == pytest.approx(600 * (400 * 0.01 + 800 * 0.001) / 3600)


def test_the_column_is_the_sum_over_models_and_runs():
    values = []
    for model in TABLE1:
        stages = Case(model, "mnist", 1, 1, Path()).schedules()
        values.append(record(model=model, images=60_000, processes=1, batch={n: s.batch for n, s in stages.items()},
                             rows=[row("ours", 0, [0.001], stage=name, steps=1) for name in stages]))  # fmt: skip
    hours = sum(map(speed_report.column_hours, values))
    (line, _) = speed_report._column(values)
    assert f"10 trainings of 7 models at the paper's epochs take {600 * hours:.0f} minutes one after the other." in line
    others = [{**value, "rows": [row("ours", 0, [9.0], stage=n, steps=1) for n in value["batch"]], **other}
              for value in values for other in ({"processes": 4}, {"engine": "eager"}, {"channels_last": True},
                                                {"precision": "tf32"}, {"dataset": "fashion"})]  # fmt: skip
    assert line in [*speed_report._column([*values, *others[:-1]])]
    assert [*speed_report._column([value for value in others if value["processes"] == 4])] == []
    # twice as many epochs per second by four of GLF at once; what another data set gains is another thing
    glf = next(value for value in values if value["model"] == "glf")
    many = [{**glf, "purpose": "processes", "processes": k, "dataset": d,
             "rows": [row("ours", 0, [0.001 * slower], steps=1)]}
            for d, k, slower in (("mnist", 1, 1), ("mnist", 4, 2), ("fashion", 1, 1), ("fashion", 8, 1))]  # fmt: skip
    (line, _) = speed_report._column([*values, *many])
    assert line.endswith(f"; {300 * hours:.0f} minutes at 4 at once if all gain as glf does (by a factor of 2.00).")
    assert [*speed_report._column(values[1:])] == []


def test_floating_point_operations_are_those_counted_by_hand():
    """GLF at 28x28, nz 20, k 64: 78.20 M multiply-adds of the auto-encoder and 0.14 M of the flow per image."""
    case = Case("glf", "mnist", 1, 1, Path())
    assert baselines.flops(case)["train"] == pytest.approx(2 * 256 * (78.20e6 + 0.1437e6), rel=1e-3)
    # WAE-GAN's second update is the adversary's: it sees a batch of draws and one of latents, forward and backward
    first, second = baselines.flops(replace(case, model="two-stage-vae")).values()
    assert 5 < first / second < 8


def test_the_report_holds_all_kinds_and_every_device():
    values = [
        record(),
        record(purpose="processes", processes=1, provenance={"device": "cuda: Fast"}),
        record(purpose="processes", processes=2, provenance={"device": "cuda: Fast"}),
        *(record(purpose="images", images_used=n, processes=1,
                 rows=[row("ours", 0, [n / 1000], steps=n // 100)]) for n in (400, 800)),
        *(record(purpose="side", shape=[1, s, s], flops={"train": s * 1e9},
                 rows=[row("ours", 0, [1 + s], steps=1)]) for s in (8, 28)),
    ]  # fmt: skip
    text = speed_report.report(values)
    assert "| glf | mnist | train | fp32 | 2 | 1.5 (1–2) | 1,333 |" in text
    assert "| — | 2 (2–4) | — |" in text
    assert "glf, train, mnist, fp32: timed over 4 steps, plain loop 2; fetching the first batch" in text
    assert "differ by at most 0.0% from those at 800 images" in text
    assert "Fitted: 1e+03 ms per step and 1 GFLOP/s beyond it" in text
    assert "| glf | mnist | fp32 | 2 | 1.33 | 2.00 |" in text
    assert text.index("## Abacus") < text.index("## Fast")


def test_table_csv_and_plot_come_from_the_records_alone(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(record()))
    assert speed.main(["--report", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "speed.csv").read_text().count("\n") == 1 + 9 * 2
    assert Image.open(tmp_path / "speed.png").size[0] > 500
    assert (tmp_path / "speed.pdf").read_bytes().startswith(b"%PDF")
    before = (tmp_path / "speed.md").read_bytes(), (tmp_path / "speed.csv").read_bytes()
    speed.main(["--report", "--out", str(tmp_path)])
    assert before == ((tmp_path / "speed.md").read_bytes(), (tmp_path / "speed.csv").read_bytes())


@pytest.mark.parametrize(("arguments", "message"), [
    (["--models", "glff"], "--models: unknown 'glff'. Known: vae,"),
    (["--on", "mnits"], "--on: unknown 'mnits'. Known: digits, mnist"),
    (["--loops", "eager"], "ours must be among them"),
    (["--rounds", "0"], "--rounds must be at least 1"),
    (["--device", "cpu", "--precision", "bf16"], "--precision bf16 needs a GPU"),
    (["--device", "cpu", "--gpu"], "there is no GPU here"),
    (["--on", "celeba-hq"], "--on celeba-hq: it has no fixed number of images"),
    (["--models", "glf,glf-perceptual"], "glf-perceptual needs vgg16-397923af.pth in torch hub's cache"),
])  # fmt: skip
def test_errors_are_reported_before_anything_is_measured(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("AE_BENCH_DATA", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert speed.main([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_call_for_a_gpu_asks_for_everything():
    options = Namespace(gpu=True, scaling=False, engine="auto", rounds=3, channels_last=False, processes=0)
    found = [*speed_specs.make_specs(options, torch.device("cuda"))]
    tables = {(w.case.model, w.case.dataset, w.case.precision) for w in found if w.purpose == "table"}
    assert {("glf", d, p) for d in ("mnist", "cifar10", "celeba") for p in ("tf32", "fp32")} <= tables
    assert {(m, "mnist", "tf32") for m in TABLE1} <= tables
    assert [w.processes for w in found if w.purpose == "processes"] == [1, 2, 4, 8]
    first = {(w.purpose, w.case.model, w.case.dataset, w.case.precision) for w in found[: len(TABLE1)]}
    assert first == {("table", m, "mnist", "tf32") for m in TABLE1}, "all that Table 1's column is reckoned from"
    celeba = next(w for w in found if w.case.dataset == "celeba")
    assert (celeba.case.steps, celeba.case.images, celeba.case.total) == (234, 234 * 256, 162_770)
    assert {"ours", "eager", "plain", "ceiling"} <= {*celeba.loops}


def test_a_loop_beside_ours_that_fails_is_left_out(tmp_path, monkeypatch, capsys):
    """And asked for no more by who measures again; without ours there is nothing to know."""

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
    assert "left out of glf on digits: plain: no more memory" in capsys.readouterr().err
    (found,) = speed_records.read_speed_records(tmp_path)
    assert {row["loop"] for row in found["rows"]} == {"ours", "eager"}
    assert found["lame"] == ["plain"]
    (spec,) = speed_specs.make_specs(options, torch.device("cpu"))
    assert speed_measurement.is_measured(replace(spec, count=1), tmp_path)
    assert not speed_measurement.is_measured(replace(spec, count=1, loops=["ours", "ceiling"]), tmp_path)
    failed_baselines = "ours"
    assert speed.run_specs(options, torch.device("cpu")) == 1


def test_the_card_that_are_asked_for():
    """Behind CUDA_VISIBLE_DEVICES torch's first GPU may be any."""
    assert speed_measurement.gpu_id(0, "1b2c", "3") == "GPU-1b2c"
    assert speed_measurement.gpu_id(0, "GPU-1b2c", None) == "GPU-1b2c"
    assert speed_measurement.gpu_id(1, None, None) == "1"
    assert speed_measurement.gpu_id(1, None, "3,2") is None


def test_a_model_without_a_protocol_for_a_data_set_is_reported():
    (said,) = speed_specs.find_case_errors("glf-perceptual", "digits", "fp32") or ("",)
    assert "glf-perceptual" in said
    (said,) = speed_specs.find_case_errors("vae-bce", "mnist", "bf16")
    assert "vae-bce cannot be trained at --precision bf16" in said
    assert speed_specs.find_case_errors("vae-bce", "mnist", "tf32") == []


def test_what_has_been_measured_is_known_by_device_settings_loops_and_rounds(tmp_path):
    spec = speed_specs.BenchmarkSpec("table", Case("glf", "digits", 4, 2, tmp_path), ["ours", "plain"], 1, 3)
    assert not speed_measurement.is_measured(spec, tmp_path)
    value = {**record(), **speed_measurement.describe(spec)}
    (tmp_path / speed_measurement.file_name(value)).write_text(json.dumps(value))
    assert speed_measurement.is_measured(spec, tmp_path)
    for other in (replace(spec, count=4), replace(spec, loops=["ours", "eager"]), replace(spec, processes=2),
                  replace(spec, case=replace(spec.case, precision="tf32"))):  # fmt: skip
        assert not speed_measurement.is_measured(other, tmp_path)
    (tmp_path / speed_measurement.file_name(value)).write_text("{")
    assert not speed_measurement.is_measured(spec, tmp_path)


@pytest.mark.slow
def test_a_measurement_that_fails_leaves_the_others_alone(tmp_path, capsys, monkeypatch):
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


# --- measuring


@pytest.fixture
def case(tmp_path):
    """Digits, of which there are enough for four batches of 64."""
    made = Case("glf", "digits", 4, 2, tmp_path)
    images, synthetic = speed_measurement.load_images(made, None)
    assert not synthetic
    assert images.shape == (256, 1, 8, 8)
    torch.save(images, tmp_path / "images.pt")
    baselines.write_png(images, tmp_path / "png")
    return made


@pytest.mark.parametrize("loop", ["ours", "eager", "plain", "pythae"])
def test_every_loop_takes_the_same_steps_and_trains_the_model(loop, case, monkeypatch):
    if loop == "pythae":
        pytest.importorskip("pythae", reason="pythae is not installed")
    built, build = [], Case.build
    monkeypatch.setattr(Case, "build", lambda self: built.append(build(self)) or built[-1])
    started = time.perf_counter()
    laps = [*LOOPS[loop](case)]
    uninterrupted = time.perf_counter() - started
    assert [(lap.stage, lap.steps) for lap in laps] == [("train", 4), ("train", 4)]
    assert all(lap.seconds > 0 for lap in laps)
    assert sum(lap.seconds for lap in laps) < uninterrupted
    new = build(case)
    moved = [not torch.equal(a, b) for a, b in zip(new.parameters(), built[0].parameters(), strict=True)]
    assert all(moved)
    assert built[0].encoder[3].num_batches_tracked == 8 + (loop == "pythae")  # pythae tries a batch before


@pytest.mark.parametrize("loop", ["eager", "plain", "pythae"])
def test_loops_beside_ours_train_at_its_precision(loop, case, monkeypatch):
    """Autocast, which a CPU bears too."""
    if loop == "pythae":
        pytest.importorskip("pythae", reason="pythae is not installed")
    seen, build = set(), Case.build

    def watched(self):
        model = build(self)
        model.decoder.register_forward_hook(lambda module, inputs, out: seen.add(("images", out.dtype)))
        return model

    def messages(self, z):
        found = log_prob(self, z)
        seen.add(("density", found.dtype))
        return found

    monkeypatch.setattr(Case, "build", watched)
    log_prob = zoo.flows.Flow.log_prob
    monkeypatch.setattr(zoo.flows.Flow, "log_prob", messages)
    next(LOOPS[loop](replace(case, precision="bf16", laps=1)))
    assert seen == {("images", torch.bfloat16), ("density", torch.float32)}


@pytest.mark.parametrize("model", ["wae-gan", "two-stage-vae"])
def test_loops_go_through_all_stages(model, case):
    case = replace(case, model=model, laps=1)
    torch.save(speed_measurement.load_images(case, None)[0], case.folder / "images.pt")
    (case.folder / "png").rename(case.folder / "old")
    baselines.write_png(case.load(), case.folder / "png")
    found = {loop: [(lap.stage, lap.steps) for lap in LOOPS[loop](case)] for loop in ("ours", "eager", "plain")}
    assert found["ours"] == found["eager"] == found["plain"]
    assert [stage for stage, _ in found["ours"]] == [*case.schedules()]
    assert not baselines.can_train_with_pythae(case)


def test_the_images_of_the_plain_loop_are_those_of_the_others(case):
    names = sorted((case.folder / "png" / "all").iterdir())
    assert len(names) == 256
    assert np.array_equal(np.asarray(Image.open(names[7])), case.load()[7, 0].numpy())


def test_images_that_are_missing_are_random_ones_of_the_shape(tmp_path):
    images, synthetic = speed_measurement.load_images(Case("glf", "celeba", 1, 1, tmp_path), tmp_path)
    assert synthetic
    assert images.shape == (256, 3, 64, 64)
    images, synthetic = speed_measurement.load_images(Case("glf", "mnist", 1, 1, tmp_path, shape=(1, 32, 32)), tmp_path)
    assert synthetic
    assert images.shape == (256, 1, 32, 32)


def test_the_ceiling_counts_a_multiply_add_twice():
    lap = next(islice(LOOPS["ceiling"](Case("glf", "digits", 1, 1, Path())), 1))
    assert lap.steps == round(6 * 2 * 2048**3 / 1e9)


@pytest.mark.slow
def test_processes_of_a_loop_run_together_and_loops_take_turns(case):
    cases = {"ours": replace(case, laps=3), "eager": replace(case, laps=3)}
    messages = []
    rows = [*paired.rounds(cases, 2, 2, 1, messages.append)]
    assert [(r["round"], r["loop"]) for r in rows] == [(0, "ours"), (0, "eager"), (1, "ours"), (1, "eager")]
    assert all(len(r["seconds"]) == len(r["cpu"]) == len(r["memory"]) == 2 for r in rows)
    assert all(r["steps"] == 4 and r["stage"] == "train" and min(r["memory"]) > 1e7 for r in rows)
    assert len(messages) == 4
    (case.folder / "images.pt").unlink()
    with pytest.raises(RuntimeError, match=r"ours: .*\n(.*\n)*FileNotFoundError"):
        list(paired.rounds({"ours": cases["ours"]}, 1, 1, 0, messages.append))


def test_every_model_has_a_case():
    for model in zoo.MODELS:
        assert Case(model, "mnist", 3, 1, Path()).images >= 300


def test_images_that_are_made_up_are_smooth_and_always_the_same():
    """White noise makes a flow overflow, and a measurement end."""
    images = speed_measurement.smooth_random_images(5000, (3, 8, 8))
    assert (images.shape, images.dtype) == ((5000, 3, 8, 8), torch.uint8)
    assert torch.equal(images[:10], speed_measurement.smooth_random_images(10, (3, 8, 8)))
    values = images.float()
    assert len(images.flatten(1).unique(dim=0)) == 5000
    assert values.diff(dim=-1).abs().mean() < values.std() < 90
