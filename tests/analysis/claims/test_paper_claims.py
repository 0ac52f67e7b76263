"""The list of claims against evidence whose answer is known: each claim can have every answer."""

import pytest
from claim_cases import CASES
from fake_evidence import make_evidence

from benchmarks.analysis.claims import CLAIMS, CONTRADICTED, SUPPORTED, UNDECIDED, claim_by_number, judge_claims


def cases():
    for number, by_answer in CASES.items():
        for answer, pieces in zip((SUPPORTED, CONTRADICTED, UNDECIDED), by_answer, strict=True):
            for i, evidence in enumerate(pieces):
                yield pytest.param(number, answer, evidence, id=f"{number}-{answer}-{i}")


@pytest.mark.parametrize(("number", "answer", "evidence"), [*cases()])
def test_a_claim_has_the_answer_of_its_evidence(number, answer, evidence):
    verdict = claim_by_number(number).verdict(evidence)
    assert verdict.answer == answer, [(f.dataset, f.answer, f.text) for f in verdict.findings]
    for finding in verdict.findings:
        assert finding.text
        if finding.answer != UNDECIDED:  # an answer comes with its test, its size and its records
            assert finding.test
            assert finding.effect.low <= finding.effect.value <= finding.effect.high
            assert finding.keys
            assert set(finding.keys) <= set(evidence.runs.index)
            assert not finding.command


def test_every_claim_has_cases_for_all_three_answers():
    assert {claim.number for claim in CLAIMS} - {*CASES} == {12}  # counted from the modules
    assert [claim.number for claim in CLAIMS] == [*range(1, 19)]


def test_without_runs_every_claim_is_undecided_and_names_a_command():
    for claim, verdict in judge_claims(make_evidence([])):
        if claim.number == 12:
            continue
        assert verdict.answer == UNDECIDED
        assert all(f.command for f in verdict.findings), claim.number


def test_every_rule_says_when_a_claim_is_supported_and_when_contradicted():
    for claim in CLAIMS:
        support, contradict = claim.rule.split("; contradicted")
        assert len(support) > 20, claim.number
        assert len(contradict) > 20, claim.number
