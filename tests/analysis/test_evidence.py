"""Only runs of one kind per cell and of one preset count."""

from dataclasses import replace

import pytest
from claim_cases import first_finding
from fake_evidence import distance_evidence, fake_evaluation, make_evidence, with_diverged

from benchmarks.analysis.claims import CONTRADICTED, NOT_TESTED, SUPPORTED, claim_by_number
from benchmarks.analysis.evidence import model_label, presets_with_runs


def test_other_presets_revisions_and_precisions_change_nothing():
    """A shortened run, an older revision, and tf32 besides fp32."""
    base = distance_evidence(("mnist",), glf=10.0, vae_flow_prior=20.0).evaluations.to_dict("records")
    others = [fake_evaluation("glf", "mnist", seed, 99.0, preset="quick") for seed in range(9)]
    others += [fake_evaluation("glf", "mnist", seed, 99.0, revision=0, key=f"old {seed}") for seed in range(5)]
    others += [fake_evaluation("glf", "mnist", seed, 99.0, precision="tf32", key=f"tf32 {seed}") for seed in range(5)]
    both = make_evidence([*base, *others])
    finding = first_finding(5, both)
    assert (finding.answer, finding.run_counts["glf"]) == (SUPPORTED, 5)
    assert presets_with_runs(both.evaluations) == ["paper", "quick"]
    assert claim_by_number(5).verdict(replace(both, preset="quick")).answer == NOT_TESTED


def test_fp32_is_preferred_to_all_other_precisions():
    rows = [fake_evaluation("glf", "mnist", seed, 10.0, precision=precision, key=f"{precision} {seed}")
            for precision in ("bf16", "tf32", "fp32") for seed in range(4)]  # fmt: skip
    assert {*make_evidence(rows).runs["precision"]} == {"fp32"}
    assert {*make_evidence(rows[:8]).runs["precision"]} == {"tf32"}


@pytest.mark.parametrize(
    "other", [{"revision": 0}, {"precision": "bf16"}, {"train_fingerprint": "cut"}, {"protocol_row": "fashion"}]
)
def test_a_cell_has_one_revision_precision_row_and_training_images(other):
    """Seeds that only exist as another kind of run are excluded and counted."""
    rows = [fake_evaluation("glf", "mnist", seed, 10.0) for seed in range(4)]
    rows += [fake_evaluation("glf", "mnist", seed, 99.0, key=f"other {seed}", **other) for seed in range(2, 5)]
    evidence = make_evidence(rows)
    assert evidence.distance("glf", "mnist").values.tolist() == [10.0] * 4
    assert evidence.n_excluded_runs("glf", "mnist") == 3


def test_diverged_runs_have_no_distance():
    evidence = with_diverged(distance_evidence(("mnist",), glf=10.0, vae_flow_prior=20.0, n=4), "glf", 2)
    finding = first_finding(5, evidence)
    assert finding.answer == NOT_TESTED
    assert "GLF: 2" in finding.reason


def test_runs_with_changed_settings_do_not_count_for_the_plain_model():
    rows = [fake_evaluation("glf", "mnist", seed, 10.0) for seed in range(3)]
    rows += [fake_evaluation("glf[beta=4]", "mnist", seed, 1.0) for seed in range(9)]
    rows += [fake_evaluation("vae-flow-prior", "mnist", seed, 5.0 + seed / 10) for seed in range(3)]
    evidence = make_evidence(rows)
    assert len(evidence.keys("glf", "mnist")) == 3
    assert evidence.n_excluded_runs("glf", "mnist") == 0
    assert evidence.distance("glf", "mnist").values.tolist() == [10.0] * 3
    finding = first_finding(5, evidence)
    assert (finding.answer, finding.run_counts) == (CONTRADICTED, {"glf": 3, "vae-flow-prior": 3})


def test_the_label_of_a_model_has_its_changed_settings():
    assert model_label("glf[beta=4]") == "GLF [beta=4]"
    assert model_label("glf") == "GLF"
    assert model_label("mine.models:Own[beta=4]") == "mine.models:Own[beta=4]"
