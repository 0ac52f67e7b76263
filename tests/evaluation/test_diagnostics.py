"""Diagnostics of latents on cases with a known answer."""

import math

import pytest
import torch

import zoo
from benchmarks.data.datasets import load
from benchmarks.evaluation.diagnostics import diagnose, latent_mismatch
from zoo.base import evaluating

SHAPE, NZ, K = (1, 8, 8), 8, 16


def gaussian(n, nz=4, seed=0):
    return torch.randn(n, nz, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_latents_from_the_density_have_no_mismatch():
    p = gaussian(200_000)
    found = latent_mismatch(gaussian(100_000, seed=1), p)
    assert found["prior_mean"] < 0.02
    assert found["prior_cov"] < 0.02
    assert latent_mismatch(p, p) == {"prior_mean": pytest.approx(0, abs=1e-9), "prior_cov": pytest.approx(0, abs=1e-9)}


def test_mean_and_covariance_are_in_units_of_the_density_whatever_its_shape():
    """q is p, shifted by two standard deviations in one direction and scaled by two in all."""
    p = gaussian(1000)
    q = 2 * (p - p.mean(0)) + p.mean(0)
    factor = torch.linalg.cholesky(p.T.cov())
    q = q + factor @ torch.tensor([2.0, 0, 0, 0], dtype=torch.float64)
    mix = gaussian(4, seed=3) + 3 * torch.eye(4, dtype=torch.float64)
    for a, b in ((q, p), (q @ mix + 5, p @ mix + 5)):
        found = latent_mismatch(a, b)
        assert found["prior_mean"] == pytest.approx(2, rel=1e-6)
        assert found["prior_cov"] == pytest.approx(3, rel=1e-6)  # 4 times the variance, less 1


def test_a_singular_density_has_no_mismatch_value():
    assert latent_mismatch(gaussian(100), torch.zeros(100, 4, dtype=torch.float64)) == {}


def test_posterior_var_is_the_variance_of_the_encoder():
    """One encoder has log-variance -3 everywhere; the other has no noise."""
    torch.manual_seed(0)
    model = zoo.build("vae", image_shape=SHAPE, nz=NZ, k=K).eval()
    head = [m for m in model.encoder.modules() if isinstance(m, torch.nn.Linear)][-1]
    with torch.no_grad():
        head.weight[NZ:].zero_()
        head.bias[NZ:].fill_(-3)
    assert diagnose(model, load("digits", None))["posterior_var"] == pytest.approx(math.exp(-3), rel=0.05)
    glf = zoo.build("glf", image_shape=SHAPE, nz=NZ, k=K)
    assert diagnose(glf, load("digits", None))["posterior_var"] == 0


def test_a_vae_knows_its_prior():
    torch.manual_seed(0)
    model = zoo.build("vae", image_shape=SHAPE, nz=NZ, k=K)
    z = torch.randn(5, NZ)
    expected = torch.distributions.Normal(0, 1).log_prob(z).sum(1)
    assert torch.allclose(model.log_prob(z), expected)
    wae = zoo.build("wae-gan", image_shape=SHAPE, nz=NZ, k=K, sigma2=4.0)
    assert torch.allclose(wae.log_prob(z), torch.distributions.Normal(0, 2).log_prob(z).sum(1), atol=1e-5)


@pytest.mark.parametrize("name", ["vae", "vae-flow-prior", "glf", "wae-gan"])
def test_a_density_integrates_to_one(name):
    """By importance sampling with a wider Gaussian; a new flow is N(0, I), permuted."""
    torch.manual_seed(0)
    model = zoo.build(name, image_shape=SHAPE, nz=2, k=K)
    z = 2 * torch.randn(200_000, 2)
    weight = (model.log_prob(z) - torch.distributions.Normal(0, 2).log_prob(z).sum(1)).exp()
    assert weight.mean().item() == pytest.approx(1, abs=0.02)


def test_draws_from_q_are_reproducible_and_spread_around_the_mean():
    torch.manual_seed(0)
    model = zoo.build("vae", image_shape=SHAPE, nz=NZ, k=K)
    x = load("digits", None).test.images[:1].repeat(2000, 1, 1, 1)
    one, two = (model.encode(x, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(one, two)
    with evaluating(model):
        mu, logvar = model.encoder(x[:1].float() / 255)
    assert torch.allclose(one.mean(0), mu[0], atol=0.1)
    assert torch.allclose(one.std(0), (0.5 * logvar[0]).exp(), rtol=0.1)
    assert not torch.equal(model.encode(x)[0], one[0])


def test_a_deterministic_encoder_has_nothing_to_draw():
    torch.manual_seed(0)
    model = zoo.build("glf", image_shape=SHAPE, nz=NZ, k=K)
    x = load("digits", None).test.images[:20]
    assert torch.equal(model.encode(x), model.encode(x, torch.Generator().manual_seed(1)))


def test_a_vaes_likelihood_of_latents_is_that_of_its_prior():
    """The encoder gives N(0, I) for every image, so q(z) is p(z), whose entropy is nz / 2 log(2 pi e)."""
    torch.manual_seed(0)
    model = zoo.build("vae", image_shape=SHAPE, nz=NZ, k=K)
    for parameter in model.encoder.parameters():
        torch.nn.init.zeros_(parameter)
    found = diagnose(model, load("digits", None))
    assert found["latent_nll"] == pytest.approx(NZ / 2 * math.log(2 * math.pi * math.e), rel=0.05)
    assert found["prior_mean"] < 0.3
    assert found["latent_std"] == 0


def test_a_density_without_a_closed_form_has_no_likelihood():
    torch.manual_seed(0)
    model = zoo.build("two-stage-vae", image_shape=SHAPE, nz=NZ, k=K)
    model.begun.fill_(True)
    found = diagnose(model, load("digits", None))
    assert found["latent_nll"] is None
    assert all(found[name] is not None for name in ("prior_mean", "prior_cov", "recon_sse"))
