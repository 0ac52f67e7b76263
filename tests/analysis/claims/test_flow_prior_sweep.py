"""Claims about the β of the VAE with a flow prior: the effect that decides is shown."""

from dataclasses import replace

import numpy as np
import pytest
from claim_cases import CASES, FALLING, RISING, VARIANCES, first_finding
from fake_evidence import beta_sweep, moved_to_digits, with_diverged

from benchmarks.analysis.claims import CONTRADICTED, INCONCLUSIVE, NOT_DECIDABLE, OPEN_ANSWERS
from benchmarks.analysis.claims.finding import FLOW_PRIORS
from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.statistics import welch_t_test


@pytest.mark.parametrize(("glf", "beta", "value"), [(20.0, 400, -8.0), (99.0, 1, -69.0)])
def test_a_gap_of_the_other_sign_is_shown_if_it_decides(glf, beta, value):
    """The gap shrinks significantly, too, but that test does not decide and is not shown."""
    finding = first_finding(6, beta_sweep(FALLING, glf=glf))
    assert finding.answer == CONTRADICTED
    assert finding.text.endswith(f"; at β = {beta} the VAE is ahead of GLF")
    assert f"β = {beta} being ahead of GLF" in finding.test
    assert finding.effect.value == pytest.approx(value)
    assert finding.effect_name == f"VAE + flow prior{' (β = 400)' if beta == 400 else ''} minus GLF"
    assert finding.effect.high < 0
    assert 0 < finding.effect.p < 0.05


def test_a_gap_is_judged_by_all_its_comparisons_together():
    """The change is significant by itself (p < 0.05), but not among seven comparisons."""
    evidence = beta_sweep((20.0, 19.0, 18.0, 17.0, 16.0), glf=10.0, n=3)
    evaluations = evidence.evaluations.copy()
    is_end = evaluations["model"].isin([FLOW_PRIORS[1], FLOW_PRIORS[400]])
    evaluations.loc[is_end, "fid"] = evaluations.loc[is_end, "fid"] + np.tile([-1.4, 0.0, 1.4], 2)
    finding = first_finding(6, replace(evidence, evaluations=evaluations))
    large, one = (evaluations.loc[evaluations["model"].eq(FLOW_PRIORS[beta]), "fid"] for beta in (400, 1))
    assert welch_t_test(large, one).p < 0.05 < finding.effect.p
    assert (finding.answer, finding.effect_name) == (INCONCLUSIVE, "VAE + flow prior (β = 400) minus VAE + flow prior")
    assert "Holm over 7" in finding.test


@pytest.mark.parametrize(("number", "evidence", "winner"), [
    (6, beta_sweep(FALLING), FLOW_PRIORS[400]),
    (6, beta_sweep(FALLING), "glf"),
    (6, beta_sweep(RISING), FLOW_PRIORS[1]),
    (6, beta_sweep(FALLING, glf=20.0), FLOW_PRIORS[400]),
    (7, beta_sweep(FALLING, learned=40.0), FLOW_PRIORS[400]),
    (7, beta_sweep(FALLING, learned=11.0), "vae-flow-prior-learned"),
])  # fmt: skip
def test_no_beta_wins_by_the_runs_that_did_not_diverge(number, evidence, winner):
    assert first_finding(number, evidence).answer not in OPEN_ANSWERS
    finding = first_finding(number, with_diverged(evidence, winner, 1))
    assert (finding.answer, finding.command) == (NOT_DECIDABLE, "")
    assert finding.reason.startswith("diverged runs of ")


@pytest.mark.parametrize("values", [VARIANCES, VARIANCES[::-1], (1e-3,) * 5])
def test_a_variance_whose_value_cannot_be_judged_supports_nothing(values):
    finding = first_finding(8, moved_to_digits(beta_sweep(values, "posterior_var")))
    assert (finding.answer, finding.command) == (NOT_DECIDABLE, "")
    assert ("shown to fall with β" in finding.reason and "not shown" not in finding.reason) is (values == VARIANCES)
    assert ("the numbers disagree" in finding.reason) is (values == VARIANCES[::-1])
    assert "the paper’s budget" in finding.reason


def test_the_variance_claim_shows_the_part_that_decides():
    rising, wrong_value = (first_finding(8, evidence) for evidence in CASES[8].contradicting)
    assert rising.effect_name == "Kendall’s τ"
    assert wrong_value.effect_name == "log10 of the variance (β = 400) minus −4"
    assert wrong_value.effect.low > 0.5


def test_a_beta_that_a_row_of_settings_scales_is_noted():
    evidence = beta_sweep(VARIANCES, "posterior_var")
    assert "11 times" not in first_finding(8, evidence).text
    digits = evidence.evaluations.assign(dataset="digits", protocol_row="digits", preset="demo")
    assert "11 times" in first_finding(8, Evidence(digits, evidence.epochs, "demo")).text
