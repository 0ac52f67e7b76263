"""Baseline loops take the same steps of the same model as ours."""

import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from benchmarks.perf import baselines, paired, speed_measurement
from benchmarks.perf.baselines import LOOPS, Case


def test_counted_flops_equal_a_hand_count():
    """GLF at 28x28, nz 20, k 64: 78.20 M multiply-adds of the auto-encoder and 0.14 M of the flow per image."""
    case = Case("glf", "mnist", 1, 1, Path())
    assert baselines.flops(case)["train"] == pytest.approx(2 * 256 * (78.20e6 + 0.1437e6), rel=1e-3)
    first, second = baselines.flops(replace(case, model="two-stage-vae")).values()
    assert 5 < first / second < 8


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
    assert built[0].encoder[3].num_batches_tracked == 8 + (loop == "pythae")  # pythae first tries one batch


@pytest.mark.parametrize("loop", ["eager", "plain", "pythae"])
def test_baselines_train_at_the_requested_precision(loop, case, monkeypatch):
    """Autocast to bf16 also works on a CPU."""
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
def test_loops_take_the_same_steps_in_all_stages(model, case):
    case = replace(case, model=model, laps=1)
    torch.save(speed_measurement.load_images(case, None)[0], case.folder / "images.pt")
    (case.folder / "png").rename(case.folder / "old")
    baselines.write_png(case.load(), case.folder / "png")
    found = {loop: [(lap.stage, lap.steps) for lap in LOOPS[loop](case)] for loop in ("ours", "eager", "plain")}
    assert found["ours"] == found["eager"] == found["plain"]
    assert [stage for stage, _ in found["ours"]] == [*case.schedules()]
    assert not baselines.can_train_with_pythae(case)


def test_the_plain_loop_reads_the_same_images_as_the_others(case):
    names = sorted((case.folder / "png" / "all").iterdir())
    assert len(names) == 256
    assert np.array_equal(np.asarray(Image.open(names[7])), case.load()[7, 0].numpy())


def test_the_ceiling_counts_a_multiply_add_twice():
    lap = next(islice(LOOPS["ceiling"](Case("glf", "digits", 1, 1, Path())), 1))
    assert lap.steps == round(6 * 2 * 2048**3 / 1e9)


@pytest.mark.slow
def test_processes_of_a_loop_run_together_and_loops_alternate(case):
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


def test_every_model_can_be_measured():
    for model in zoo.MODELS:
        assert Case(model, "mnist", 3, 1, Path()).images >= 300
