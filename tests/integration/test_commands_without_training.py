"""Commands that train nothing: dry runs, lists, and tables without runs."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from benchmarks.run import main

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("empty_home")


def test_other_models_are_planned_if_a_model_lacks_its_weights(capsys, tmp_path, monkeypatch):
    """VGG-16's weights are missing, and the command does not name the model that needs them."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    assert main(["all", "--preset", "demo", "--on", "digits", "--dry-run", "--results", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "figure6" in out
    assert "python -m benchmarks.run fetch vgg16" in out


def test_dry_run_shows_the_plan_and_starts_nothing(capsys, tmp_path):
    assert main(["table1", "--preset", "demo", "--dry-run", "--results", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    for text in ("3 pending", "15 runs to do", "vae on digits: 1,297 images", "lr 0.001", "β x 11"):
        assert text in out


def test_a_dry_run_needs_neither_data_nor_weights_nor_a_gpu(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    (tmp_path / "data").mkdir()
    words = ["--dry-run", "--data-root", "data", "--precision", "tf32", "--results", str(tmp_path / "out")]
    assert main(["table1", *words]) == 0
    out = capsys.readouterr().out
    missing = [line for line in out.splitlines() if line.startswith("missing: ")]
    expected = [] if torch.cuda.is_available() else ["--precision tf32 needs a GPU"]
    expected += [f"the data set {name} is not in {tmp_path}/data" for name in ("mnist", "fashion", "cifar10", "celeba")]
    expected += ["no Inception weights in", "glf-perceptual needs vgg16"]
    assert len(missing) == len(expected)
    assert all(line.startswith(f"missing: {text}") for line, text in zip(missing, expected, strict=True))
    assert "states of the runs on mnist, fashion, cifar10, celeba unknown, because the data is missing" in out
    assert "glf on celeba: 162,770 images" in out
    assert re.search(r"│ glf +│ mnist +│ 10 unknown +│ 23,400 +│ at most 10 │", out)
    assert "at most 320 runs whose states are unknown: " in out
    assert not (tmp_path / "out").exists()


def test_a_dry_run_shows_run_states_for_available_data(capsys, tmp_path):
    (tmp_path / "data").mkdir()
    words = ["--preset", "demo", "--on", "digits,mnist", "--only", "glf", "--data-root", "data"]
    assert main(["table1", *words, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "│ glf   │ digits   │ 3 pending │" in out
    assert "│ glf   │ mnist    │ 3 unknown │" in out
    assert "3 runs to do, at most 3 more whose states are unknown: " in out


def test_a_dry_run_of_all_names_what_is_missing_once(capsys, tmp_path):
    (tmp_path / "data").mkdir()
    words = ["--preset", "demo", "--on", "mnist,celeba-hq", "--only", "glf", "--data-root", "data"]
    assert main(["table1", *words, "--features", "pixels", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "glf on celeba-hq: 27,000 images" in out
    assert main(["all", "--preset", "demo", "--on", "mnist", "--only", "glf", "--data-root", "data", "--dry-run"]) == 0
    assert capsys.readouterr().out.count("the data set mnist is not in") == 1


def test_a_typo_in_a_dry_run_is_an_error(capsys, tmp_path):
    assert main(["table1", "--only", "glff", "--dry-run"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1


@pytest.mark.parametrize("what", ["list", "protocols"])
def test_lists_name_every_model(capsys, what):
    import zoo

    assert main([what]) == 0
    out = capsys.readouterr().out
    assert all(f" {name} " in out for name in zoo.MODELS)


def test_a_table_of_measured_speed_needs_no_data(capsys, tmp_path):
    """It needs neither weights nor records, but its rows and columns are checked."""
    command = ["table5", "--results", str(tmp_path), "--data-root", str(tmp_path / "missing")]
    assert main([*command, "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith(
        "nothing to run: this table is made from measurements of benchmarks.perf.speed"
    )
    assert not [*tmp_path.iterdir()]
    assert main(command) == 0
    tidy = pd.read_csv(tmp_path / "tables" / "table5-tidy.csv")
    assert {*tidy["dataset"]} == {"mnist", "fashion", "cifar10", "celeba"}
    assert "Missing: 0 of 16 cells are there." in (tmp_path / "tables" / "table5.md").read_text()
    assert main([*command, "--on", "mnits", "--only", "glf"]) == 2
    assert "did you mean 'mnist'" in capsys.readouterr().err


def test_table3_is_computed_and_written(capsys, tmp_path):
    assert main(["table3", "--results", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip().splitlines()[-1] == str(tmp_path / "tables" / "table3.csv")
    assert "6578644" in (tmp_path / "tables" / "table3.csv").read_text()


def test_the_command_line_imports_no_slow_library():
    """Each of these libraries takes about a second to import, in every command and every worker."""
    code = "import sys, benchmarks.run; print({'torchvision', 'sklearn', 'matplotlib', 'pytorch_fid'} & {*sys.modules})"
    message = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert message.strip() == "set()"
