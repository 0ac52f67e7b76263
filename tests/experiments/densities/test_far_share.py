"""The share of drawn latents that are far from the data."""

import pytest
import torch

from benchmarks.experiments.densities.latents import far_share


def draw(n, seed, scale=1.0):
    return scale * torch.randn(n, 4, generator=torch.Generator().manual_seed(seed)) * torch.tensor([1.0, 10, 0.1, 1])


def test_draws_of_the_same_distribution_have_a_share_of_one_percent():
    assert far_share(draw(5000, 0), draw(2000, 1), draw(2000, 2)) == pytest.approx(0.01, abs=0.005)


def test_copies_of_training_latents_are_not_far():
    train = draw(500, 1)
    assert far_share(train, train, draw(500, 2)) == 0


def test_draws_elsewhere_are_all_far():
    assert far_share(draw(100, 0) + 50, draw(500, 1), draw(500, 2)) == 1


def test_the_scale_of_a_dimension_does_not_matter():
    factor = torch.tensor([3.0, 0.01, 7.0, 1.0])
    z = draw(1000, 0, 1.3), draw(500, 1), draw(500, 2)
    assert far_share(*z) == pytest.approx(far_share(*(part * factor for part in z)), abs=2e-3)
