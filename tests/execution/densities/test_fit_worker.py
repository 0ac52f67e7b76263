"""The outcome of a fit that another process runs."""

from dataclasses import replace

import pytest
from fit_plans import plan_of, specs_of
from trials import job, trial

from benchmarks.execution import locks
from benchmarks.execution.densities.planning import make_fit_plan
from benchmarks.execution.densities.worker import find_fit_outcome, run_locked_fit
from benchmarks.experiments.densities.job import FitJob, resolve_hyper
from benchmarks.experiments.densities.run_fit import make_scorer
from benchmarks.experiments.run_trial import run_trial
from zoo.densities.registry import parse_density


@pytest.fixture
def failed(tmp_path):
    """A fit that has failed, as its run has no weights, and the time before that."""
    plan = make_fit_plan(plan_of(tmp_path, only="rae-gmm", seeds="1"), specs_of("gmm:3"))
    since = locks.clock(tmp_path) - 1
    assert run_locked_fit(plan.fits[0])["status"] == "failed"
    return plan.fits[0], plan.plan.scorers["digits"], since


def test_a_fit_without_a_record_has_no_outcome(tmp_path):
    plan = make_fit_plan(plan_of(tmp_path, only="rae-gmm", seeds="1"), specs_of("gmm:3"))
    assert find_fit_outcome(plan.fits[0], plan.plan.scorers["digits"], 0.0) is None


def test_only_a_failure_of_this_launch_is_an_outcome(failed, tmp_path):
    fit, scorer, since = failed
    assert find_fit_outcome(fit, scorer, since)["status"] == "failed"
    assert find_fit_outcome(fit, scorer, locks.clock(tmp_path) + 1) is None


def test_a_failed_fit_that_is_tried_again_has_no_outcome_yet(failed):
    fit, scorer, since = failed
    with locks.locked(fit.folder) as is_ours:
        assert is_ours
        assert find_fit_outcome(fit, scorer, since) is None
    assert find_fit_outcome(fit, scorer, since) is not None


def test_a_fit_with_too_few_sample_sets_has_no_outcome(tmp_path):
    made = job(tmp_path, trial(epochs=1))
    run_trial(made)
    spec = parse_density("gmm:3")
    fit = FitJob(made, spec, resolve_hyper(spec, made), held_out=500)
    record = run_locked_fit(fit)
    assert find_fit_outcome(fit, make_scorer(fit), 0.0) == record
    more = replace(fit, job=replace(made, draws=2))
    assert find_fit_outcome(more, make_scorer(more), 0.0) is None
