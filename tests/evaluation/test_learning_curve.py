"""The learning curve: it does not change the run, has a point at each due epoch, and is kept."""

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from benchmarks.data.datasets import load
from benchmarks.environment import SAVE_VARIABLE
from benchmarks.evaluation.extractors import make_extractor
from benchmarks.evaluation.learning_curve import LearningCurve, comparable_epochs
from benchmarks.evaluation.scoring import Scorer
from benchmarks.execution.options import Options
from benchmarks.execution.planning import make_plan
from benchmarks.experiments import records
from benchmarks.experiments.checkpoint import load_model_if_valid
from benchmarks.experiments.job import Job
from benchmarks.experiments.run_trial import run_trial
from benchmarks.experiments.trial import Trial
from benchmarks.training import loop

DIGITS = load("digits", None)


def job(folder, model="glf", epochs=3, eval_every=0, lr=None):
    made = Trial.for_cell(model, DIGITS, "demo", 0)
    stages = {n: replace(s, epochs=epochs, steps=None, lr=lr or s.lr) for n, s in made.protocol.stages.items()}
    made = replace(made, protocol=replace(made.protocol, stages=stages))
    return Job(made, "digits", None, folder, "cpu", "classifier", 1, images=200, eval_every=eval_every)


def weights(folder, record):
    return load_model_if_valid(folder / "runs" / record["key"] / "weights.pt").state_dict()


def points(record):
    return [(row["stage"], row["epoch"], row["fd_classifier"]) for row in record["epochs"] if "fd_classifier" in row]


@pytest.mark.parametrize("model", ["glf", "wae-gan", "rae-gmm"])
def test_a_learning_curve_does_not_change_the_run(tmp_path, model):
    plain = run_trial(job(tmp_path / "a", model))
    curved = run_trial(job(tmp_path / "b", model, eval_every=1))
    assert curved["key"] == plain["key"]
    assert comparable_epochs(curved) == comparable_epochs(plain)
    a, b = weights(tmp_path / "a", plain), weights(tmp_path / "b", curved)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert [e["values"] for e in curved["evaluations"]] == [e["values"] for e in plain["evaluations"]]
    assert not points(plain)
    assert "learning_curve" not in plain


def test_points_are_where_they_are_due_and_in_the_frame(tmp_path):
    """Every second epoch, and the last of each stage; none before there is a density to sample from."""
    record = run_trial(job(tmp_path, "two-stage-vae", epochs=3, eval_every=2))
    assert [(stage, epoch, value is None) for stage, epoch, value in points(record)] == [
        ("first", 1, True), ("first", 2, True), ("second", 1, False), ("second", 2, False)]  # fmt: skip
    record = run_trial(job(tmp_path, "glf", epochs=3, eval_every=2))
    assert [at for *at, _ in points(record)] == [["train", 1], ["train", 2]]
    assert all(value > 0 for *_, value in points(record))
    _, epochs = records.read(tmp_path)
    own = epochs[epochs["key"] == record["key"]]
    for column in ("fd_classifier", "nll_train", "nll_test"):
        assert [*own[column].isna()] == [True, False, False]
    assert set(own["protocol_id"]) == {record["learning_curve"]["protocol_id"]}


@pytest.mark.parametrize("model", ["glf", "rae-gmm", "vae-flow-prior", "vae"])
def test_the_last_nll_of_test_latents_is_that_of_the_finished_model(tmp_path, model):
    """The same images, the same draws from q(z|x) and, for a density fitted after training, the same density."""
    record = run_trial(job(tmp_path, model, epochs=2, eval_every=1))
    assert record["epochs"][-1]["nll_test"] == record["diagnostics"]["latent_nll"]
    assert record["epochs"][0]["nll_test"] != record["epochs"][1]["nll_test"]


def test_a_density_fitted_after_training_has_a_point_in_every_epoch(tmp_path):
    """It is fitted to a copy. The NLL of training latents under a mixture fitted to them is close to their entropy's
    estimate, so it is finite and below that of one Gaussian with their moments."""
    record = run_trial(job(tmp_path, "rae-gmm", epochs=3, eval_every=1))
    assert all(value > 0 for *_, value in points(record))
    model = load_model_if_valid(tmp_path / "runs" / record["key"] / "weights.pt")
    z = model.encode(DIGITS.train.canonical().images).double()
    gaussian = torch.distributions.MultivariateNormal(z.mean(0), z.T.cov())
    assert record["epochs"][-1]["nll_train"] < -gaussian.log_prob(z).mean().item()


def test_latents_that_are_not_finite_have_no_point(tmp_path):
    scored = job(tmp_path, "rae-gmm", eval_every=1)
    model = scored.trial.build()
    with torch.no_grad():
        next(model.encoder.parameters()).fill_(math.nan)
    extractor = make_extractor("classifier", DIGITS.row, DIGITS.spec.shape, torch.device("cpu"))
    curve = scored.learning_curve(Scorer(DIGITS, extractor, 200))
    state = torch.get_rng_state()
    assert curve.score_epoch(model, DIGITS.train.canonical(), 0) == {"fd_classifier": None}
    assert torch.equal(torch.get_rng_state(), state)
    assert not model.mixture.fitted


def test_a_model_without_a_density_in_closed_form_has_no_nll(tmp_path):
    record = run_trial(job(tmp_path, "two-stage-vae", epochs=2, eval_every=1))
    assert not any("nll_test" in row for row in record["epochs"])


def test_a_run_without_a_curve_is_repeated_only_if_the_curve_is_requested(tmp_path):
    plain = run_trial(job(tmp_path))
    assert run_trial(job(tmp_path)) == plain
    curved = run_trial(job(tmp_path, eval_every=1))
    assert len(points(curved)) == 3
    assert comparable_epochs(curved) == comparable_epochs(plain)
    assert curved["evaluations"] == plain["evaluations"]  # kept, not measured again
    for again in (0, 1, 2, 3):  # a curve with more points satisfies a request for fewer
        assert run_trial(job(tmp_path, eval_every=again)) == curved


def test_a_plan_knows_which_runs_lack_their_learning_curve(tmp_path):
    options = Options(preset="demo", only="glf", seeds="1", results=str(tmp_path), images="200", eval_every="5")
    found = make_plan(options, ["auto"])
    assert [one.eval_every for one in found.jobs] == [5]
    run_trial(job(tmp_path))
    assert not replace(found, jobs=(job(tmp_path),)).pending()
    assert replace(found, jobs=(job(tmp_path, eval_every=1),)).pending() == [job(tmp_path, eval_every=1)]


def test_a_run_without_weights_keeps_its_learning_curve(tmp_path):
    curved = run_trial(job(tmp_path, eval_every=1))
    (tmp_path / "runs" / curved["key"] / "weights.pt").unlink()
    again = run_trial(replace(job(tmp_path), draws=2))
    assert len([e for e in again["evaluations"] if e["source"] == "prior"]) == 2
    assert points(again) == points(curved)
    assert [row["nll_test"] for row in again["epochs"]] == [row["nll_test"] for row in curved["epochs"]]
    assert again["learning_curve"] == curved["learning_curve"]


def test_a_diverged_run_keeps_its_points_and_is_not_repeated(tmp_path):
    record = run_trial(job(tmp_path, epochs=3, eval_every=1, lr=1e18))
    assert record["status"] == "diverged"
    assert len(points(record)) == len(record["epochs"]) - 1
    assert run_trial(job(tmp_path, epochs=3, eval_every=1, lr=1e18)) == record
    assert all(value is None or math.isfinite(value) for *_, value in points(record))


CUT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_learning_curve
from benchmarks.experiments import run_trial
run_trial.run_trial(test_learning_curve.job(Path({folder!r}), epochs=8, eval_every=1))
"""


@pytest.mark.slow
def test_a_killed_run_is_resumed_with_its_learning_curve(tmp_path):
    uninterrupted = run_trial(job(tmp_path / "whole", epochs=8, eval_every=1))
    folder = tmp_path / "cut"
    script = CUT.format(tests=str(Path(__file__).parent), folder=str(folder))
    process = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, SAVE_VARIABLE: "0"})
    state = folder / "runs" / uninterrupted["key"] / "state.pt"
    until = time.monotonic() + 60
    while not state.exists() and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert records.find(folder, uninterrupted["key"]) is None, "it had come to its end"
    resumed = run_trial(job(folder, epochs=8, eval_every=1))
    assert resumed["provenance"]["resumed"] == 1
    assert points(resumed) == points(uninterrupted)
    assert comparable_epochs(resumed) == comparable_epochs(uninterrupted)


@pytest.mark.slow
def test_a_state_without_points_is_not_resumed_if_the_curve_is_requested(tmp_path):
    """A run interrupted before its curve was requested starts again: the weights of its first epochs are gone."""
    folder = tmp_path / "cut"
    script = CUT.format(tests=str(Path(__file__).parent), folder=str(folder))
    process = subprocess.Popen([sys.executable, "-c", script.replace("eval_every=1", "eval_every=0")])
    key = job(folder, epochs=8).trial.key
    until = time.monotonic() + 60
    while not (folder / "runs" / key / "state.pt").exists() and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    record = run_trial(job(folder, epochs=8, eval_every=1))
    assert record["provenance"]["resumed"] == 0
    assert len(points(record)) == 8


def test_seconds_do_not_include_the_learning_curve(tmp_path, monkeypatch):
    """A measurement takes 1,000 s by the loop's clock, which no epoch's seconds include."""
    waited = [0.0]
    point = LearningCurve.score_epoch_in_turns

    def slow(*arguments):
        waited[0] += 1000
        return (yield from point(*arguments))

    monkeypatch.setattr(LearningCurve, "score_epoch_in_turns", slow)
    monkeypatch.setattr(loop, "synchronized_time", lambda device: time.perf_counter() + waited[0])
    record = run_trial(job(tmp_path, epochs=2, eval_every=1))
    assert waited == [2000]
    assert pd.DataFrame(record["epochs"])["seconds"].max() < 500
