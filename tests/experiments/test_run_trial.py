"""A trial: its key, its record, and that nothing of it is lost or done twice."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from shared import make_once
from trials import DIGITS, job, numbers, trial

from benchmarks.data.datasets import ImageFolder, load
from benchmarks.evaluation.sources import CRITERIA_SOURCES, stream_seed
from benchmarks.execution.options import Options
from benchmarks.execution.planning import make_plan
from benchmarks.experiments import records
from benchmarks.experiments.checkpoint import load_model_if_valid, read_state
from benchmarks.experiments.new_record import record_failure
from benchmarks.experiments.run_trial import run_trial
from benchmarks.experiments.trial import Trial
from benchmarks.training.loop import STATE_KEYS

ROOT = Path(__file__).resolve().parents[2]
SUPPORT = str(ROOT / "tests" / "support")


def lr(made, value):
    """The same trial with another learning rate in all stages."""
    stages = {name: replace(s, lr=value) for name, s in made.protocol.stages.items()}
    return replace(made, protocol=replace(made.protocol, stages=stages))


@pytest.fixture
def done(shared_folder, tmp_path_factory):
    """A results folder with one finished run, and its record; a copy for each test."""
    source = make_once(shared_folder / "finished-trial", lambda folder: run_trial(job(folder, trial())))
    folder = shutil.copytree(source, tmp_path_factory.mktemp("finished") / "results")
    return folder, records.find(folder, trial().key)


def test_a_record_says_where_its_numbers_come_from(done):
    folder, record = done
    assert record["status"] == "done"
    assert record == records.find(folder, record["key"])
    assert (record["model"], record["dataset"], record["preset"], record["seed"]) == ("rae-gmm", "digits", "demo", 0)
    assert record["data"]["train_fingerprint"] == DIGITS.train.fingerprint
    assert record["settings"]["hyper"]["gamma"] == pytest.approx(0.5 / 11)
    where = record["provenance"]
    assert where["device"].startswith("cpu: ")
    assert where["device"].endswith(f", {torch.backends.cpu.get_cpu_capability()}")  # two kinds have two names
    assert where["threads"] == 1
    assert where["torch"] == torch.__version__
    assert {"commit", "dirty", "python", "scikit-learn", "started", "finished"} <= set(where)
    assert [e["source"] for e in record["evaluations"]] == ["prior", *CRITERIA_SOURCES]
    evaluation = record["evaluations"][0]
    assert evaluation["values"]["fd_classifier"] > 0
    assert evaluation["protocol"]["n_fake"] == 500
    assert evaluation["protocol"]["n_real"] == 500
    assert evaluation["protocol"]["extractor"] == "classifier:digits"
    assert [row["epoch"] for row in record["epochs"]] == [0, 1]
    assert {*record["diagnostics"]} == {*records.DIAGNOSTICS}
    assert record["diagnostics"]["recon_sse"] > 0


def test_a_record_names_neither_host_nor_path(done, tmp_path):
    folder, record = done
    text = json.dumps(record)
    secrets = (folder, tmp_path.parent, Path.home(), Path(__file__).parent, socket.gethostname())
    assert not [secret for secret in map(str, secrets) if len(secret) > 3 and secret in text]


def test_the_same_trial_is_not_run_twice(done):
    folder, record = done
    files = [folder / "records" / f"{record['key']}.json", folder / "runs" / record["key"] / "weights.pt"]
    before = [(f.stat().st_mtime_ns, f.read_bytes()) for f in files]
    assert run_trial(job(folder, trial())) == record
    assert before == [(f.stat().st_mtime_ns, f.read_bytes()) for f in files]


def test_more_sample_sets_need_no_training(done):
    folder, record = done
    weights = folder / "runs" / record["key"] / "weights.pt"
    before = weights.stat().st_mtime_ns
    more = run_trial(job(folder, trial(), draws=3))
    samples = [e for e in more["evaluations"] if e["source"] == "prior"]
    assert [e["draw"] for e in samples] == [0, 1, 2]
    assert more["evaluations"][: len(record["evaluations"])] == record["evaluations"]
    assert len({e["values"]["fd_classifier"] for e in samples}) == 3
    assert weights.stat().st_mtime_ns == before
    other = run_trial(job(folder, trial(), features="pixels"))  # another extractor needs none either
    assert len(other["evaluations"]) == len(more["evaluations"]) + 1 + len(CRITERIA_SOURCES)
    assert other["epochs"] == record["epochs"]
    assert weights.stat().st_mtime_ns == before


def test_a_trial_gives_the_same_numbers_anywhere(done, tmp_path):
    _, record = done
    torch.randn(5)
    assert numbers(run_trial(job(tmp_path, trial()))) == (numbers(record)[0], *numbers(record)[1:])


def test_lost_weights_are_trained_again(tmp_path):
    one = run_trial(job(tmp_path, trial(epochs=1)))
    (tmp_path / "runs" / one["key"] / "weights.pt").unlink()
    two = run_trial(job(tmp_path, trial(epochs=1), draws=2))
    assert numbers(two)[0] == numbers(one)[0]
    assert two["evaluations"][0]["values"] == one["evaluations"][0]["values"]


def test_the_key_is_of_all_that_decides_the_numbers():
    base = trial()
    slower = lr(base, 1e-4)
    other = replace(base, protocol=replace(base.protocol, hyper={**base.protocol.hyper, "gamma": 7.0}))
    different = [
        slower,
        other,
        replace(base, seed=1),
        replace(base, images=500),
        replace(base, precision="tf32"),
        replace(base, revision=2),
        replace(base, train_fingerprint="0" * 64),
        replace(base, nz=10),
    ]
    assert len({base.key, *(t.key for t in different)}) == len(different) + 1


def test_the_key_is_not_of_names():
    assert trial().key == trial(preset="quick", dataset="mine", protocol_row="mnist").key


def test_the_order_of_files_changes_nothing(tmp_path, monkeypatch):
    """The same images under the same names in reverse: another folder, the same record."""
    monkeypatch.setenv("AE_BENCH_CACHE", str(tmp_path / "cache"))
    parts = {"train": DIGITS.train.images[:192], "test": DIGITS.test.images[:64]}
    found = []
    for name, step in (("forth", 1), ("back", -1)):
        for half, images in parts.items():
            (tmp_path / name / half).mkdir(parents=True)
            for number, image in enumerate(images.numpy()[::step]):
                Image.fromarray(image[0]).save(tmp_path / name / half / f"{number:03d}.png")
        source = ImageFolder(tmp_path / name, name, "digits")
        made = Trial.for_cell("rae-gmm", load(source, None), "demo", 0)
        stages = {"train": replace(made.protocol.stages["train"], epochs=10, steps=None)}
        made = replace(made, protocol=replace(made.protocol, stages=stages))
        found.append(run_trial(replace(job(tmp_path / f"{name}-out", made), dataset=source)))
    assert found[0]["key"] == found[1]["key"]
    assert found[0]["status"] == "done"
    assert numbers(found[0]) == numbers(found[1])


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
def test_a_killed_trial_goes_on_to_the_same_bits(tmp_path, monkeypatch, model, lines, images):
    """Two-Stage VAE is killed in its second stage, WAE-GAN in its second, the mixture is fitted after the kill."""
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
    with pytest.warns(UserWarning, match=r"state\.pt: not a readable state; the run starts from scratch"):
        assert numbers(run_trial(job(tmp_path, trial())))[1:] == numbers(record)[1:]


def test_divergence_is_a_result(tmp_path):
    made = lr(trial("two-stage-vae", epochs=3), 1e4)
    record = run_trial(job(tmp_path, made))
    assert record["status"] == "diverged"
    assert record["error"]["stage"] == "first"
    assert record["error"]["part"] in ("nll", "kl")
    assert record["error"]["epoch"] == record["epochs"][-1]["epoch"]
    assert record["evaluations"] == []
    path = tmp_path / "records" / f"{made.key}.json"
    before = path.stat().st_mtime_ns
    assert run_trial(job(tmp_path, made))["status"] == "diverged"
    assert path.stat().st_mtime_ns == before


def test_a_failure_is_recorded_and_tried_again(tmp_path):
    """Eight latents cannot carry a mixture of ten."""
    base = trial(epochs=1, images=8)
    stages = {"train": replace(base.protocol.stages["train"], batch=4)}
    made = replace(base, protocol=replace(base.protocol, stages=stages))
    record = run_trial(job(tmp_path, made))
    assert record["status"] == "failed"
    assert "n_components" in record["error"]["message"] or "n_samples" in record["error"]["message"]
    assert "densities.py" in record["error"]["traceback"]
    assert str(Path(__file__).resolve().parents[2]) not in json.dumps(record)
    log = tmp_path / "runs" / made.key / "log.txt"
    log.unlink()
    assert run_trial(job(tmp_path, made))["status"] == "failed"
    assert log.is_file()


def test_a_failures_message_holds_no_path(tmp_path):
    made = trial(epochs=1)
    blocked = tmp_path / "runs" / made.key / "samples.png"
    blocked.mkdir(parents=True)
    record = run_trial(job(tmp_path, made))
    assert record["status"] == "failed"
    assert "<results>" in record["error"]["message"]
    assert str(tmp_path) not in json.dumps(record)


def test_a_message_has_no_path_of_the_users_own_code(tmp_path):
    """Wherever it lies: with the results within it, or beside them."""
    own = replace(job(tmp_path / "code" / "results", trial()), code=str(tmp_path / "code"))
    said = own.without_paths(f"{tmp_path}/code/my_model.py: no {tmp_path}/code/results/x")
    assert said == "<code>/my_model.py: no <results>/x"
    within = replace(job(tmp_path, trial()), code=str(tmp_path / "code"))
    assert str(tmp_path) not in within.without_paths(f"{tmp_path}/code/my_model.py")


def test_a_dead_process_leaves_a_record(tmp_path):
    made = trial()
    record_failure(job(tmp_path, made), "the worker process died (signal 9)\n")
    record = records.find(tmp_path, made.key)
    assert record["status"] == "failed"
    assert record["error"]["message"] == "the worker process died (signal 9)"
    assert run_trial(job(tmp_path, made))["status"] == "done"


def test_a_trial_leaves_the_process_as_it_was(tmp_path):
    torch.set_num_threads(2)
    run_trial(job(tmp_path, trial(epochs=1)))
    assert torch.get_num_threads() == 2
    tiny = torch.tensor([1e-40])
    assert (tiny + tiny).item() > 0  # denormals are numbers again


def test_streams_have_nothing_in_common():
    seeds = {stream_seed(purpose, a, b) for purpose in ("train", "draw") for a in range(5) for b in range(5)}
    assert len(seeds) == 50


def test_a_diverged_record_is_strict_json_and_keeps_no_weights(tmp_path):
    made = lr(trial(epochs=3), 1e9)
    assert run_trial(job(tmp_path, made))["status"] == "diverged"
    text = (tmp_path / "records" / f"{made.key}.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["error"]["message"]
    assert not [*tmp_path.rglob("weights.pt")]


def test_a_dead_process_keeps_what_was_measured(tmp_path):
    one = run_trial(job(tmp_path, trial(epochs=1)))
    record_failure(job(tmp_path, trial(epochs=1), draws=2), "killed")
    two = run_trial(job(tmp_path, trial(epochs=1), draws=2))
    assert two["status"] == "done"
    assert two["evaluations"][0] == one["evaluations"][0]
    assert two["epochs"] == one["epochs"]  # seconds too: nothing was trained again


def test_a_trial_cut_off_between_measurements_goes_on_with_them(tmp_path):
    """Killed when its samples had been measured: the table has its number, but the record is not what it would be."""
    one = run_trial(job(tmp_path, trial(epochs=1)))
    for there in range(1, len(one["evaluations"])):
        records.write(tmp_path, one | {"evaluations": one["evaluations"][:there]})
        two = run_trial(job(tmp_path, trial(epochs=1)))
        assert numbers(two) == numbers(one)
        assert two["epochs"] == one["epochs"]  # seconds too: nothing was trained again
    cut = one | {"evaluations": one["evaluations"][:1]}
    records.write(tmp_path, cut)
    (tmp_path / "runs" / one["key"] / "weights.pt").unlink()
    assert run_trial(job(tmp_path, trial(epochs=1))) == cut  # nobody asked for what would need a training


def test_a_repeated_run_with_the_same_losses_keeps_its_evaluations(tmp_path):
    one = run_trial(job(tmp_path, trial(epochs=1), features="pixels"))
    (tmp_path / "runs" / one["key"] / "weights.pt").unlink()
    two = run_trial(job(tmp_path, trial(epochs=1)))
    assert two["evaluations"][0] == one["evaluations"][0]
    every = 1 + len(CRITERIA_SOURCES)
    assert [e["metric"] for e in two["evaluations"]] == ["fd_pixels"] * every + ["fd_classifier"] * every


def test_diagnostics_that_an_older_record_lacks_are_measured_without_training(tmp_path):
    one = run_trial(job(tmp_path, trial(epochs=1)))
    older = {**one, "diagnostics": {"recon_sse": 1.0, "latent_std": 1.0, "latent_mean": 0.0}}
    records.write(tmp_path, older)
    assert run_trial(job(tmp_path, trial(epochs=1))) == older  # a table that does not show them does not ask
    two = run_trial(replace(job(tmp_path, trial(epochs=1)), diagnostics=("prior_cov",)))
    assert two["diagnostics"] == one["diagnostics"]
    assert two["epochs"] == one["epochs"]
    assert two["evaluations"] == one["evaluations"]


def test_a_repeated_run_that_fails_leaves_the_record_as_it_is(tmp_path):
    one = run_trial(job(tmp_path, trial(epochs=1)))
    weights = tmp_path / "runs" / one["key"] / "weights.pt"
    path = tmp_path / "records" / f"{one['key']}.json"
    before = path.read_bytes()
    weights.unlink()
    (weights.parent / "samples.png").unlink()
    (weights.parent / "samples.png").mkdir()  # a picture cannot be written there
    assert run_trial(job(tmp_path, trial(epochs=1), draws=2))["status"] == "failed"
    assert path.read_bytes() == before
    assert record_failure(job(tmp_path, trial(epochs=1), draws=2), "killed") == one
    assert path.read_bytes() == before


def test_measurements_say_where_they_were_made(done):
    where = done[1]["evaluations"][0]["provenance"]
    assert where == {name: done[1]["provenance"][name] for name in ("device", "torch", "commit")}


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a file"])
def test_broken_weights_are_trained_again(tmp_path, content):
    one = run_trial(job(tmp_path, trial(epochs=1)))
    (tmp_path / "runs" / one["key"] / "weights.pt").write_bytes(content)
    two = run_trial(job(tmp_path, trial(epochs=1), draws=2))
    assert two["evaluations"][0]["values"] == one["evaluations"][0]["values"]


def test_a_state_or_weights_with_a_hole_are_not_taken(done, tmp_path):
    """As a power cut may leave them; torch alone would load zeros without a word."""
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
    torch.save(
        {"training": dict.fromkeys(STATE_KEYS, 0), "epochs": "[]", "provenance": "{}", "x": torch.ones(9000)}, state
    )
    assert read_state(state) is not None
    raw = bytearray(state.read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 4096] = bytes(4096)
    state.write_bytes(raw)
    with pytest.warns(UserWarning, match="not a readable state"):
        assert read_state(state) is None


def test_a_failure_keeps_its_traceback(tmp_path):
    made = trial()
    record = record_failure(job(tmp_path, made), "Traceback (most recent call last):\n  File x\nValueError: no")
    assert record["error"]["message"] == "ValueError: no"
    assert record["error"]["traceback"].startswith("Traceback")


def test_a_state_of_something_else_is_ignored(done, tmp_path):
    _, record = done
    state = tmp_path / "runs" / record["key"] / "state.pt"
    state.parent.mkdir(parents=True)
    torch.save({"training": {}, "epochs": "[]", "provenance": "{}"}, state)
    assert numbers(run_trial(job(tmp_path, trial())))[1:] == numbers(record)[1:]


def test_the_returned_record_is_the_written_one(tmp_path):
    made = lr(trial("two-stage-vae", epochs=2), 1e4)
    assert run_trial(job(tmp_path, made)) == records.find(tmp_path, made.key)


def test_a_finished_run_may_keep_its_logs_only(tmp_path):
    (requested,) = make_plan(Options("demo", only="glf", on="digits", seeds="1", keep="logs"), ["auto"]).jobs
    assert requested.keep == "logs"
    made = trial(epochs=1)
    light = replace(job(tmp_path, made), keep="logs")
    record = run_trial(light)
    assert record["status"] == "done"
    assert {path.name for path in light.run_folder.iterdir()} >= {"log.txt", "samples.png"}
    assert not [*light.run_folder.glob("*.pt")]
    assert run_trial(light) == record, "seconds and all: nothing was trained again"
    assert numbers(record) == numbers(run_trial(job(tmp_path / "other", made)))
    assert (tmp_path / "other" / "runs" / made.key / "weights.pt").is_file()
