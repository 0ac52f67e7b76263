"""Launches of fits in this process; those on SLURM are in tests/integration/test_densities_on_slurm.py."""

import shutil

import pytest
from fit_plans import plan_of, specs_of

from benchmarks.execution import launcher, launches
from benchmarks.execution.densities import launcher as fit_launcher
from benchmarks.execution.densities.planning import make_fit_plan
from benchmarks.execution.launcher import describe_cells
from benchmarks.execution.worker import run_job

COMMAND = {"what": "criteria", "options": {"only": "rae-gmm"}, "force": ""}


@pytest.fixture
def fit_plan(tmp_path, short_demo):
    """Two pending fits to one finished run, in this process."""
    plan = plan_of(tmp_path, only="rae-gmm", seeds="1", images="500", cluster="inline")
    assert run_job(plan.jobs[0])["status"] == "done"
    return make_fit_plan(plan, specs_of("gaussian,gmm:3"))


def states(fit_plan):
    return [fit_plan.state(fit) for fit in fit_plan.fits]


def test_a_launch_names_the_runs_of_its_fits_and_ends(fit_plan, tmp_path):
    lines = []
    fit_launcher.run(fit_plan, COMMAND, lines.append)
    assert states(fit_plan) == ["done", "done"]
    (launch,) = launches.launches(tmp_path).values()
    assert launch["cells"] == describe_cells(fit_plan.plan.jobs)
    assert launch["ended"]
    assert [line.partition("s] ")[2].partition(", fitted")[0] for line in lines[1:]] == [
        "gaussian on rae-gmm digits seed 0: done", "gmm:3 on rae-gmm digits seed 0: done"]  # fmt: skip
    fit_launcher.run(fit_plan, COMMAND, lines.append)
    assert len(lines) == 3
    assert len(launches.launches(tmp_path)) == 1


def test_a_cancelled_launch_starts_no_more_fits(fit_plan, tmp_path, monkeypatch):
    monkeypatch.setattr(launcher, "CHECK_SECONDS", 0.0)

    def cancel_after_the_first(line):
        if line.startswith("[1/2"):
            launches.cancel(next(iter(launches.launches(tmp_path))))

    with pytest.raises(KeyboardInterrupt, match="cancel"):
        fit_launcher.run(fit_plan, COMMAND, cancel_after_the_first)
    assert states(fit_plan) == ["done", "pending"]


def test_a_failed_fit_is_tried_again_by_the_next_launch(fit_plan, tmp_path):
    weights = fit_plan.fits[0].weights
    shutil.move(weights, tmp_path / "moved.pt")
    lines = []
    fit_launcher.run(fit_plan, COMMAND, lines.append)
    assert states(fit_plan) == ["failed", "failed"]
    assert "failed: FileNotFoundError: <results>" in lines[1]
    shutil.move(tmp_path / "moved.pt", weights)
    fit_launcher.run(fit_plan, COMMAND, lines.append)
    assert states(fit_plan) == ["done", "done"]
