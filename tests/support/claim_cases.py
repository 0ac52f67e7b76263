"""Evidence for each answer that a claim can have."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
from fake_evidence import (
    beta_sweep,
    distance_evidence,
    jpeg_evidence,
    make_evidence,
    moved_to_digits,
    nll_evidence,
    oscillating_curves,
    regularized_endings,
    step_time_evidence,
    table1_evidence,
    total_time_evidence,
    with_diverged,
)

from benchmarks.analysis.claims import Finding, claim_by_number
from benchmarks.analysis.evidence import Evidence

FALLING, RISING = (30.0, 25.0, 20.0, 15.0, 12.0), (12.0, 15.0, 20.0, 25.0, 30.0)  # by β, of a beta_sweep
VARIANCES = (1e-1, 1e-2, 1e-3, 4e-4, 1e-4)


class Cases(NamedTuple):
    """The evidence for one claim. An answer with several possible reasons has several pieces."""

    supporting: Sequence[Evidence]
    contradicting: Sequence[Evidence]
    inconclusive: Sequence[Evidence]
    not_tested: Sequence[Evidence]
    not_decidable: Sequence[Evidence] = ()


def joined(*parts: Evidence) -> Evidence:
    """Evidence with the evaluations of all parts."""
    return make_evidence(pd.concat([part.evaluations for part in parts]))


def without_model(evidence: Evidence, model: str) -> Evidence:
    """The same evidence without the runs of a model."""
    return make_evidence(evidence.evaluations[evidence.evaluations["model"] != model])


def first_finding(number: int, evidence: Evidence, results: str = "results/local") -> Finding:
    """The finding of a claim on its first data set."""
    return claim_by_number(number).verdict(evidence, results).findings[0]


# By number of the claim; claim 12 is counted from the modules
CASES: dict[int, Cases] = {
    1: Cases(
        [table1_evidence(10.0)],
        [table1_evidence(10.0, rae_gmm=9.0), table1_evidence(40.0)],
        [table1_evidence(29.9)],
        [distance_evidence(glf=10.0, vae=20.0), without_model(table1_evidence(10.0), "vae")],
        [with_diverged(table1_evidence(10.0), "glf", 1)],
    ),
    2: Cases(
        [table1_evidence(10.0, rae_gmm=20.0), table1_evidence(20.0, rae_gmm=20.0)],
        [table1_evidence(10.0, rae_gmm=40.0), table1_evidence(20.0, rae_gmm=10.0), table1_evidence(30.0, rae_gmm=20.0)],
        [table1_evidence(10.0, rae_gmm=29.9)],
        [distance_evidence(glf=10.0, rae_gmm=20.0), without_model(table1_evidence(10.0, rae_gmm=20.0), "glf")],
        [with_diverged(table1_evidence(20.0, rae_gmm=10.0), "rae-gmm", 1)],
    ),
    3: Cases(
        [distance_evidence(vae=50.0, vae_flow_posterior=50.0), distance_evidence(vae=50.0, vae_flow_posterior=70.0)],
        [distance_evidence(vae=50.0, vae_flow_posterior=30.0)],
        [distance_evidence(vae=50.0, vae_flow_posterior=50.0, spread=0.5)],
        [distance_evidence(vae=50.0)],
    ),
    4: Cases(
        [
            joined(
                distance_evidence(("cifar10", "celeba"), vae=50.0, vae_flow_prior=40.0),
                distance_evidence(("mnist",), vae=50.0, vae_flow_prior=50.0),
            )
        ],
        [distance_evidence(vae=50.0, vae_flow_prior=40.0), distance_evidence(vae=50.0, vae_flow_prior=60.0)],
        [
            joined(
                distance_evidence(("cifar10", "celeba"), vae=50.0, vae_flow_prior=50.0),
                distance_evidence(("mnist",), vae=50.0, vae_flow_prior=50.0),
            )
        ],
        [distance_evidence(("cifar10", "celeba"), vae=50.0, vae_flow_prior=40.0)],
    ),
    5: Cases(
        [distance_evidence(glf=10.0, vae_flow_prior=20.0)],
        [distance_evidence(glf=20.0, vae_flow_prior=10.0)],
        [distance_evidence(glf=10.0, vae_flow_prior=10.0)],
        [distance_evidence(glf=10.0, vae_flow_prior=20.0, n=2)],
    ),
    6: Cases(
        [beta_sweep(FALLING)],
        [beta_sweep(RISING), beta_sweep(FALLING, glf=99.0), beta_sweep(FALLING, glf=20.0)],
        [beta_sweep((20.0,) * 5)],
        [beta_sweep(FALLING, n=2)],
    ),
    7: Cases(
        [beta_sweep(FALLING, learned=40.0)],
        [beta_sweep(FALLING, learned=11.0), beta_sweep(FALLING, learned=12.1)],
        [beta_sweep(FALLING, learned=12.5, spread=0.1)],
        [beta_sweep(FALLING, learned=40.0, n=2), beta_sweep(FALLING)],
    ),
    8: Cases(
        [beta_sweep(VARIANCES, "posterior_var")],
        [beta_sweep(VARIANCES[::-1], "posterior_var"), beta_sweep((*VARIANCES[:3], 2e-2, 1e-2), "posterior_var")],
        [beta_sweep((1e-4,) * 5, "posterior_var")],
        [beta_sweep(FALLING), beta_sweep(VARIANCES, "posterior_var", n=2)],
        [moved_to_digits(beta_sweep(VARIANCES, "posterior_var"))],
    ),
    9: Cases(
        [regularized_endings(one="diverged", ten="diverged"), regularized_endings(one="diverged", ten="worse", n=3)],
        [regularized_endings(one="done", ten="done"), regularized_endings(one="diverged", ten="done", n=6)],
        [regularized_endings(one="half", ten="half"), regularized_endings(one="diverged", ten="done", n=3)],
        [regularized_endings(one="diverged", ten="diverged", n=2)],
        [moved_to_digits(regularized_endings(one="diverged", ten="done"))],
    ),
    10: Cases(
        [oscillating_curves(0.01, 0.2)],
        [oscillating_curves(0.2, 0.01)],
        [oscillating_curves(0.1, 0.1)],
        [oscillating_curves(0.01, 0.2, n=2), distance_evidence(glf=1.0)],
    ),
    11: Cases(
        [nll_evidence(-50.0, 80.0)],
        [nll_evidence(70.0, 80.0), nll_evidence(-50.0, -20.0)],
        [nll_evidence(0.0, 80.0)],
        [nll_evidence(-50.0, 80.0, n=2)],
        [moved_to_digits(nll_evidence(70.0, 80.0))],
    ),
    13: Cases(
        [step_time_evidence(1.05, 1.0)],
        [step_time_evidence(2.0, 1.0)],
        [step_time_evidence(1.25, 1.0)],
        [step_time_evidence(1.0, 1.0, n=2)],
    ),
    14: Cases(
        [total_time_evidence(1.0, 3.0)],
        [total_time_evidence(9.0, 1.0)],
        [total_time_evidence(2.0, 1.0)],
        [total_time_evidence(1.0, 3.0, n=2)],
        [total_time_evidence(1.0, 3.0, preset="quick")],
    ),
    15: Cases(
        [distance_evidence(glf=50.0, glf_two_stage=50.0)],
        [distance_evidence(glf=50.0, glf_two_stage=60.0)],
        [distance_evidence(glf=50.0, glf_two_stage=50.0, spread=0.5)],
        [distance_evidence(glf=50.0)],
    ),
    16: Cases(
        [distance_evidence(glf=50.0, glf_perceptual=40.0)],
        [distance_evidence(glf=40.0, glf_perceptual=50.0)],
        [distance_evidence(glf=50.0, glf_perceptual=50.0)],
        [distance_evidence(glf=50.0)],
    ),
    17: Cases(
        [distance_evidence(wae_gan=40.0, wae_mmd=50.0)],
        [distance_evidence(wae_gan=50.0, wae_mmd=40.0)],
        [distance_evidence(wae_gan=40.0, wae_mmd=40.0)],
        [distance_evidence(wae_gan=40.0)],
        [with_diverged(distance_evidence(wae_gan=40.0, wae_mmd=50.0), "wae-mmd")],
    ),
    18: Cases(
        [jpeg_evidence(0.8)],
        [jpeg_evidence(1.2)],
        [jpeg_evidence(1.0, spread=0.1)],
        [jpeg_evidence(0.8, n=2), distance_evidence(glf=50.0)],
    ),
}
