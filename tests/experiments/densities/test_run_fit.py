"""A fit: its record, its reproducibility, and that no work is lost or repeated."""

import os
import shutil
import signal
import threading
import time

import msgspec
import pytest
import torch
from trials import job, trial

from benchmarks.experiments.densities.job import OWN, FitJob, find_encoder_error, find_fit_errors, resolve_hyper
from benchmarks.experiments.densities.latents import latents_of
from benchmarks.experiments.densities.records import read_densities, read_record
from benchmarks.experiments.densities.run_fit import run_fit
from benchmarks.experiments.run_trial import run_trial
from benchmarks.files.density import DensityRecord
from zoo.densities.registry import parse_density


def fit_of(folder, name, draws=1, model="rae-gmm", **hyper):
    made = job(folder, trial(model), draws=draws)
    spec = OWN if name == "own" else parse_density(name)
    return FitJob(made, spec, {**resolve_hyper(spec, made), **hyper}, held_out=500)


def numbers(record):
    return record["values"], [e["values"] for e in record["evaluations"]], record["chosen"], record["status"]


def test_a_record_holds_what_was_measured_and_is_valid(done):
    folder, run = done
    fit = fit_of(folder, "gmm:5")
    record = run_fit(fit)
    msgspec.convert(record, DensityRecord)
    assert read_record(fit.record_file) == record
    assert (record["autoencoder"], record["density"], record["status"]) == (run["key"], "gmm:5", "done")
    assert {*record["values"]} == {"train_nll", "held_out_nll", "far_share"}
    assert record["n_parameters"] == 4 + 5 * 8 + 5 * 36
    row = read_densities(folder).iloc[0]
    assert row["distance"] == record["evaluations"][0]["values"]["fd_classifier"] > 0
    assert row["held_out_nll"] == record["values"]["held_out_nll"]


def test_rae_s_own_mixture_equals_a_mixture_that_is_fitted_to_its_latents(done):
    """RAE + GMM's density is a mixture of 10 Gaussians, so its likelihood is that of gmm:10, up to the start of EM."""
    folder, _ = done
    own, fitted = run_fit(fit_of(folder, "own")), run_fit(fit_of(folder, "gmm:10"))
    assert own["values"]["train_nll"] == pytest.approx(fitted["values"]["train_nll"], abs=0.7)
    assert own["fit_seconds"] == 0
    assert own["n_parameters"] is None


def test_a_finished_fit_is_not_repeated(done):
    folder, _ = done
    fit = fit_of(folder, "gmm:3")
    record = run_fit(fit)
    before = fit.record_file.stat().st_mtime_ns
    assert run_fit(fit) == record
    assert fit.record_file.stat().st_mtime_ns == before


def test_more_sample_sets_need_no_new_fit(done):
    folder, _ = done
    one = run_fit(fit_of(folder, "gmm:3"))
    three = run_fit(fit_of(folder, "gmm:3", draws=3))
    assert [e["draw"] for e in three["evaluations"]] == [0, 1, 2]
    assert three["evaluations"][0] == one["evaluations"][0]
    assert three["fit_seconds"] == one["fit_seconds"]
    assert len({e["values"]["fd_classifier"] for e in three["evaluations"]}) == 3


def test_a_fit_in_another_folder_gives_the_same_numbers(done, tmp_path):
    folder, _ = done
    shutil.copytree(folder, tmp_path / "copy")
    torch.rand(3)
    records = [run_fit(fit_of(where, "flow:epochs=2")) for where in (folder, tmp_path / "copy")]
    assert numbers(records[0]) == numbers(records[1])
    assert records[0]["key"] == records[1]["key"]


@pytest.mark.kill
def test_an_interrupted_fit_is_resumed_with_the_same_numbers(done, tmp_path, monkeypatch):
    """A signal arrives after some epochs. The state is saved, and the second attempt gives an uninterrupted record."""
    monkeypatch.setenv("AE_BENCH_SAVE_SECONDS", "0")
    folder, _ = done
    shutil.copytree(folder, tmp_path / "copy")
    whole = run_fit(fit_of(tmp_path / "copy", "flow:epochs=12"))
    fit = fit_of(folder, "flow:epochs=12")
    state = fit.folder / "state.pt"

    def interrupt(number, frame):
        raise KeyboardInterrupt

    def send():
        while not state.is_file():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGUSR1)

    earlier = signal.signal(signal.SIGUSR1, interrupt)
    thread = threading.Thread(target=send)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run_fit(fit)
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, earlier)
    assert not fit.record_file.exists()
    assert 1 <= torch.load(state, weights_only=True)["fit"]["progress"]["epoch"] < 12
    assert numbers(run_fit(fit)) == numbers(whole)
    assert not state.exists()


@pytest.mark.kill
def test_a_fit_without_checkpoints_is_saved_before_a_signal_ends_the_process(done):
    """The signal arrives in the fit of a mixture, which has no state to save. Its result is then not fitted again."""
    folder, _ = done
    fit = fit_of(folder, "gmm:80")

    def interrupt(number, frame):
        raise KeyboardInterrupt

    def send():
        while signal.getsignal(signal.SIGUSR1) is interrupt:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGUSR1)

    earlier = signal.signal(signal.SIGUSR1, interrupt)
    thread = threading.Thread(target=send)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run_fit(fit)
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, earlier)
    assert not fit.record_file.exists()
    seconds = torch.load(fit.folder / "density.pt", weights_only=True)["seconds"]
    assert run_fit(fit)["fit_seconds"] == seconds


def test_a_broken_state_is_ignored(done, tmp_path):
    folder, _ = done
    shutil.copytree(folder, tmp_path / "copy")
    fit = fit_of(folder, "flow:epochs=2")
    fit.folder.mkdir(parents=True)
    (fit.folder / "state.pt").write_bytes(b"PK no state")
    assert numbers(run_fit(fit)) == numbers(run_fit(fit_of(tmp_path / "copy", "flow:epochs=2")))


def test_an_invalid_record_counts_as_absent_and_is_named(done):
    folder, _ = done
    fit = fit_of(folder, "gmm:3")
    record = run_fit(fit)
    fit.record_file.write_text('{"schema": 1, "key": 4}', encoding="utf-8")
    with pytest.warns(UserWarning, match="not a valid density record"):
        assert read_record(fit.record_file) is None
    with pytest.warns(UserWarning, match="not a valid density record"):
        assert numbers(run_fit(fit)) == numbers(record)


def test_latents_that_have_no_density_are_a_failed_record_with_the_reason(done):
    """The encoder's weights for one dimension are zero, so this dimension is constant."""
    folder, run = done
    weights = folder / "runs" / run["key"] / "weights.pt"
    content = torch.load(weights, weights_only=True)
    last = [name for name in content["state"] if name.startswith("encoder.") and name.endswith(".weight")][-1]
    content["state"][last][3] = 0
    torch.save(content, weights)
    record = run_fit(fit_of(folder, "gmm:3"))
    assert record["status"] == "failed"
    assert record["error"]["message"].endswith("the latents are constant in dimension 3: they have no density there")
    assert read_densities(folder)["status"].tolist() == ["failed"]


def test_a_run_without_weights_is_a_failed_record(tmp_path):
    record = run_fit(fit_of(tmp_path, "gmm:3"))
    assert record["status"] == "failed"
    assert "no weights that can be read" in record["error"]["message"]
    assert str(tmp_path) not in str(record)


def test_the_latents_of_a_gaussian_encoder_are_draws(tmp_path):
    """The means of q(z|x) are less spread out than the draws that the decoder was trained on."""
    made = job(tmp_path, trial("vae"))
    run_trial(made)
    latents = latents_of(made.run_folder / "weights.pt", 0, "digits", None, 256, 0, "cpu")
    images = latents.model.encode(latents_images := _train_images())
    assert latents.train.shape == images.shape == (256, 8)
    assert latents.train.std() > images.std()
    assert len(latents_images) == 256


def _train_images():
    from trials import DIGITS

    return DIGITS.train.canonical(256).images


def test_trained_densities_have_the_schedule_of_the_data_set(tmp_path):
    made = job(tmp_path, trial(images=1297))
    hyper = resolve_hyper(parse_density("flow"), made)
    assert (hyper["batch"], hyper["lr"], hyper["k"], hyper["weight_decay"]) == (64, 1e-3, 64, 2e-5)
    assert hyper["epochs"] == 500 // (1297 // 64)  # preset demo
    assert resolve_hyper(parse_density("maf"), made)["weight_decay"] == 0
    assert resolve_hyper(parse_density("gmm:4"), made) == {"components": 4, "covariance": "full"}


def test_too_few_images_for_a_density_are_found_before_the_run_is_trained(tmp_path):
    assert find_fit_errors(fit_of(tmp_path, "gmm:256")) == []
    (error,) = find_fit_errors(fit_of(tmp_path, "gmm:257"))
    assert error == "density gmm:257 needs at least 257 latents, but digits has 256 training images at preset demo"


def test_a_model_without_an_encoder_is_found_before_it_is_trained(tmp_path):
    assert find_encoder_error(job(tmp_path, trial("glf"))) is None
    assert "glann-mse has no encoder" in find_encoder_error(job(tmp_path, trial("glann-mse")))
