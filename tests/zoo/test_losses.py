"""Losses, compared with hand computations and with torch.distributions, in float64."""

from math import exp, log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Bernoulli, Normal, kl_divergence

from zoo.losses import (
    RECON,
    binary_loss,
    draw_gaussian,
    gaussian_kl,
    gaussian_nll,
    imq_mmd,
    reconstruction,
    sse,
)
from zoo.vae import negative_entropy
from zoo.wae import covariance


def test_squared_error_is_summed_over_pixels_and_averaged_over_images():
    x, y = torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2)
    y[1] = 3
    assert sse(x, y).item() == (4 + 36) / 2
    assert reconstruction("half-sse")(x, y).item() == (4 + 36) / 4


@given(seed=st.integers(0, 2**31), n=st.integers(1, 5), d=st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_kl_is_that_of_torch_distributions(seed, n, d):
    g = torch.Generator().manual_seed(seed)
    mu, logvar = (torch.randn(n, d, generator=g, dtype=torch.float64) for _ in range(2))
    expected = kl_divergence(Normal(mu, (0.5 * logvar).exp()), Normal(0.0, 1.0)).sum(1).mean()
    assert gaussian_kl(mu, logvar).item() == pytest.approx(expected.item(), rel=1e-9, abs=1e-12)


@given(seed=st.integers(0, 2**31), d=st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_entropy_is_that_of_torch_distributions(seed, d):
    logvar = torch.randn(3, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    expected = Normal(torch.zeros(3, d).double(), (0.5 * logvar).exp()).entropy().sum(1).mean()
    assert negative_entropy(logvar).item() == pytest.approx(-expected.item(), rel=1e-9)


def test_the_entropy_at_the_paper_s_posterior_variance_is_that_of_figure_3b():
    """With variance 1e-4 in 64 dimensions, it is 294.7 nats plus constants."""
    constants = negative_entropy(torch.zeros(1, 64)).item()
    assert negative_entropy(torch.full((1, 64), log(1e-4))).item() - constants == pytest.approx(294.7, abs=0.05)


def test_the_loss_with_learned_variance_equals_a_hand_computation():
    x, y = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    expected = 4 / (2 * exp(0.6)) + 4 * 0.3
    assert gaussian_nll(x, y, torch.tensor(0.3)).item() == pytest.approx(expected)


def test_the_loss_with_learned_variance_is_minimal_at_the_mean_squared_error():
    x, y = torch.rand(5, 3, 4, 4).double(), torch.rand(5, 3, 4, 4).double()
    log_gamma = (0.5 * (x - y).square().mean().log()).requires_grad_()
    (gradient,) = torch.autograd.grad(gaussian_nll(x, y, log_gamma), log_gamma)
    assert gradient.item() == pytest.approx(0, abs=1e-10)


def test_bce_is_a_bernoulli_likelihood():
    x, y = torch.randint(2, (3, 1, 4, 4)).double(), torch.rand(3, 1, 4, 4).double()
    expected = -Bernoulli(probs=y).log_prob(x).flatten(1).sum(1).mean()
    assert RECON["bce"](x, y).item() == pytest.approx(expected.item())


def test_the_adversary_s_loss_equals_a_hand_computation():
    logits = torch.tensor([[0.0], [2.0]])
    assert binary_loss(logits, 1.0).item() == pytest.approx((log(2) + log(1 + exp(-2))) / 2)
    assert binary_loss(logits, 0.0).item() == pytest.approx((log(2) + log(1 + exp(2))) / 2)


def test_reparameterized_draws_have_the_given_mean_and_variance():
    mu, logvar = torch.full((200_000, 1), 3.0), torch.full((200_000, 1), log(0.25))
    z = draw_gaussian(mu, logvar)
    assert z.mean().item() == pytest.approx(3, abs=0.01)
    assert z.std().item() == pytest.approx(0.5, rel=0.01)


def test_mmd_equals_a_hand_computation():
    """Each sample has two points in one dimension."""
    z, p = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [2.0]])
    total = 0.0
    for scale in (0.1, 0.2, 0.5, 1, 2, 5, 10):
        c = 2 * 1 * 3.0 * scale
        k = lambda square, c=c: c / (c + square)  # noqa: E731
        total += k(1) + k(4) - 2 * (k(0) + k(4) + k(1) + k(1)) / 4
    assert imq_mmd(z, p, 3.0).item() == pytest.approx(total, abs=1e-6)


def test_mmd_is_small_for_equal_distributions_and_large_for_different_ones():
    same = imq_mmd(torch.randn(500, 8), torch.randn(500, 8), 1.0)
    apart = imq_mmd(3 + torch.randn(500, 8), torch.randn(500, 8), 1.0)
    assert abs(same) < 0.02 < 1 < apart


@pytest.mark.parametrize(("n", "nz"), [(2, 3), (64, 8), (100, 20), (100, 64)])
def test_the_covariance_of_latents_has_the_bits_of_torch_cov(n, nz):
    z, other = (torch.randn(n, nz, generator=torch.Generator().manual_seed(n)).requires_grad_() for _ in range(2))
    own, its = covariance(z), other.T.cov()
    assert torch.equal(own, its)
    own.square().mean().backward()
    its.square().mean().backward()
    assert torch.equal(z.grad, other.grad)
