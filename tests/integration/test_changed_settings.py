"""Runs with changed settings and with listed seeds, by the command line: records, tables, status, retry, pictures."""

import json
import shutil
from pathlib import Path

import pytest

from benchmarks.run import main

pytestmark = [pytest.mark.usefixtures("empty_home", "short_demo"), pytest.mark.slow]
BASE = ["table1", "--preset", "demo", "--only", "rae-gmm", "--cluster", "inline", "--device", "cpu", "--images", "500"]


@pytest.fixture
def run(tmp_path, capsys):
    """Run a command in one results folder; returns what it prints."""

    def call(*arguments, code=0):
        assert main([*arguments, "--results", str(tmp_path)]) == code
        return capsys.readouterr().out

    return call


def records_of(results):
    found = [json.loads(path.read_text()) for path in sorted((results / "records").glob("*.json"))]
    return {(record["model"], record["seed"]): record for record in found}


def test_changed_settings_make_a_separate_model(run, tmp_path):
    out = run(*BASE, "--seeds", "1", "--set", "gamma=0.5", "--set", "lr=2e-3")
    assert "rae-gmm[gamma=0.5,lr=0.002] digits seed 0: fd_classifier " in out
    assert "| RAE + GMM [gamma=0.5,lr=0.002] | " in out
    assert "changed by --set: gamma=0.5,lr=0.002." in out
    run(*BASE, "--seeds", "1")
    found = records_of(tmp_path)
    assert {*found} == {("rae-gmm", 0), ("rae-gmm[gamma=0.5,lr=0.002]", 0)}
    changed, plain = found["rae-gmm[gamma=0.5,lr=0.002]", 0], found["rae-gmm", 0]
    assert (changed["label"], plain["label"]) == ("RAE + GMM [gamma=0.5,lr=0.002]", "RAE + GMM")
    assert changed["settings"]["hyper"] == plain["settings"]["hyper"] | {"gamma": 0.5}
    assert changed["settings"]["stages"]["train"] == plain["settings"]["stages"]["train"] | {"lr": 0.002}
    tables = {path.name for path in (tmp_path / "tables").glob("table1--*.md")}
    assert tables == {
        "table1--demo-digits-fd_classifier-rae-gmm-1x1.md",
        "table1--demo-digits-fd_classifier-rae-gmm_gamma_0.5_lr_0.002-1x1.md",
    }
    status = run("status")
    assert [line.split()[1:4] for line in status.splitlines()[1:]] == [
        ["rae-gmm[gamma=0.5,lr=0.002]", "digits", "1"],
        ["rae-gmm", "digits", "1"],
    ]
    assert Path(run("sample", "rae-gmm[gamma=0.5,lr=0.002]", "digits").strip()).is_file()
    run("report")
    page = (tmp_path / "report.html").read_text()
    assert "RAE + GMM [gamma=0.5,lr=0.002]" in page
    assert "--only rae-gmm --set gamma=0.5,lr=0.002 --seeds 1" in page


def test_retry_makes_the_same_run_with_changed_settings_again(run, tmp_path):
    run(*BASE, "--seeds", "7,", "--set", "gamma=0.5")
    ((name, seed),), before = records_of(tmp_path), records_of(tmp_path)
    assert (name, seed) == ("rae-gmm[gamma=0.5]", 7)
    shutil.rmtree(tmp_path / "records")
    shutil.rmtree(tmp_path / "runs")
    assert "rae-gmm[gamma=0.5] on digits" in run("retry", "--dry-run")
    run("retry", "--cluster", "inline")
    again = records_of(tmp_path)
    assert [record["key"] for record in again.values()] == [record["key"] for record in before.values()]
    values = [[e["values"] for e in record["evaluations"]] for runs in (before, again) for record in runs.values()]
    assert values[0] == values[1]


def test_a_finished_run_with_changed_settings_is_not_repeated(run):
    run(*BASE, "--seeds", "3,7", "--set", "gamma=0.5")
    assert "2 done" in run(*BASE, "--seeds", "3,7", "--set", "gamma=0.50", "--dry-run")
    assert "1 done, 1 pending" in run(*BASE, "--seeds", "7,9", "--set", "gamma=0.5", "--dry-run")
    assert "2 pending" in run(*BASE, "--seeds", "3,7", "--dry-run")


def test_listed_seeds_are_those_of_the_records(run, tmp_path):
    out = run(*BASE, "--seeds", "3,7")
    assert {*records_of(tmp_path)} == {("rae-gmm", 3), ("rae-gmm", 7)}
    assert "over 2 runs" in out
    assert (tmp_path / "tables" / "table1--demo-digits-fd_classifier-rae-gmm-seed3+7-2x1.md").is_file()
    run("report")
    assert "--only rae-gmm --seeds 3,7 --images 500 --results results/again" in (tmp_path / "report.html").read_text()


def test_a_worker_process_trains_with_the_changed_settings(tmp_path, capsys, monkeypatch):
    support = Path(__file__).resolve().parents[1] / "support"
    monkeypatch.setenv("PYTHONPATH", f"{support}:{support.parents[1]}")
    words = [*BASE, "--seeds", "1", "--set", "gamma=0.5,epochs=1"]
    words[words.index("inline")] = "local"
    assert main([*words, "--results", str(tmp_path)]) == 0
    (record,) = records_of(tmp_path).values()
    assert record["label"] == "RAE + GMM [gamma=0.5,epochs=1]"
    assert len(record["epochs"]) == 1
    assert record["settings"]["hyper"]["gamma"] == 0.5
