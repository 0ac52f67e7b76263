"""Each claim on evidence with a known answer, for every answer that it can have."""

import pytest
from claim_cases import CASES, FALLING, first_finding
from fake_evidence import beta_sweep, distance_evidence, make_evidence

from benchmarks.analysis.claims import (
    CLAIMS,
    CONTRADICTED,
    INCONCLUSIVE,
    NOT_DECIDABLE,
    NOT_TESTED,
    OPEN_ANSWERS,
    SUPPORTED,
    claim_by_number,
    judge_claims,
)
from benchmarks.analysis.claims.claim import combine_answers


def cases():
    for number, by_answer in CASES.items():
        answers = (SUPPORTED, CONTRADICTED, INCONCLUSIVE, NOT_TESTED, NOT_DECIDABLE)
        for answer, pieces in zip(answers, by_answer, strict=True):
            for i, evidence in enumerate(pieces):
                yield pytest.param(number, answer, evidence, id=f"{number}-{answer}-{i}")


@pytest.mark.parametrize(("number", "answer", "evidence"), [*cases()])
def test_a_claim_has_the_answer_of_its_evidence(number, answer, evidence):
    verdict = claim_by_number(number).verdict(evidence)
    assert verdict.answer == answer, [(f.dataset, f.answer, f.text) for f in verdict.findings]
    for finding in verdict.findings:
        assert bool(finding.reason) is (finding.answer in OPEN_ANSWERS)
        assert "\n" not in finding.reason
        assert bool(finding.command) is (finding.answer in (NOT_TESTED, INCONCLUSIVE))
        if finding.answer not in OPEN_ANSWERS:  # an answer comes with its test, its size and its records
            assert finding.text
            assert finding.test
            assert finding.effect.low <= finding.effect.value <= finding.effect.high
            assert finding.keys
            assert set(finding.keys) <= set(evidence.runs.index)


def test_every_claim_has_cases_for_each_answer_that_more_runs_can_change():
    assert all(all(by_answer[:4]) for by_answer in CASES.values())
    assert sum(bool(by_answer.not_decidable) for by_answer in CASES.values()) >= 6
    assert {claim.number for claim in CLAIMS} - {*CASES} == {12}  # counted from the modules
    assert [claim.number for claim in CLAIMS] == [*range(1, 19)]


def test_a_claim_of_several_data_sets_says_why_for_each():
    some = distance_evidence(("mnist",), glf=10.0, vae_flow_prior=10.0)
    verdict = claim_by_number(5).verdict(some)
    assert (verdict.answer, verdict.reason) == (NOT_TESTED, (
        "inconclusive on MNIST: GLF is not shown to have a smaller distance than VAE + flow prior; "
        "Fashion, CIFAR-10, CelebA: no measured runs of GLF and VAE + flow prior"
    ))  # fmt: skip
    counted = claim_by_number(12).verdict(make_evidence([]))
    assert (counted.answer, counted.reason.split(":")[0]) == (NOT_DECIDABLE, "CIFAR-10")
    supported = claim_by_number(5).verdict(distance_evidence(glf=10.0, vae_flow_prior=20.0))
    assert supported.reason == ""


@pytest.mark.parametrize(("answers", "combined"), [
    (["supported", "contradicted", "not tested"], "contradicted"),
    (["supported", "not tested", "inconclusive", "not decidable here"], "not tested"),
    (["supported", "inconclusive", "not decidable here"], "inconclusive"),
    (["supported", "not decidable here"], "not decidable here"),
    (["supported", "supported"], "supported"),
])  # fmt: skip
def test_a_claim_is_not_decidable_only_if_no_command_can_change_its_answer(answers, combined):
    assert combine_answers(answers) == combine_answers(answers[::-1]) == combined


def test_every_difference_and_ratio_names_its_two_sides():
    for number, by_answer in CASES.items():
        effects = [f.effect_name for evidence in [*by_answer.supporting, *by_answer.contradicting]
                   for f in claim_by_number(number).verdict(evidence).findings if f.effect]  # fmt: skip
        named = (" minus ", " divided by ", "Kendall’s τ", "NLL in nats of ")
        assert all(any(word in name for word in named) for name in effects), (number, effects)


def test_the_sign_of_a_difference_agrees_with_its_name():
    finding = first_finding(5, distance_evidence(("mnist",), glf=10.0, vae_flow_prior=14.0))
    assert (finding.effect_name, finding.effect.value) == ("GLF minus VAE + flow prior", pytest.approx(-4))
    sweep = first_finding(7, beta_sweep(FALLING, learned=40.0))
    assert sweep.effect_name == "VAE + flow prior (learned γ) minus VAE + flow prior (β = 400)"
    assert sweep.effect.value == pytest.approx(28)


def test_without_runs_every_claim_of_runs_is_not_tested_and_names_a_command():
    for claim, verdict in judge_claims(make_evidence([])):
        if claim.number == 12:
            continue
        assert verdict.answer == NOT_TESTED
        assert all(f.command for f in verdict.findings), claim.number


def test_every_rule_says_when_a_claim_is_supported_and_when_contradicted():
    for claim in CLAIMS:
        support, contradict = claim.rule.split("; contradicted")
        assert len(support) > 20, claim.number
        assert len(contradict) > 20, claim.number
