"""Properties of the single models, as their papers describe them."""

from statistics import NormalDist

import pytest
import torch
from torch import nn

import zoo
from benchmarks.data import datasets
from benchmarks.protocols import Schedule
from benchmarks.training.loop import train
from zoo import wae
from zoo.base import evaluating, to_float
from zoo.losses import gaussian_kl, sse
from zoo.vae import FlowPosteriorVAE, FlowPriorVAE

SIZES = {"image_shape": (1, 8, 8), "nz": 8, "k": 16}


@pytest.fixture(scope="module")
def images():
    return datasets.load("digits", None).train.canonical(256).images


@pytest.fixture
def x(images):
    return to_float(images[:64])


def gradients(parameters, loss):
    return torch.autograd.grad(loss, [*parameters], allow_unused=True)


def shake(module):
    """Add noise to weights, because a new flow is only a permutation."""
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.1 * torch.randn_like(p))


# --- GLF (Section 3)


def test_with_stop_gradient_the_encoder_s_gradient_is_that_of_the_reconstruction(x):
    model = zoo.build("glf", **SIZES, beta=3.0)
    shake(model.flow)
    whole = gradients(model.encoder.parameters(), model.loss(x)[0])
    alone = gradients(model.encoder.parameters(), 3 * 0.5 * sse(x, model.decoder(model.encoder(x))))
    assert all(torch.equal(a, b) for a, b in zip(whole, alone, strict=True))


def test_without_stop_gradient_the_likelihood_changes_the_encoder_s_gradient(x):
    model = zoo.build("glf-regularized", **SIZES)
    shake(model.flow)
    whole = gradients(model.encoder.parameters(), model.loss(x)[0])
    alone = gradients(model.encoder.parameters(), model.beta * 0.5 * sse(x, model.decoder(model.encoder(x))))
    assert not torch.allclose(whole[-1], alone[-1], rtol=1e-3)


def test_the_flows_gradient_does_not_depend_on_beta(x):
    one, other = (zoo.build("glf", **SIZES, beta=beta) for beta in (1.0, 50.0))
    other.load_state_dict(one.state_dict())
    a, b = (gradients(m.flow.parameters(), m.loss(x)[0]) for m in (one, other))
    assert all(torch.allclose(g, h, rtol=1e-4, atol=1e-7) for g, h in zip(a, b, strict=True))


def test_without_stop_gradient_latents_shrink_and_with_it_they_do_not(images):
    """Section 3.3: shrinking the latents increases their likelihood."""
    spread = {}
    for stop in (True, False):
        torch.manual_seed(0)
        model = zoo.build("glf", **SIZES, beta=1e-3, stop_gradient=stop)
        rows = [e.row for e in train(model, images, {"train": Schedule(30, 64, 1e-3)})]
        spread[stop] = [row["latent_std"] for row in rows]
        nll = [row["nll"] for row in rows]
    assert spread[False][-1] < 0.5 * spread[False][0]
    assert spread[True][-1] > 2 * spread[False][-1]
    assert nll[-1] < nll[0] - 5  # regularized GLF: the likelihood grows without limit


def test_two_stage_glf_trains_its_flow_on_the_finished_latents(images):
    model = zoo.build("glf-two-stage", **SIZES)
    stages = model.stages(images)
    first = next(stages)
    assert "flow" not in first.updates[0].groups
    shake(model.encoder)
    second = next(stages)
    assert torch.equal(second.data()[0], model.encode(images))
    assert [*second.updates[0].groups] == ["flow"]


# --- VAEs (Sections 2, 3.4)


def test_the_objective_of_vae_equals_a_hand_computation(x):
    model = zoo.build("vae", **SIZES, beta=2.0)
    torch.manual_seed(5)
    objective, parts = model.loss(x)
    torch.manual_seed(5)
    mu, logvar = model.encoder(x)
    y = model.decoder(mu + (0.5 * logvar).exp() * torch.randn_like(mu))
    assert objective.item() == pytest.approx((sse(x, y) + gaussian_kl(mu, logvar)).item(), rel=1e-5)
    assert parts["kl"].item() == pytest.approx(gaussian_kl(mu, logvar).item())


def test_a_flow_posterior_is_a_flow_prior_with_the_flow_before_the_decoder(x):
    """The same draws give the same objective."""
    posterior = FlowPosteriorVAE((1, 8, 8), 8, 16, beta=2.0).double()
    shake(posterior.flow)
    prior = FlowPriorVAE((1, 8, 8), 8, 16, beta=2.0).double()
    prior.encoder, prior.flow = posterior.encoder, posterior.flow

    class Composed(nn.Module):
        def forward(self, z):
            return posterior.decoder(posterior.flow(z)[0])

    prior.decoder = Composed()
    x = x.double()
    torch.manual_seed(7)
    one = posterior.loss(x)[0]
    torch.manual_seed(7)
    other = prior.loss(x)[0]
    assert one.item() == pytest.approx(other.item(), abs=1e-5)


def test_a_conditional_flow_posterior_sees_the_image(x):
    model = zoo.build("vae-flow-posterior-conditional", **SIZES)
    shake(model.flow)
    z0, h = torch.randn(64, 8), model.encoder.features(x)
    assert not torch.allclose(model.transform(z0, h)[0], model.transform(z0, h.flip(0))[0])


def test_with_a_new_flow_the_flow_prior_s_divergence_is_the_kl_of_vae(x):
    """A new flow is a permutation, so its prior is N(0, I), and nll + entropy estimates the KL divergence."""
    prior = zoo.build("vae-flow-prior", **SIZES)
    kls, parts = [], {}
    with torch.no_grad():
        for _ in range(400):
            _, parts = prior.loss(x)
            kls.append((parts["nll"] + parts["entropy"]).item())
    kl = gaussian_kl(*prior.encoder(x)).item()
    assert sum(kls) / len(kls) == pytest.approx(kl, rel=0.02)


def test_without_noise_the_flow_prior_s_objective_is_regularized_glf_plus_entropy(x):
    """Section 3.4, in the limit of zero posterior variance."""
    prior = zoo.build("vae-flow-prior", **SIZES)
    shake(prior.flow)
    glf = zoo.build("glf", **SIZES, stop_gradient=False)
    glf.flow, glf.decoder = prior.flow, prior.decoder
    with torch.no_grad():
        prior.encoder.head.weight[8:] = 0
        prior.encoder.head.bias[8:] = -40.0  # standard deviation e^-20
        glf.encoder.load_state_dict(
            dict(zip(glf.encoder.state_dict(), [*prior.encoder.trunk.state_dict().values(),
                 prior.encoder.head.weight[:8], prior.encoder.head.bias[:8]], strict=True))
        )  # fmt: skip
    objective, parts = prior.loss(x)
    assert objective.item() - parts["entropy"].item() == pytest.approx(glf.loss(x)[0].item(), rel=1e-4)


def test_a_learned_variance_has_its_own_group_and_is_trained(images):
    model = zoo.build("vae-learned", **SIZES)
    for epoch in train(model, images, {"train": Schedule(3, 64, {"vae": 1e-3, "gamma": 1e-2})}):
        assert "log_gamma" in epoch.row
    assert model.log_gamma.item() < -0.05


# --- Wasserstein auto-encoders (B.3)


def test_each_update_of_wae_gan_computes_gradients_of_its_own_parameters_only(images):
    model = zoo.build("wae-gan", **SIZES)
    stage = [*model.stages(images)][1]
    batch = to_float(images[:64])
    own = model.autoencoder()
    stage.updates[0].loss(batch)[0].backward(inputs=own)
    assert all(p.grad is None for p in model.adversary.parameters())
    for p in own:
        p.grad = None
    stage.updates[1].loss(batch)[0].backward()
    assert all(p.grad is None for p in own)
    assert all(p.grad is not None for p in model.adversary.parameters())


def test_the_penalty_leaves_no_gradients_in_the_adversary(images):
    """In the loop, the adversary's parameters have no gradients when its first update begins."""
    model, seen = zoo.build("wae-gan", **SIZES), []
    adversary_loss = model.adversary_loss

    def watched(x):
        seen.append([p.grad for p in model.adversary.parameters()])
        return adversary_loss(x)

    model.adversary_loss = watched
    schedules = {"pretrain": Schedule(0, 64, 1e-3), "train": Schedule(1, 64, 1e-3, steps=1)}
    for _ in train(model, images, schedules):
        pass
    assert len(seen) == 1
    assert all(gradient is None for gradient in seen[0])


def test_wae_gan_encodes_each_batch_once(images):
    model = zoo.build("wae-gan", **SIZES)
    schedules = {"pretrain": Schedule(1, 64, 1e-3), "train": Schedule(1, 64, 1e-3)}
    for _ in train(model, images, schedules):
        pass
    norms = [m for m in model.encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    assert [int(m.num_batches_tracked) for m in norms] == [8]  # 4 batches in each of two stages


def test_the_noise_of_wae_is_truncated(x):
    noise = zoo.build("wae-gan", **SIZES).noisy(x) - x
    assert noise.abs().max() <= 0.02 + 1e-6
    assert noise.std().item() == pytest.approx(
        0.0088, rel=0.05
    )  # a normal distribution truncated at two standard deviations has 0.88 of them


def test_truncated_normal_has_the_quantiles_and_variance_of_the_distribution():
    """The variance of N(0, 1) truncated at +-a is 1 - 2 a phi(a) / (2 Phi(a) - 1)."""
    n, normal = 1_000_000, NormalDist()
    middles = (torch.arange(n, dtype=torch.float64) + 0.5) / n  # quadrature: the mean over u is the expectation
    found = wae.truncated_normal(middles)
    variance = 1 - 2 * 2 * normal.pdf(2) / (2 * normal.cdf(2) - 1)
    assert found.mean().item() == pytest.approx(0, abs=1e-12)
    assert found.square().mean().item() == pytest.approx(variance, rel=1e-9)
    at = torch.tensor([-1.5, -0.3, 0.0, 1.9], dtype=torch.float64)
    u = [(normal.cdf(a) - normal.cdf(-2)) / (normal.cdf(2) - normal.cdf(-2)) for a in at.tolist()]
    assert torch.allclose(wae.truncated_normal(torch.tensor(u, dtype=torch.float64)), at, atol=1e-12)
    for dtype in (torch.float64, torch.float32):
        edges = wae.truncated_normal(torch.tensor([0.0, 1.0], dtype=dtype))
        assert edges.abs().max() <= 2
        assert edges.tolist() == pytest.approx([-2, 2], rel=1e-5)


def test_the_prior_of_wae_has_variance_sigma2():
    model = zoo.build("wae-gan", **SIZES, sigma2=2.0)
    z = model.sample_latent(50_000, torch.Generator().manual_seed(0))
    assert z.var().item() == pytest.approx(2, rel=0.02)
    assert model.draw_prior(50_000).var().item() == pytest.approx(2, rel=0.02)


def test_pretraining_moves_mean_and_covariance_of_latents_to_those_of_the_prior(images):
    model = zoo.build("wae-mmd", **SIZES)
    stages = {"pretrain": Schedule(40, 128, 1e-3, betas=(0.5, 0.999)), "train": Schedule(0, 64, 1e-3)}
    for _ in train(model, images, stages):
        pass
    model.train()
    z = model.encoder(to_float(images))
    assert z.mean(0).abs().max() < 0.3
    assert (z.T.cov() - torch.eye(8)).abs().max() < 0.5


# --- Two-Stage VAE (B.4), RAE (B.5)


def test_every_epoch_of_the_second_stage_draws_new_latents_from_the_posterior(images):
    model = zoo.build("two-stage-vae", **SIZES)
    second = [*model.stages(images)][1]
    mu, sigma = model.moments(images)
    (a,), (b,) = second.data(), second.data()
    assert not torch.equal(a, b)
    draws = torch.stack([second.data()[0] for _ in range(600)])
    assert torch.allclose(draws.mean(0), mu, atol=0.25)
    assert draws.std(0).div(sigma).mean().item() == pytest.approx(1, abs=0.01)


def test_the_noise_of_the_second_stage_has_the_learned_standard_deviation(images):
    model = zoo.build("two-stage-vae", **SIZES)
    [*model.stages(images)]
    generator = torch.Generator
    with torch.no_grad(), evaluating(model):
        model.log_gamma_z.fill_(-30.0)
        clean = model.sample_latent(4000, generator().manual_seed(0))
        model.log_gamma_z.fill_(-1.0)
        noisy = model.sample_latent(4000, generator().manual_seed(0))
    assert (noisy - clean).std().item() == pytest.approx(0.3679, rel=0.02)


def test_the_objective_of_rae_equals_a_hand_computation(x):
    model = zoo.build("rae-gmm", **SIZES, gamma=3.0)
    z = model.encoder(x)
    expected = sse(x, model.decoder(z)) + 1.5 * z.square().sum(1).mean()
    assert model.loss(x)[0].item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_decoder_regularizers_of_rae_equal_hand_computations(x):
    plain, l2 = zoo.build("rae-gmm", **SIZES), zoo.build("rae-l2-gmm", **SIZES, decoder_l2=0.5)
    l2.load_state_dict(plain.state_dict())
    weights = sum(p.square().sum() for p in plain.decoder.parameters()).item()
    assert l2.loss(x)[0].item() - plain.loss(x)[0].item() == pytest.approx(0.5 * 64 * weights, rel=1e-4)
    normed = zoo.build("rae-sn-gmm", **SIZES).decoder.eval()
    matrices = [m.weight.flatten(1) for m in normed if isinstance(m, nn.Linear)]
    assert all(torch.linalg.matrix_norm(w, 2).item() == pytest.approx(1, abs=0.15) for w in matrices)


def test_the_mixture_is_fitted_to_latents_in_evaluation_mode(images):
    model = zoo.build("rae-gmm", **SIZES)
    for _ in train(model, images, {"train": Schedule(1, 64, 1e-3)}):
        assert not model.mixture.fitted
    z = model.encode(images).double()
    mean = model.mixture.weights @ model.mixture.means
    assert torch.allclose(mean, z.mean(0), atol=1e-3)
