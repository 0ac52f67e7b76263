"""The coupling flow against autograd and closed forms, in float64."""

from math import exp, log, pi

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from zoo.flows import Coupling, Flow, Permutation, check_coverage


def random_flow(nz, k=16, **more):
    """A flow in float64 with random weights, also in its last layers."""
    flow = Flow(nz, k, **more).double()
    with torch.no_grad():
        for p in flow.parameters():
            p.copy_(0.1 * torch.randn_like(p))
    return flow


@given(half=st.integers(1, 12), seed=st.integers(0, 2**31), bound=st.sampled_from([0.0, 1.0]))
@settings(max_examples=25, deadline=None)
def test_inverse_undoes_the_flow(half, seed, bound):
    torch.manual_seed(seed)
    flow = random_flow(2 * half, bound=bound)
    z = torch.randn(20, 2 * half, dtype=torch.float64)
    assert (flow.inverse(flow(z)[0]) - z).abs().max() < 1e-10
    assert (flow(flow.inverse(z))[0] - z).abs().max() < 1e-10


@pytest.mark.parametrize("bound", [0.0, 2.0])
def test_log_determinant_is_that_of_autograds_jacobian(bound):
    flow = random_flow(8, bound=bound)
    for z in torch.randn(5, 8, dtype=torch.float64):
        jacobian = torch.autograd.functional.jacobian(lambda v: flow(v[None])[0][0], z)
        sign, logdet = torch.linalg.slogdet(jacobian)
        assert abs(sign) == 1
        assert flow(z[None])[1].item() == pytest.approx(logdet.item(), abs=1e-9)


def test_the_flow_and_its_inverse_depend_on_the_context():
    flow = random_flow(6, context=3)
    z, c = torch.randn(4, 6).double(), torch.randn(4, 3).double()
    eps, _ = flow(z, c)
    assert (flow.inverse(eps, c) - z).abs().max() < 1e-10
    assert not torch.allclose(eps, flow(z, c + 1)[0])


def test_the_density_of_a_new_flow_is_the_standard_normal():
    z = torch.randn(7, 10).double()
    expected = -0.5 * z.square().sum(1) - 5 * log(2 * pi)
    assert torch.allclose(Flow(10, 8).double().log_prob(z), expected, atol=1e-12)


def test_density_integrates_to_one():
    flow = random_flow(2)
    axis = torch.linspace(-9, 9, 361, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis)
    assert flow.log_prob(points).exp().sum().item() * (axis[1] - axis[0]).item() ** 2 == pytest.approx(1, abs=1e-3)


@given(half=st.integers(1, 40), seed=st.integers(0, 2**31), blocks=st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_every_dimension_is_transformed_once_per_block(half, seed, blocks):
    """This holds for all draws of the random permutations."""
    torch.manual_seed(seed)
    at, count = torch.arange(2 * half), torch.zeros(2 * half, dtype=torch.long)
    for layer in Flow(2 * half, 2, blocks=blocks).layers:
        if isinstance(layer, Coupling):
            count[at[half:]] += 1
        else:
            at = at[layer.index]
    assert (count == blocks).all()


def test_couplings_that_skip_a_dimension_are_rejected():
    stay = Permutation(torch.arange(4))
    with pytest.raises(ValueError, match=r"does not transform the dimensions \[0, 1\]"):
        check_coverage([Coupling(4, 2), stay, Coupling(4, 2), stay], 4)


def test_the_scale_is_not_bounded():
    coupling = Coupling(4, 3)
    last = coupling.net[-1]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.bias.copy_(torch.tensor([10.0, -10.0, 0.0, 0.0]))
    y, logdet = coupling(torch.tensor([[0.0, 0.0, 1.0, 1.0]]))
    assert y[0, 2].item() == pytest.approx(exp(10), rel=1e-5)
    assert y[0, 3].item() == pytest.approx(exp(-10), rel=1e-5)
    assert logdet.item() == pytest.approx(0, abs=1e-5)


def test_the_bounded_variant_is_bounded():
    coupling = Coupling(4, 3, bound=1.0)
    with torch.no_grad():
        coupling.net[-1].bias.fill_(50.0)
    s, _ = coupling.scale_shift(torch.zeros(1, 2), None)
    assert torch.allclose(s, torch.ones(1, 2))


def test_permutations_are_saved_with_the_weights():
    torch.manual_seed(1)
    one = random_flow(12)
    torch.manual_seed(2)
    other = Flow(12, 16).double()
    z = torch.randn(3, 12).double()
    assert not torch.equal(one(z)[0], other(z)[0])
    other.load_state_dict(one.state_dict())
    assert torch.allclose(one(z)[0], other(z)[0], rtol=0, atol=1e-12)


@pytest.mark.slow
def test_a_flow_learns_latents_much_narrower_than_its_noise():
    """The latents are N(0, 0.1^2 I) in 64 dimensions; the flow must come within 2 % of the scale and 0.5 nats."""
    torch.manual_seed(0)
    flow, d, scale, steps = Flow(64, 64), 64, 0.1, 1500
    optimizer = torch.optim.Adam(flow.parameters(), lr=2e-3, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        loss = -flow.log_prob(scale * torch.randn(512, d)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        z = flow.sample(20_000, torch.Generator().manual_seed(1))
        nll = -flow.log_prob(scale * torch.randn(20_000, d)).mean().item()
    assert z.std().item() == pytest.approx(scale, rel=0.02)
    assert z.std(0).div(scale).sub(1).abs().max() < 0.1
    optimum = d * (0.5 + log(scale))  # -115.4, without the constant d/2 log 2 pi
    assert nll - d / 2 * log(2 * pi) == pytest.approx(optimum, abs=0.5)
