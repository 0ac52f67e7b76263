"""Plans of commands with listed seeds and with changed settings."""

import re
from dataclasses import replace

import pytest
from external_models import MODEL

from benchmarks.execution.options import LIMITS, Options, UserErrors
from benchmarks.execution.planning import make_plan
from slurm.turns import MAX_LIGHT


def plan_of(tmp_path, **options):
    values = {"preset": "demo", "only": "glf", "on": "digits", "results": str(tmp_path), "device": "cpu"} | options
    return make_plan(Options(**values), ["auto", "slurm"])


def errors_of(tmp_path, **options):
    with pytest.raises(UserErrors) as caught:
        plan_of(tmp_path, **options)
    return caught.value.errors


def test_listed_seeds_are_those_of_the_runs(tmp_path):
    counted, listed = plan_of(tmp_path, seeds="4"), plan_of(tmp_path, seeds="3,1")
    assert [job.trial.seed for job in listed.jobs] == [3, 1]
    keys = [job.trial.key for job in counted.jobs]
    assert listed.grid().keys == {("glf", "digits"): (keys[3], keys[1])}
    assert (counted.grid().seeds, listed.grid().seeds) == ((0, 1, 2, 3), (3, 1))


def test_a_grid_says_which_settings_were_changed(tmp_path):
    grid = plan_of(tmp_path, set="beta=4").grid()
    plain = plan_of(tmp_path).grid()
    assert grid.models == {"glf[beta=4]": "GLF [beta=4]"}
    assert grid.own_settings == {
        ("glf[beta=4]", "digits"): f"{plain.own_settings['glf', 'digits']}; changed by --set: beta=4"
    }
    assert not {*grid.keys["glf[beta=4]", "digits"]} & {*plain.keys["glf", "digits"]}


def test_settings_that_change_nothing_make_the_plain_plan(tmp_path):
    assert plan_of(tmp_path, set="beta=11,lr=1e-3,batch=64").jobs == plan_of(tmp_path).jobs


def test_set_recon_means_the_option_recon(tmp_path):
    assert plan_of(tmp_path, set="recon=bce").jobs == plan_of(tmp_path, recon="bce").jobs
    (error,) = errors_of(tmp_path, set="recon=bce", recon="sse")
    assert error == "--recon sse and --set recon=bce set the same thing; give one of them"


def test_an_unknown_setting_of_some_models_names_those_that_have_it(tmp_path):
    errors = errors_of(tmp_path, only=None, set="beta=4")
    assert [error.split(" has no setting 'beta'")[0] for error in errors] == ["wae-gan", "two-stage-vae", "rae-gmm"]
    assert all(error.endswith("Name the models that have these settings: --only vae,glf") for error in errors)


@pytest.mark.parametrize(("changes", "error"), [
    ("beta=-1", r"glf does not accept the settings of --set: beta must be positive, got -1.0"),
    ("blocks=0", r"glf does not accept the settings of --set: blocks must be positive, got 0"),
    ("batch=5000", r"glf on digits: stage 'train' has batches of 5000 but there are 1297 training images"),
    ("recon=bec", r"unknown reconstruction loss 'bec'"),
    ("lr", r"--set takes NAME=VALUE, got 'lr'"),
])  # fmt: skip
def test_settings_are_checked_before_anything_starts(tmp_path, changes, error):
    found = errors_of(tmp_path, set=changes)
    assert len(found) == 1
    assert re.match(error, found[0])


def test_errors_of_settings_are_reported_with_all_others(tmp_path):
    errors = errors_of(tmp_path, set="betta=4,lr=0", seeds="3,3", metrics="fdd")
    for text in ("'betta' (did you mean 'beta'?)", "lr of glf must be", "lists seed 3", "'fdd'"):
        assert any(text in error for error in errors), text


def test_a_data_set_whose_data_is_missing_is_outlined_with_the_changed_settings(tmp_path):
    (tmp_path / "data").mkdir()
    words = {"data_root": str(tmp_path / "data"), "results": str(tmp_path), "device": "cpu"}
    options = Options("demo", only="glf", on="mnist", set="epochs=3", seeds="5,", **words)
    (outline,) = make_plan(options, ["auto"], dry_run=True).outlines
    (trial,) = outline.trials
    assert (trial.name, trial.seed, trial.protocol.stages["train"].epochs) == ("glf[epochs=3]", 5, 3)


def test_a_class_of_ones_own_has_settings_too(tmp_path, monkeypatch):
    (tmp_path / "models_to_change.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    name = "models_to_change:Own"
    (trial,) = [job.trial for job in plan_of(tmp_path, only=name, set="weight=3,lr=2e-3", seeds="1").jobs]
    assert (trial.name, trial.label) == (f"{name}[weight=3,lr=0.002]", "Plain & simple [weight=3,lr=0.002]")
    assert trial.build().weight == 3.0
    (error,) = errors_of(tmp_path, only=name, set="wieght=3")
    assert error.startswith(f"{name} has no setting 'wieght' (did you mean 'weight'?). Known: recon, weight, lr, ")
    (error,) = errors_of(tmp_path, only="models_to_change:OddRows", set="weight=3")
    assert "must be a dict from data set to benchmarks.protocols.Protocol" in error


def test_options_for_gpus_are_refused_on_a_cpu(tmp_path):
    errors = errors_of(tmp_path, runs_per_gpu="4", nondeterministic=True)
    assert errors == [
        "--runs-per-gpu needs a GPU; on a CPU, --workers sets how many runs are trained at once",
        "--nondeterministic needs a GPU: on a CPU, the same seed always gives the same bits",
    ]
    errors = errors_of(tmp_path, runs_per_gpu="0")
    assert "--runs-per-gpu must be a positive integer, at most 24, got '0'" in errors


def test_each_run_of_a_process_has_a_cuda_stream_of_its_own():
    """Torch has 32 per device. Two others are for portions of data and for captures."""
    most = LIMITS["--runs-per-gpu"] + MAX_LIGHT + 1  # with those that are only scored
    assert most + 2 <= 32


@pytest.mark.parametrize(("given", "expected"), [(None, 8), ("3", 3), ("1", 1)])
def test_jobs_on_a_gpu_share_it_and_jobs_on_a_cpu_run_alone(tmp_path, given, expected):
    """A SLURM job has a GPU, also if this machine has none."""
    plan = plan_of(tmp_path, cluster="slurm", device="auto", runs_per_gpu=given, nondeterministic=True)
    on_gpu, on_cpu = (replace(plan.jobs[0], device=device) for device in ("cuda", "cpu"))
    assert (plan.runs_at_once(on_gpu), plan.runs_at_once(on_cpu)) == (expected, 1)
    assert all(job.nondeterministic for job in plan.jobs)
