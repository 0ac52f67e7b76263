"""The command `densities`: its fits, and the errors that it reports before anything is trained."""

import importlib.util

import pytest
from fit_plans import plan_of, specs_of

from benchmarks.execution.densities.planning import make_fit_plan, parse_densities
from benchmarks.execution.options import UserErrors


def test_there_is_a_fit_per_run_and_density_and_runs_follow_the_seeds(tmp_path):
    fits = make_fit_plan(plan_of(tmp_path, seeds="2"), specs_of("own,gmm:10,kde")).fits
    found = [(fit.job.trial.seed, fit.job.trial.model, fit.spec.name) for fit in fits]
    assert found[:6] == [(0, model, name) for model in ("glf", "vae") for name in ("own", "gmm:10", "kde")]
    assert len({fit.key for fit in fits}) == len(fits) == 12


def test_the_key_depends_on_every_setting_of_the_fit_and_of_the_run(tmp_path):
    plan, other = plan_of(tmp_path, only="glf", seeds="1"), plan_of(tmp_path, only="glf", seeds="1", set="beta=4")
    keys = [make_fit_plan(p, specs_of(name)).fits[0].key
            for p, name in [(plan, "flow"), (plan, "flow:k=8"), (plan, "flow:long"), (other, "flow")]]  # fmt: skip
    assert len({*keys}) == 4
    assert make_fit_plan(plan, specs_of("gmm")).fits[0].key == make_fit_plan(plan, specs_of("gmm:10")).fits[0].key


def test_a_density_that_is_named_twice_is_fitted_once():
    assert [spec.name for spec in specs_of("kde,gmm:5,kde")] == ["kde", "gmm:5"]


def test_all_errors_of_the_densities_are_reported_at_once(monkeypatch):
    """`find_spec` answers as on a machine without zuko."""
    present = importlib.util.find_spec
    monkeypatch.setattr("zoo.densities.registry.find_spec", lambda name: None if name == "zuko" else present(name))
    errors = []
    parse_densities("gmm:0,maf,ownn,kde", errors)
    assert len(errors) == 3
    assert "components must be at least 1" in errors[0]
    assert "maf needs the package zuko" in errors[1]
    assert "did you mean 'own'" in errors[2]


def test_too_many_components_and_a_model_without_encoder_are_reported_together(tmp_path):
    plan = plan_of(tmp_path, only="glf,glann-mse")
    with pytest.raises(UserErrors) as caught:
        make_fit_plan(plan, specs_of("gmm:5000,gmm:3"))
    assert len(caught.value.errors) == 2
    assert not [*tmp_path.iterdir()]


def test_fits_of_runs_that_are_not_trained_are_pending(tmp_path):
    plan = make_fit_plan(plan_of(tmp_path, seeds="1"), specs_of("gmm:3"))
    assert [plan.state(fit) for fit in plan.fits] == ["pending", "pending"]
