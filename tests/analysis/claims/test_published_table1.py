"""The paper's own Table 1 as evidence."""

import pytest

from benchmarks.analysis.claims import CLAIMS
from benchmarks.analysis.claims.published_table1 import published_evidence


def test_published_evidence_has_the_papers_means_and_deviations():
    sample = published_evidence().distance("vae", "mnist")
    assert (sample.mean, sample.values.std(ddof=1), len(sample)) == pytest.approx((28.2, 0.3, 10))


def test_the_rules_apply_to_the_papers_own_table():
    """Claim 2 is stricter than the paper: the Two-Stage VAE is as good on MNIST, and a VAE is better on CelebA."""
    verdicts = {claim.number: claim.published_verdict for claim in CLAIMS if claim.published_verdict}
    assert {1, 2, 3, 4, 5} <= {*verdicts}
    assert verdicts[1] == "supported on MNIST, supported on Fashion, supported on CIFAR-10, supported on CelebA"
    assert verdicts[2] == ("inconclusive on MNIST, supported on Fashion, supported on CIFAR-10, contradicted on CelebA")
    assert not {8, 9, 12, 13, 14} & {*verdicts}
