"""Commands that train nothing: plans, lists, and tables of no run."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from benchmarks.run import main

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("empty_home")


def test_everything_else_is_planned_if_a_model_lacks_its_weights(capsys, tmp_path, monkeypatch):
    """Without VGG-16's weights: nobody has named the model that needs them."""
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


@pytest.mark.parametrize("what", ["list", "protocols"])
def test_lists_name_every_model(capsys, what):
    import zoo

    assert main([what]) == 0
    out = capsys.readouterr().out
    assert all(f" {name} " in out for name in zoo.MODELS)


def test_a_table_of_measured_speed_needs_no_data(capsys, tmp_path):
    """Nor weights, nor records; its rows and columns are checked all the same."""
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
    """Each of these takes a second or so to import, in every command and in every worker."""
    code = "import sys, benchmarks.run; print({'torchvision', 'sklearn', 'matplotlib', 'pytorch_fid'} & {*sys.modules})"
    message = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert message.strip() == "set()"
