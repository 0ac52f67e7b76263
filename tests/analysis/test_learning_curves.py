import pytest
from curve_cases import curves_evidence
from fake_evidence import make_evidence

from benchmarks.analysis.learning_curves import DISTANCE, NLL, RECON, curve_points

PANELS = (DISTANCE, RECON, NLL)


@pytest.fixture
def records():
    return curves_evidence()


def test_points_are_those_of_the_records(records):
    points = curve_points(records, ["glf"], "digits", PANELS)
    distances = points[points["quantity"] == "fid"]
    assert [*distances["epoch"]] == [2, 4, 6] * 3  # from 1
    assert distances["value"].iloc[0] == pytest.approx(1.5)
    assert {*points["quantity"]} == {"fid", "recon", "nll"}
    assert not points["ended"].any()


def test_a_diverged_run_has_a_point_at_its_last_finite_value(records):
    points = curve_points(records, ["glf-regularized-1"], "digits", PANELS)
    ends = points[points["ended"] & (points["quantity"] == "recon")]
    assert [*ends["epoch"]] == [6, 6, 6]
    assert ends["value"].iloc[0] == pytest.approx(5 + 1 / 3)


def test_points_of_another_protocol_are_left_out(records):
    epochs = records.epochs.copy()
    is_first = epochs["key"].eq(records.keys("glf", "digits")[0])
    epochs.loc[is_first, "protocol_id"] = "another"
    mixed = make_evidence(records.evaluations.to_dict("records"), epochs.to_dict("records"))
    points = curve_points(mixed, ["glf", "glf-regularized"], "digits", PANELS)
    assert set(points.loc[(points["quantity"] == "fid") & (points["model"] == "glf"), "seed"]) == {1, 2}
