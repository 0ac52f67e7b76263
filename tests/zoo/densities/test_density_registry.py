"""Names of densities: what they set, and what is wrong with them."""

import importlib.util

import pytest

from zoo.densities.registry import DENSITIES, find_missing_package, hyper_parameters, parse_density


@pytest.mark.parametrize("name", ["gaussian", "gmm:20", "gmm:20:covariance=diag", "gmm:auto", "flow:long", "kde:0.5",
                                  "flow:k=32:standardize=true", "nsf:transforms=2"])  # fmt: skip
def test_a_name_is_parsed_and_printed_as_it_was(name):
    assert parse_density(name).name == name


def test_options_override_the_data_sets_defaults_and_the_row():
    defaults = {"epochs": 7, "k": 5, "weight_decay": 0.1, "no_such_name": 1}
    assert parse_density("flow").hyper(defaults)["epochs"] == 7
    hyper = parse_density("maf:epochs=3").hyper(defaults)
    assert (hyper["epochs"], hyper["k"], hyper["weight_decay"], hyper["kind"]) == (3, 5, 0.0, "MAF")
    assert "no_such_name" not in hyper


def test_a_density_has_the_hyper_parameters_of_its_base_classes():
    assert {"k", "transforms", "epochs", "patience"} <= hyper_parameters(DENSITIES["nsf"]).keys()
    assert "schedule" not in hyper_parameters(DENSITIES["nsf"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gm:10", r"unknown density 'gm:10' \(did you mean 'gmm'\?\). Known: gaussian, gmm, "),
        ("gmm:ten", "components must be a whole number, got 'ten'"),
        ("gmm:0", "components must be at least 1, got 0"),
        ("gmm:5:covariance=ful", "unknown covariance 'ful'. Known: full, diag, tied, spherical"),
        ("flow:40", "flow has no option '40'. Known: epochs, batch, lr"),
        ("flow:epoch=4", "flow has no option 'epoch=4'"),
        ("nsf:kind=MAF", "nsf has no option 'kind=MAF'"),
        ("flow:lr=-1", "lr must be positive, got -1"),
        ("flow:standardize=1", "standardize must be true or false"),
        ("kde:2", r"bandwidth must be in \(0, 1\]"),
    ],
)
def test_each_error_in_a_name_has_its_message(name, message):
    with pytest.raises(ValueError, match=message):
        parse_density(name)


def test_an_absent_package_is_named_with_the_extra_that_installs_it(monkeypatch):
    """`find_spec` answers as on a machine without zuko."""
    present = importlib.util.find_spec
    monkeypatch.setattr("zoo.densities.registry.find_spec", lambda name: None if name == "zuko" else present(name))
    assert find_missing_package(parse_density("gmm:10")) is None
    missing = find_missing_package(parse_density("nsf"))
    assert missing == "density nsf needs the package zuko: pip install 'ae-bench[densities]'"
