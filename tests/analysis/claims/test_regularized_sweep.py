"""Claims about the β of regularized GLF: they show the effect that decides, or name the runs that would decide."""

from dataclasses import replace

from claim_cases import first_finding
from fake_evidence import moved_to_digits, nll_evidence, oscillating_curves, regularized_endings

from benchmarks.analysis.claims import INCONCLUSIVE, NOT_DECIDABLE, NOT_TESTED, SUPPORTED
from benchmarks.analysis.claims.finding import FLOW_PRIORS
from benchmarks.analysis.statistics import paired_t_test


def test_undecided_divergence_asks_for_more_runs_only_if_they_can_decide():
    """On CIFAR-10, six runs without divergence contradict the claim. On digits, no run can contradict it.

    On digits, nothing can support it, either, while no run at one β diverges.
    """
    half = regularized_endings(one="diverged", ten="done", n=3)
    finding = first_finding(9, half)
    assert finding.answer == INCONCLUSIVE
    assert "none of six at one contradicts it" in finding.reason
    assert "--seeds 10" in finding.command
    digits = first_finding(9, moved_to_digits(half))
    assert (digits.answer, digits.command) == (NOT_DECIDABLE, "")
    assert "only runs with the paper’s budget and images can contradict it" in digits.reason
    assert "six" not in digits.reason
    few = first_finding(9, moved_to_digits(regularized_endings(one="diverged", ten="diverged", n=2)))
    assert few.answer == NOT_TESTED
    assert "--seeds 10" in few.command


def test_the_sign_that_contradicts_is_shown():
    evidence = nll_evidence(-50.0, -20.0)
    finding = first_finding(11, evidence)
    name, beta = finding.effect_name.removesuffix(")").rsplit(" ", 1)
    assert name == "NLL in nats of VAE + flow prior (β ="
    assert finding.effect.high < 0
    nlls = evidence.last_values("nll", evidence.keys(FLOW_PRIORS[int(beta)], "cifar10"))
    assert finding.effect.p >= paired_t_test(nlls.values).p


def test_a_curve_is_named_by_its_own_metric_and_protocol():
    """The distances are FID under protocol p. The curves use the classifier under protocol c."""
    evidence = oscillating_curves(0.01, 0.2)
    curves = evidence.epochs.rename(columns={"fid": "fd_classifier"})
    finding = first_finding(10, replace(evidence, epochs=curves))
    assert (finding.answer, finding.metric, finding.protocol_id) == (SUPPORTED, "fd_classifier", "c")
