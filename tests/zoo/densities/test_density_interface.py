"""What all densities have in common: seeds, resumption, state dicts, errors, and a total probability of one."""

import math

import pytest
import torch

from zoo.base import NotFitted
from zoo.densities import InvalidLatents
from zoo.densities.base import hold_out
from zoo.densities.registry import DENSITIES, parse_density

SHORT = {"epochs": 4, "batch": 50, "k": 8}
SHORT_NAMES = {"flow:long": "flow:long:length=1", "kde": "kde", "gmm": "gmm:3"}
NAMES = [SHORT_NAMES.get(name, name) for name in DENSITIES]
WITH_DENSITY = [name for name in NAMES if name != "second-stage"]


class Interrupted(Exception):
    """Raised by a checkpoint, in place of a signal."""


@pytest.fixture(scope="module")
def z():
    """300 latents in two dimensions: two clusters, one of them skewed."""
    g = torch.Generator().manual_seed(0)
    one, other = torch.randn(150, 2, generator=g), torch.randn(150, 2, generator=g)
    return torch.cat([one + 3, other @ torch.tensor([[1.0, 0.8], [0.0, 0.5]]) - 1])


def build(name, nz=2, **hyper):
    spec = parse_density(name)
    return spec.build(nz, spec.hyper({**SHORT, **hyper}), seed=1)


def tensors(density):
    return dict(density.state_dict())


def assert_equal(one, other):
    assert tensors(one).keys() == tensors(other).keys()
    assert all(torch.equal(tensor, tensors(other)[name]) for name, tensor in tensors(one).items())


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bits(name, z):
    one, again = build(name), build(name)
    one.fit(z, seed=3)
    torch.rand(5)  # the global generator has no effect
    again.fit(z, seed=3)
    assert_equal(one, again)


@pytest.mark.parametrize("name", ["gmm:auto", "flow", "flow:long:length=1", "nsf", "maf", "second-stage", "kde"])
@pytest.mark.parametrize("steps", [1, 3])
def test_a_resumed_fit_has_the_bits_of_an_uninterrupted_one(name, steps, z, tmp_path):
    whole, first, second = build(name), build(name), build(name)
    whole.fit(z, seed=3)
    calls = []

    def interrupt(state):
        calls.append(state)
        if len(calls) == steps:
            torch.save(state(), tmp_path / "state.pt")
            raise Interrupted

    with pytest.raises(Interrupted):
        first.fit(z, seed=3, checkpoint=interrupt)
    assert not first.fitted
    later = []
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    second.fit(z, seed=3, resume=state, checkpoint=later.append)
    assert_equal(whole, second)
    assert whole.chosen == second.chosen
    total = []
    build(name).fit(z, seed=3, checkpoint=total.append)
    assert len(later) == len(total) - steps  # the steps before the interruption are not repeated


@pytest.mark.parametrize("name", NAMES)
def test_a_fit_leaves_the_global_generator_as_it_was(name, z):
    torch.manual_seed(5)
    build(name).fit(z, seed=3)
    after = torch.rand(())
    torch.manual_seed(5)
    assert after == torch.rand(())


@pytest.mark.parametrize("name", NAMES)
def test_the_state_dict_holds_the_whole_density(name, z):
    density, loaded = build(name), build(name)
    density.fit(z, seed=3)
    loaded.load_state_dict(density.state_dict())
    draws = [d.sample(7, torch.Generator().manual_seed(2)) for d in (density, loaded)]
    assert torch.equal(*draws)
    assert draws[0].shape == (7, 2)
    if name in WITH_DENSITY:
        assert torch.equal(density.log_prob(z), loaded.log_prob(z))


@pytest.mark.parametrize("name", WITH_DENSITY)
def test_the_density_in_float64_integrates_to_one(name, z):
    density = build(name).double()
    density.fit(z.double(), seed=3)
    axis = torch.linspace(-30, 30, 601, dtype=torch.float64)
    with torch.no_grad():
        log_prob = torch.cat([density.log_prob(part) for part in torch.cartesian_prod(axis, axis).split(50_000)])
    assert log_prob.dtype == torch.float64
    assert float(log_prob.exp().sum()) * float(axis[1] - axis[0]) ** 2 == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_sampled_before_the_fit(name):
    with pytest.raises(NotFitted, match="call fit first"):
        build(name).sample(1, torch.Generator())


@pytest.mark.parametrize("name", NAMES)
def test_a_latent_that_is_not_finite_is_an_error(name, z):
    z = z.clone()
    z[3, 1], z[5, 0] = math.nan, math.inf
    with pytest.raises(InvalidLatents, match="2 of 300 latents are not finite"):
        build(name).fit(z)


@pytest.mark.parametrize("name", NAMES)
def test_a_constant_dimension_is_an_error(name, z):
    z = torch.cat([z, torch.full((300, 1), 0.5), z[:, :1]], dim=1)
    with pytest.raises(InvalidLatents, match="constant in dimension 2:"):
        build(name, nz=4).fit(z)


def test_fewer_latents_than_components_are_an_error(z):
    with pytest.raises(InvalidLatents, match="40 latents are too few: the density needs at least 41"):
        build("gmm:41").fit(z[:40])


@pytest.mark.parametrize("name", NAMES)
def test_too_few_latents_are_an_error(name, z):
    with pytest.raises(InvalidLatents, match="too few"):
        build(name).fit(z[:1])


def test_latents_of_another_size_are_an_error(z):
    with pytest.raises(InvalidLatents, match=r"expected latents of size \(N, 4\), got \(300, 2\)"):
        build("gmm:3", nz=4).fit(z)


def test_the_held_out_latents_are_no_training_latents(z):
    train, held_out = hold_out(z, seed=4)
    assert (len(train), len(held_out)) == (270, 30)
    assert torch.equal(torch.cat([held_out, train]).sort(0).values, z.sort(0).values)
    assert torch.cdist(held_out, train).min() > 0


def test_early_stopping_keeps_the_best_epoch(z):
    """With a large learning rate, the fit gets worse after some epoch; what it keeps is no worse than any epoch."""
    losses = []
    density = build("flow:long:length=1:patience=3", epochs=60, lr=0.05)
    _, held_out = hold_out(z, seed=3)

    def measure(state):
        losses.append(-density.log_prob(held_out).mean().item())

    density.fit(z, seed=3, checkpoint=measure)
    assert len(losses) == density.chosen["epochs"] + 3
    assert -density.log_prob(held_out).mean().item() == pytest.approx(min(losses), abs=1e-6)
