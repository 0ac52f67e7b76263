"""Commands that draw figures: what they train, what they overwrite, and in which order `all` runs them."""

import re
import shutil

import pytest

from benchmarks.execution.options import Options
from benchmarks.execution.planning import make_plan
from benchmarks.experiments import records
from benchmarks.reporting.registry import FIGURES, REQUIREMENTS
from benchmarks.run import main


def test_figures_with_learning_curves_require_them():
    options = Options(preset="demo", seeds="1")
    for name in ("figure3", "table2"):
        assert {job.eval_every for job in make_plan(options, ["auto"], REQUIREMENTS[name]).jobs} == {1}
    assert {job.eval_every for job in make_plan(options, ["auto"], REQUIREMENTS["table1"]).jobs} == {0}
    jobs = make_plan(options, ["auto"], REQUIREMENTS["figure4"]).jobs
    assert {job.trial.model for job in jobs} == set(FIGURES["figure4"].available_models)


def test_a_figure_of_the_papers_setting_is_not_replaced_by_a_shorter_one(tmp_path, capsys):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "figure4.md").write_text("Curves. Preset paper; 10 runs.", encoding="utf-8")
    assert main(["figure4", "--preset", "demo", "--dry-run", "--results", str(tmp_path)]) == 2
    assert "is of preset paper and is not replaced" in capsys.readouterr().err


@pytest.mark.slow
def test_a_figure_trains_what_is_missing_and_then_draws(tmp_path, capsys):
    command = ["figure4", "--preset", "demo", "--only", "glf", "--seeds", "1", "--images", "200", "--cluster", "inline",
               "--results", str(tmp_path)]  # fmt: skip
    assert main(command) == 0
    assert capsys.readouterr().out.strip().splitlines()[-1] == str(tmp_path / "figures" / "figure4.png")
    _, epochs = records.read(tmp_path)
    assert epochs["fd_classifier"].notna().all()
    before = (tmp_path / "figures" / "figure4.csv").read_bytes()
    shutil.rmtree(tmp_path / "figures")
    assert main(command) == 0
    assert "nothing to" in capsys.readouterr().out or (tmp_path / "figures" / "figure4.csv").read_bytes() == before


def test_all_draws_the_figures_of_the_named_models(tmp_path, capsys):
    command = ["all", "--preset", "demo", "--seeds", "1", "--dry-run", "--results", str(tmp_path)]
    assert main([*command, "--only", "rae-gmm"]) == 0
    assert "figure" not in capsys.readouterr().out
    assert main([*command, "--only", "glf,vae"]) == 0
    printed = capsys.readouterr().out
    order = re.findall(r"^(?:figure|table)\d$", printed, re.M)
    assert order[:3] == ["table2", "figure3", "figure4"], "runs with a learning curve come first"
    assert {"table1", "table6", "figure2"} <= {*order}
