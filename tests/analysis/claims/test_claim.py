"""A claim's verdict: its scope, the models of its findings, its commands, and what limits it."""

import shlex
from itertools import chain

import numpy as np
import pandas as pd
import pytest
from claim_cases import CASES, VARIANCES, first_finding
from fake_evidence import (
    beta_sweep,
    distance_evidence,
    fake_evaluation,
    make_evidence,
    moved_to_digits,
    regularized_endings,
    with_diverged,
)

from benchmarks.analysis.claims import CONTRADICTED, NOT_DECIDABLE, NOT_TESTED, SUPPORTED, claim_by_number


@pytest.mark.parametrize(("number", "evidence"), [
    pytest.param(number, evidence, id=f"{number}-{i}")
    for number, by_answer in CASES.items() for i, evidence in enumerate(chain.from_iterable(by_answer))
])  # fmt: skip
def test_a_finding_counts_the_models_that_it_uses_and_would_train(number, evidence):
    for finding in claim_by_number(number).verdict(evidence).findings:
        used = {evidence.runs.at[key, "model"] for key in finding.keys}
        assert used <= {*finding.run_counts}
        assert sum(finding.used_counts.values()) == len(finding.keys)
        assert all(n <= finding.run_counts[model] for model, n in finding.used_counts.items())
        if finding.command:
            words = shlex.split(finding.command)
            assert used <= {*words[words.index("--only") + 1].split(",")} == {*finding.run_counts}


@pytest.mark.parametrize(("number", "winner"), [(1, "glf"), (3, "vae"), (5, "glf"), (15, "glf")])
def test_a_model_cannot_win_by_the_runs_that_did_not_diverge(number, winner):
    """The evidence supports the claim, but one run of the winner diverged."""
    evidence = CASES[number].supporting[0]
    assert claim_by_number(number).verdict(evidence).answer == SUPPORTED
    findings = claim_by_number(number).verdict(with_diverged(evidence, winner, 1)).findings
    assert {f.answer for f in findings} == {NOT_DECIDABLE}
    assert all("1 diverged" in f.text and not f.command for f in findings)
    assert all("more runs cannot change that" in f.reason for f in findings)


def test_a_claim_whose_runs_are_missing_says_what_they_need():
    finding = first_finding(16, distance_evidence(("mnist",), glf=50.0))
    assert finding.reason == "no measured runs of GLF + perceptual loss; such runs need the weights of VGG-16"
    assert "--only glf,glf-perceptual" in finding.command


def test_an_inconclusive_claim_asks_for_more_runs():
    equal = {n: distance_evidence(("mnist",), glf=10.0, vae_flow_prior=10.0, n=n) for n in (5, 12)}
    assert "--seeds 10" in first_finding(5, equal[5]).command
    assert "--seeds 24" in first_finding(5, equal[12]).command


def test_each_diverged_run_is_replaced_by_another_seed():
    evidence = distance_evidence(("mnist",), glf=10.0, vae_flow_prior=20.0, n=12)
    assert "--seeds 14" in first_finding(5, with_diverged(evidence, "glf", 11)).command
    assert first_finding(5, with_diverged(evidence, "glf")).command == ""


@pytest.mark.parametrize(("number", "helps"), [(5, True), (8, False), (9, True), (14, False)])
def test_no_command_is_given_if_no_run_at_the_preset_would_decide(number, helps):
    """This holds with a run of one of the claim's models and without any run."""
    models = claim_by_number(number).models
    for model in (*models[:1], "glann"):
        evidence = make_evidence([fake_evaluation(model, "mnist", 0, 1.0, preset="quick")], preset="quick")
        finding = first_finding(number, evidence)
        assert (finding.answer, finding.dataset, bool(finding.command)) == (
            NOT_TESTED if helps else NOT_DECIDABLE, "mnist", helps)  # fmt: skip


@pytest.mark.parametrize("number", [8, 9, 11])
def test_a_shortened_budget_cannot_contradict_a_claim_of_values(number):
    for evidence in CASES[number].contradicting:
        frames = (frame.assign(preset="quick") for frame in (evidence.evaluations, evidence.epochs))
        verdict = claim_by_number(number).verdict(make_evidence(*frames, preset="quick"))
        assert verdict.answer == NOT_DECIDABLE
        assert all("the paper’s budget" in f.reason and not f.command for f in verdict.findings)


def test_a_finding_names_the_part_of_the_papers_setting_that_a_contradiction_needs():
    evidence = regularized_endings(one="done", ten="done")
    frames = (
        frame.assign(dataset="letters")
        for frame in (evidence.evaluations.assign(protocol_row="mnist"), evidence.epochs)
    )
    finding = first_finding(9, make_evidence(*frames))
    assert finding.reason.endswith("other images can cause that; only runs with the paper’s images can contradict it")
    assert first_finding(9, moved_to_digits(evidence)).reason.endswith(
        "another budget or other images can cause that; only runs with the paper’s budget and images can contradict it"
    )


@pytest.mark.parametrize("number", [1, 5, 6, 8, 9, 10, 11, 14])
def test_a_claim_is_judged_on_other_data_sets_if_there_are_no_others(number):
    """The full budget on digits is ours and not the paper's, so it cannot contradict claims of values or times."""
    claim = claim_by_number(number)
    support, contradict, *_ = ([claim.verdict(moved_to_digits(one)) for one in pieces] for pieces in CASES[number])
    assert {f.dataset for verdict in (*support, *contradict) for f in verdict.findings} == {"digits"}
    assert {v.answer for v in support} == {NOT_DECIDABLE if number in (8, 14) else SUPPORTED}
    assert (CONTRADICTED in {v.answer for v in contradict}) is (number not in (8, 9, 11, 14))


def test_a_claim_is_judged_on_the_papers_data_sets_if_there_are_any():
    evaluations = beta_sweep(VARIANCES, "posterior_var").evaluations
    digits = evaluations.assign(dataset="digits", key=evaluations["key"] + "d")
    findings = claim_by_number(8).verdict(make_evidence(pd.concat([evaluations, digits]))).findings
    assert {f.dataset for f in findings} == {"cifar10"}


@pytest.mark.parametrize("number", [3, 13, 15])
def test_an_interval_that_is_compared_with_a_margin_has_no_p_value(number):
    """The p-value of "no difference" would answer another question."""
    for evidence in (CASES[number].supporting[0], CASES[number].contradicting[0]):
        for finding in claim_by_number(number).verdict(evidence).findings:
            assert np.isnan(finding.effect.p)
