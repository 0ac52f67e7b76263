"""The claims of ours: on made-up fits whose rank correlations are known."""

import pytest
from density_cases import fit_row
from pandas import DataFrame

from benchmarks.analysis.claims import CLAIMS, CONTRADICTED, INCONCLUSIVE, NOT_TESTED, SUPPORTED
from benchmarks.analysis.claims.our_claims import OUR_CLAIMS, likelihood_orders_densities, rank_correlations

(CLAIM,) = OUR_CLAIMS
MODELS = {"glf": "GLF", "vae": "VAE"}


def fits(nll_by_seed, models=("glf",), **changes):
    """Fits of four densities with distances 1, 2, 3, 4, and the given likelihoods."""
    return DataFrame([
        fit_row(f"gmm:{i}", seed, float(i), model=model, held_out_nll=nll, **changes)
        for model in models for seed, values in enumerate(nll_by_seed) for i, nll in enumerate(values, 1)
    ])  # fmt: skip


SAME, REVERSED, SWAPPED = (5.0, 6.0, 7.0, 8.0), (8.0, 7.0, 6.0, 5.0), (6.0, 5.0, 7.0, 8.0)  # ρ = 1, -1, 0.8


def test_the_rank_correlation_of_each_seed_is_spearmans():
    assert rank_correlations(fits([SAME, REVERSED, SWAPPED])) == pytest.approx({0: 1.0, 1: -1.0, 2: 0.8})


def test_the_models_own_density_and_fits_without_numbers_do_not_count():
    rows = fits([SAME]).to_dict("records")
    others = [fit_row("own", 0, 9.0, held_out_nll=0.0), fit_row("second-stage", 0, 9.0, held_out_nll=None)]
    assert rank_correlations(DataFrame([*rows, *others])) == rank_correlations(DataFrame(rows))
    assert rank_correlations(DataFrame([*rows[:3], *others])) == {}


def test_several_sample_sets_of_a_fit_enter_as_their_mean():
    rows = fits([SAME]).to_dict("records")
    again = [{**row, "draw": 1, "distance": {1.0: 9.0, 2.0: 2.0, 3.0: 3.0, 4.0: 4.0}[row["distance"]]} for row in rows]
    assert rank_correlations(DataFrame([*rows, *again])) == pytest.approx({0: -0.2})  # distances 5, 2, 3, 4


@pytest.mark.parametrize(
    ("nll_by_seed", "answer"),
    [
        ([SAME, SWAPPED, SAME], SUPPORTED),
        ([REVERSED, REVERSED, REVERSED], CONTRADICTED),
        ([SAME, REVERSED, SWAPPED], INCONCLUSIVE),
        ([SAME, SAME], NOT_TESTED),
    ],
)
def test_each_answer_follows_from_its_evidence(nll_by_seed, answer):
    verdict = CLAIM.verdict(fits(nll_by_seed), {"glf": "GLF"}, "mnist")
    assert verdict.answer == answer
    assert bool(verdict.reason) == (answer in (INCONCLUSIVE, NOT_TESTED))


def test_one_auto_encoder_that_contradicts_decides():
    both = DataFrame([
        *fits([SAME] * 3).to_dict("records"),
        *fits([REVERSED] * 3, models=["vae"]).to_dict("records"),
    ])  # fmt: skip
    verdict = CLAIM.verdict(both, MODELS, "mnist")
    assert [finding.answer for finding in verdict.findings] == [SUPPORTED, CONTRADICTED]
    assert verdict.answer == CONTRADICTED


def test_a_finding_names_the_runs_and_its_interval():
    (finding,) = likelihood_orders_densities(fits([SAME, SWAPPED, SWAPPED]), {"glf": "GLF"}, "mnist")
    assert finding.keys == ("glf0", "glf1", "glf2")
    assert finding.effect.value == pytest.approx((1 + 0.8 + 0.8) / 3)
    assert finding.effect.low < finding.effect.value < finding.effect.high


def test_our_claims_are_marked_and_are_none_of_the_papers():
    assert CLAIM.source.startswith("ours")
    assert CLAIM.statement not in {claim.statement for claim in CLAIMS}
