"""`zoo.find` finds the kept weights of finished runs, and says what is there if none match."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from fake_records import KEY, OTHER, record
from shared import make_once
from trials import job, trial

import zoo
from benchmarks import program
from benchmarks.experiments import records
from benchmarks.experiments.run_trial import run_trial
from zoo import finished


@pytest.fixture
def done(shared_folder, tmp_path):
    """A results folder with one finished run of rae-gmm on digits; a copy for each test."""
    source = make_once(shared_folder / "finished-trial", lambda folder: run_trial(job(folder, trial())))
    return shutil.copytree(source, tmp_path / "results")


def put(folder, key, *, weights=True, **changes):
    """Write a record made by hand and an empty file in place of its weights."""
    records.write(folder, record(key, **changes))
    if weights:
        path = folder / "runs" / key / "weights.pt"
        path.parent.mkdir(parents=True)
        path.touch()


def test_the_weights_of_a_finished_run_are_found_and_loaded(done):
    (run,) = zoo.find(model="rae-gmm", dataset="digits", seed=0, results=done)
    assert (run.model, run.dataset, run.preset, run.seed, run.key) == ("rae-gmm", "digits", "demo", 0, trial().key)
    assert run.path == done / "runs" / trial().key / "weights.pt"
    expected = zoo.load(run.path).sample(4, seed=0)
    assert torch.equal(run.load().sample(4, seed=0), expected)
    assert expected.shape == (4, 1, 8, 8)
    assert zoo.find(results=done) == zoo.find(preset="demo", results=str(done)) == [run]


def test_a_run_that_kept_only_its_logs_is_named_as_one_without_weights(tmp_path):
    made = run_trial(replace(job(tmp_path, trial(epochs=1)), keep="logs"))
    assert made["status"] == "done"
    with pytest.raises(LookupError, match=r"were removed.*: rae-gmm on digits, preset demo, seed 0\..*--force"):
        zoo.find(model="rae-gmm", results=tmp_path)


def test_runs_without_weights_are_left_out_beside_runs_with_weights(done):
    put(done, KEY, weights=False)
    assert [run.model for run in zoo.find(results=done)] == ["rae-gmm"]


def test_every_argument_selects(tmp_path):
    keys = {}
    for i, (model, dataset, preset, seed) in enumerate(
        (m, d, p, s) for m in ("glf", "vae") for d in ("digits", "mnist") for p in ("demo", "quick") for s in (1, 0)
    ):
        key = f"{i:064x}"
        keys[model, dataset, preset, seed] = key
        put(tmp_path, key, model=model, dataset=dataset, preset=preset, seed=seed)
    found = zoo.find(results=tmp_path)
    assert [run.key for run in found] == [keys[name] for name in sorted(keys)]
    for position, (name, value) in enumerate(
        {"model": "vae", "dataset": "mnist", "preset": "quick", "seed": 0}.items()
    ):
        selected = zoo.find(results=tmp_path, **{name: value})
        assert {run.key for run in selected} == {key for cell, key in keys.items() if cell[position] == value}
    (one,) = zoo.find(model="vae", dataset="mnist", preset="quick", seed=0, results=tmp_path)
    assert one.key == keys["vae", "mnist", "quick", 0]


@pytest.mark.parametrize("status", ["failed", "diverged"])
def test_a_run_that_failed_or_diverged_is_not_found(status, tmp_path):
    put(tmp_path, KEY, status=status)
    with pytest.raises(LookupError, match="Finished runs there: none"):
        zoo.find(results=tmp_path)


def test_an_error_says_which_runs_are_there(tmp_path):
    for seed in range(3):
        put(tmp_path, f"{seed}" * 64, seed=seed)
    put(tmp_path, KEY, model="vae")
    there = "glf on digits, preset demo, seeds 0, 1, 2; vae on digits, preset demo, seed 0"
    with pytest.raises(LookupError) as error:
        zoo.find(model="glff", seed=7, results=tmp_path)
    assert str(error.value) == (f"no finished run with model='glff', seed=7 in {tmp_path} (did you mean 'glf'?). "
                                f"Finished runs there: {there}")  # fmt: skip


def test_an_error_names_only_the_first_of_many_runs(tmp_path):
    for i in range(finished.MAX_NAMED + 3):
        put(tmp_path, f"{i:064x}", dataset=f"data{i:02}")
    with pytest.raises(LookupError, match=rf"data{finished.MAX_NAMED - 1}, preset demo, seed 0; and 3 more$"):
        zoo.find(dataset="other", results=tmp_path)


def test_a_folder_that_is_not_there_or_has_no_records_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent does not exist: .*zoo\.find\(results=\.\.\.\)"):
        zoo.find(results=tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match="has no records"):
        zoo.find(results=tmp_path)


def test_the_default_folder_is_that_of_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put(tmp_path / program.DEFAULT_RESULTS, KEY)
    assert [run.key for run in zoo.find()] == [KEY]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"key": 3}', "\udcff", json.dumps(record(OTHER, seed="0")),
                                  json.dumps(record(OTHER, seed=True)), json.dumps(record(KEY))])  # fmt: skip
def test_a_file_that_is_no_record_is_left_out_and_named(text, tmp_path):
    put(tmp_path, KEY)
    path = tmp_path / "records" / f"{OTHER}.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.warns(UserWarning, match=f"{OTHER}.json: not a readable record"):
        assert [run.key for run in zoo.find(results=tmp_path)] == [KEY]


def test_hidden_files_in_the_folder_are_left_alone(tmp_path, recwarn):
    put(tmp_path, KEY)
    (tmp_path / "records" / f"._{OTHER}.json").write_bytes(b"\x00\x05\x16\x07")
    assert [run.key for run in zoo.find(results=tmp_path)] == [KEY]
    assert not recwarn.list


def test_finding_runs_imports_no_torch(tmp_path):
    put(tmp_path, KEY)
    code = "import sys, zoo; assert len(zoo.find(results=sys.argv[1])) == 1; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 0
