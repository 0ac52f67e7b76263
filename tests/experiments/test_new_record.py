"""Records: their provenance, and records of processes that died."""

import json
import socket
from pathlib import Path

import pytest
import torch
from trials import DIGITS, job, trial, with_learning_rate

from benchmarks.evaluation.sources import CRITERIA_SOURCES
from benchmarks.experiments import records
from benchmarks.experiments.new_record import record_failure
from benchmarks.experiments.run_trial import run_trial


def test_a_record_has_the_provenance_of_its_numbers(done):
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


def test_the_failure_of_a_dead_process_is_recorded(tmp_path):
    made = trial()
    record_failure(job(tmp_path, made), "the worker process died (signal 9)\n")
    record = records.find(tmp_path, made.key)
    assert record["status"] == "failed"
    assert record["error"]["message"] == "the worker process died (signal 9)"
    assert run_trial(job(tmp_path, made))["status"] == "done"


def test_a_diverged_record_is_strict_json_and_keeps_no_weights(tmp_path):
    made = with_learning_rate(trial(epochs=3), 1e9)
    assert run_trial(job(tmp_path, made))["status"] == "diverged"
    text = (tmp_path / "records" / f"{made.key}.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["error"]["message"]
    assert not [*tmp_path.rglob("weights.pt")]


def test_the_failure_of_a_dead_process_keeps_its_measurements(tmp_path):
    one = run_trial(job(tmp_path, trial(epochs=1)))
    record_failure(job(tmp_path, trial(epochs=1), draws=2), "killed")
    two = run_trial(job(tmp_path, trial(epochs=1), draws=2))
    assert two["status"] == "done"
    assert two["evaluations"][0] == one["evaluations"][0]
    assert two["epochs"] == one["epochs"]  # seconds too: nothing was trained again


def test_each_evaluation_has_its_provenance(done):
    where = done[1]["evaluations"][0]["provenance"]
    assert where == {name: done[1]["provenance"][name] for name in ("device", "torch", "commit")}


def test_the_returned_record_is_the_written_one(tmp_path):
    made = with_learning_rate(trial("two-stage-vae", epochs=2), 1e4)
    assert run_trial(job(tmp_path, made)) == records.find(tmp_path, made.key)
