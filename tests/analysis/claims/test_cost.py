"""Claims about parameters and time: what is counted, and which times are compared."""

from dataclasses import replace

import numpy as np
import pytest
from claim_cases import first_finding
from fake_evidence import (
    constant_seconds,
    evidence_with_epochs,
    make_evidence,
    step_time_evidence,
    total_time_evidence,
)

from benchmarks.analysis.claims import CONTRADICTED, NOT_DECIDABLE, NOT_TESTED, SUPPORTED, claim_by_number


def test_the_flows_share_of_parameters_is_counted():
    """For eight couplings: 0.37 %, 4.22 %, 1.07 %."""
    verdict = claim_by_number(12).verdict(make_evidence([]))
    shares = {f.dataset: (f.answer, round(100 * f.effect.value, 2)) for f in verdict.findings}
    assert shares == {"mnist": (SUPPORTED, 0.37), "fashion": (SUPPORTED, 0.37), "cifar10": (NOT_DECIDABLE, 4.22),
                      "celeba": (SUPPORTED, 1.07)}  # fmt: skip
    assert verdict.answer == NOT_DECIDABLE
    assert {f.dataset: f.reason for f in verdict.findings if f.reason} == {
        "cifar10": "the flow adds less than 3 % with 4 couplings, but not with 8; "
                   "only the authors can say how many the paper means"}  # fmt: skip


def test_the_flows_share_is_given_for_both_readings_of_the_paper():
    texts = {f.dataset: f.text for f in claim_by_number(12).verdict(make_evidence([])).findings}
    assert texts["cifar10"].endswith(
        "4.2 % of the parameters of encoder and decoder; with 4 (a reading of Figure 1b, glf-4-couplings), 2.1 %"
    )
    assert "Figure 1b" not in texts["mnist"]


def test_the_flow_is_timed_against_the_auto_encoder_that_decides():
    """This is GLF in two stages if enough of its runs have the same setup, else RAE + GMM."""
    seconds = {("glf", "train"): 1.05, ("glf-two-stage", "ae"): 1.0, ("rae-gmm", "train"): 0.5}
    evidence = evidence_with_epochs({stage: constant_seconds(value) for stage, value in seconds.items()})
    evaluations = evidence.evaluations
    on_cifar = claim_by_number(13).verdict(evidence).findings[2]
    assert (on_cifar.answer, {*on_cifar.run_counts}) == (SUPPORTED, {"glf", "glf-two-stage"})
    is_two_stage = evaluations["model"].eq("glf-two-stage")
    elsewhere = evaluations.assign(device=np.where(is_two_stage, "CPU", "GPU"))
    on_cifar = claim_by_number(13).verdict(replace(evidence, evaluations=elsewhere)).findings[2]
    assert (on_cifar.answer, {*on_cifar.run_counts}) == (CONTRADICTED, {"glf", "rae-gmm"})
    few = evaluations[(~is_two_stage | evaluations["seed"].lt(2)) & evaluations["model"].ne("rae-gmm")]
    on_cifar = claim_by_number(13).verdict(make_evidence(few, evidence.epochs)).findings[2]
    assert "--only glf,glf-two-stage " in on_cifar.command
    assert "GLF (two stages): 2" in on_cifar.reason


def test_a_shortened_budget_does_not_decide_how_long_training_takes():
    verdict = claim_by_number(14).verdict(total_time_evidence(1.0, 3.0, preset="quick"))
    assert verdict.answer == NOT_DECIDABLE
    assert not any(f.command for f in verdict.findings), "more runs would not help"


@pytest.mark.parametrize(("number", "evidence"), [
    (13, step_time_evidence(1.0, 1.0)), (14, total_time_evidence(1.0, 3.0))])  # fmt: skip
@pytest.mark.parametrize("column", ["device", "engine", "torch", "precision"])
def test_times_of_runs_with_different_setups_are_not_compared(column, number, evidence):
    """The finding asks for three more seeds, whose times on one device can be compared."""
    evaluations = evidence.evaluations.assign(**{column: evidence.evaluations["model"]})
    findings = claim_by_number(number).verdict(replace(evidence, evaluations=evaluations)).findings
    assert {f.answer for f in findings} == {NOT_TESTED}
    assert all("times compare only" in f.reason for f in findings)
    seeds = {int(f.command.split("--seeds ")[1].split()[0]) for f in findings}
    assert min(seeds) >= 5 + 3


def test_times_compare_if_older_records_do_not_name_their_engine():
    evidence = step_time_evidence(1.05, 1.0)
    unnamed = replace(evidence, evaluations=evidence.evaluations.assign(engine=np.nan))
    assert claim_by_number(13).verdict(unnamed).answer == SUPPORTED


@pytest.mark.parametrize(("number", "evidence"), [
    (13, step_time_evidence(1.0, 1.0)), (14, total_time_evidence(1.0, 3.0))])  # fmt: skip
def test_times_of_runs_that_were_trained_beside_others_are_not_compared(number, evidence):
    beside = evidence.evaluations.assign(runs_at_once=8)
    finding = first_finding(number, replace(evidence, evaluations=beside))
    assert finding.answer == NOT_TESTED
    assert "finished runs trained one at a time" in finding.reason
    alone = evidence.evaluations.assign(runs_at_once=1)
    assert first_finding(number, replace(evidence, evaluations=alone)).answer == SUPPORTED


@pytest.mark.parametrize("number", [13, 14])
def test_records_without_epochs_decide_no_claim_of_time(number):
    evidence = step_time_evidence(1.05, 1.0)
    without = replace(evidence, epochs=evidence.epochs.drop(columns=["seconds", "steps"]).iloc[:0])
    answer = NOT_DECIDABLE if number == 13 else NOT_TESTED
    assert first_finding(number, without).answer == claim_by_number(number).verdict(without).answer == answer
