"""A fused flow against the same flow layer by layer, and against autograd, in float64."""

import copy

import pytest
import torch
from engine_cases import GPU
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.flow_gradient import swap_halves
from zoo.flows import Coupling, Flow
from zoo.glf import GLF
from zoo.vae import FlowPosteriorVAE, FlowPriorVAE

MODELS = {
    "glf": lambda: GLF((1, 8, 8), 8, 16),
    "regularized-glf": lambda: GLF((1, 8, 8), 8, 16, stop_gradient=False),
    "vae-flow-prior": lambda: FlowPriorVAE((1, 8, 8), 8, 16),
    "vae-flow-posterior": lambda: FlowPosteriorVAE((1, 8, 8), 8, 16),
}


def random_flow(nz, k, dtype=torch.float64, scale=0.1, **more):
    """A flow with random weights, also in its last layers."""
    flow = Flow(nz, k, **more).to(dtype)
    with torch.no_grad():
        for p in flow.parameters():
            p.copy_(scale * torch.randn_like(p))
    return flow


def objective(eps, logdet):
    """Every output has a different gradient."""
    weights = torch.linspace(-1, 1, eps.numel(), device=eps.device).view_as(eps)
    return (eps.pow(3) * weights).sum() + (logdet * logdet).sum()


def results(flow, z, fused):
    """Outputs and all gradients of a flow, by name; `z` has a gradient if it requires one."""
    flow.fused = fused
    z.grad = None
    flow.zero_grad()
    eps, logdet = flow(z)
    assert ("_Couplings" in type(eps.grad_fn).__name__) == fused
    objective(eps, logdet).backward()
    gradients = {name: p.grad for name, p in flow.named_parameters() if p.requires_grad}
    return {"eps": eps.detach(), "logdet": logdet.detach(), **gradients, **({"z": z.grad} if z.requires_grad else {})}


def assert_close(found, expected, tolerance):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        error = (found[name] - value).abs().max().item()
        assert error <= tolerance * max(1.0, value.abs().max().item()), name


@given(
    half=st.integers(1, 20), k=st.integers(1, 24), blocks=st.integers(1, 4), batch=st.integers(1, 9),
    needs_z=st.booleans(), seed=st.integers(0, 2**31),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_outputs_and_gradients_equal_those_layer_by_layer(half, k, blocks, batch, needs_z, seed):
    torch.manual_seed(seed)
    flow = random_flow(2 * half, k, blocks=blocks)
    z = torch.randn(batch, 2 * half, dtype=torch.float64, requires_grad=needs_z)
    assert_close(results(flow, z, True), results(flow, z, False), 1e-12)


def test_gradients_equal_finite_differences():
    flow = random_flow(6, 5, scale=0.3, blocks=1)
    flow.fused = True
    z = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z, *_: flow(z), (z, *flow.parameters()))


def test_log_determinant_is_that_of_autograds_jacobian():
    flow = random_flow(8, 16)
    flow.fused = True
    for z in torch.randn(5, 8, dtype=torch.float64):
        jacobian = torch.autograd.functional.jacobian(lambda v: flow(v[None])[0][0], z)
        sign, logdet = torch.linalg.slogdet(jacobian)
        assert abs(sign) == 1
        assert flow(z[None])[1].item() == pytest.approx(logdet.item(), abs=1e-9)


def test_float32_agrees_within_its_precision():
    flow = random_flow(64, 64, torch.float32)
    z = torch.randn(256, 64, requires_grad=True)
    assert_close(results(flow, z, True), results(flow, z, False), 1e-4)


def test_two_passes_give_the_same_bits():
    flow = random_flow(16, 8, torch.float32)
    z = torch.randn(20, 16, requires_grad=True)
    one, two = results(flow, z, True), results(flow, z, True)
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("trained", ["weight", "bias", "layers.2.net.4.weight", "layers.6.net.0.bias", "none"])
def test_only_some_parameters_may_need_a_gradient(trained):
    flow = random_flow(6, 5)
    for name, p in flow.named_parameters():
        p.requires_grad = trained in name
    z = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    expected = results(flow, z, False)
    assert_close(results(flow, z, True), expected, 1e-12)
    assert len(expected) - 3 == sum(p.requires_grad for p in flow.parameters())


@pytest.mark.parametrize("ignored", ["eps", "logdet"])
def test_an_output_may_be_ignored(ignored):
    flow, z = random_flow(6, 5), torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    gradients = []
    for fused in (False, True):
        flow.fused = fused
        eps, logdet = flow(z)
        used = logdet if ignored == "eps" else eps
        gradients.append(torch.autograd.grad(used.square().sum(), [z, *flow.parameters()], allow_unused=True))
    for plain, fused in zip(*gradients, strict=True):
        assert torch.allclose(fused, torch.zeros_like(fused) if plain is None else plain, rtol=0, atol=1e-12)


def test_latents_of_any_layout_are_accepted():
    flow = random_flow(6, 5)
    z = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    expected, found = (results(flow, z.t().contiguous().detach(), fused) for fused in (False, True))
    assert_close(results(flow, z.t().detach(), True), expected, 1e-12)
    assert_close(found, expected, 1e-12)


def test_a_second_derivative_is_an_error():
    """An error, not a gradient that misses a part."""
    flow = random_flow(6, 5)
    flow.fused = True
    z = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(objective(*flow(z)), z, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_gradients_accumulate_over_two_backward_passes():
    flow, z = random_flow(6, 5), torch.randn(4, 6, dtype=torch.float64)
    once = results(flow, z, True)
    once = {name: value.clone() for name, value in once.items()}
    objective(*flow(z)).backward()
    for name, p in flow.named_parameters():
        assert torch.allclose(p.grad, 2 * once[name], rtol=0, atol=1e-11)


def test_gradients_of_one_layer_of_all_couplings_are_not_copied():
    """They are slices of one tensor, which one operator computes."""
    flow = random_flow(6, 5)
    results(flow, torch.randn(4, 6, dtype=torch.float64), True)
    first = {module.net[0].weight.grad.untyped_storage().data_ptr() for module in flow.layers[::2]}
    biases = {layer.bias.grad.untyped_storage().data_ptr() for module in flow.layers[::2] for layer in module.net[::2]}
    assert len(first) == len(biases) == 1


def test_mixed_precision_does_not_change_a_bit():
    """A flow is `fp32_only`."""
    flow, z = random_flow(16, 8, torch.float32), torch.randn(20, 16, requires_grad=True)
    expected = results(flow, z, True)
    with torch.autocast("cpu", torch.bfloat16):
        found = results(flow, z, True)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_flow_follows_the_permutations_of_a_loaded_state_dict():
    torch.manual_seed(1)
    one = random_flow(12, 8)
    torch.manual_seed(2)
    other = random_flow(12, 8)
    state = one.state_dict()
    assert not [name for name in state if "swapped" in name]
    other.load_state_dict(state)
    for permutation in other.layers[1::2]:
        assert torch.equal(permutation.swapped_index, swap_halves(permutation.index))
        assert torch.equal(permutation.swapped_back, swap_halves(permutation.back))
    z = torch.randn(5, 12, dtype=torch.float64)
    assert_close(results(other, z, True), results(one, z, False), 1e-12)
    assert_close(results(copy.deepcopy(other), z, True), results(one, z, False), 1e-12)


def layer_by_layer(flow, z):
    """The loop that computed a flow before there was a fused one."""
    logdet = torch.zeros(len(z), dtype=z.dtype, device=z.device)
    for layer in flow.layers:
        if isinstance(layer, Coupling):
            z1, z2 = z.chunk(2, dim=1)
            s, t = layer.net(z1).chunk(2, dim=1)
            z, logdet = torch.cat([z1, z2 * s.exp() + t], dim=1), logdet + s.sum(dim=1)
        else:
            z = z.index_select(1, layer.index)
    return z, logdet


def test_a_cpu_computes_layer_by_layer_by_default():
    """Results on a CPU, and the records made there, keep their bits."""
    flow, z = random_flow(16, 8, torch.float32), torch.randn(20, 16, requires_grad=True)
    assert flow.fused is None
    inputs = [z, *flow.parameters()]
    expected, found = layer_by_layer(flow, z), flow(z)
    assert all(map(torch.equal, found, expected))
    gradients = [torch.autograd.grad(objective(*outputs), inputs) for outputs in (found, expected)]
    assert all(map(torch.equal, *gradients))


def test_what_cannot_be_fused_is_computed_layer_by_layer():
    z = torch.randn(4, 6, dtype=torch.float64)
    for flow, context in [(random_flow(6, 5, bound=1.0), None), (random_flow(6, 5, context=3), z[:, :3])]:
        expected = flow(z, context)
        flow.fused = True
        assert all(map(torch.equal, flow(z, context), expected))
    flow = random_flow(6, 5)
    flow.fused = True
    assert flow.is_fused(z)
    assert not flow.is_fused(z.float())
    with torch.no_grad():
        assert not flow.is_fused(z)
        assert all(map(torch.equal, flow(z), layer_by_layer(flow, z)))


@pytest.mark.parametrize("name", MODELS)
def test_twenty_steps_of_a_model_are_those_with_its_flow_layer_by_layer(name):
    states = []
    for fused in (False, True):
        torch.manual_seed(3)
        model = MODELS[name]().double()
        model.flow.fused = fused
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        objectives = []
        for x in torch.rand(20, 32, 1, 8, 8, dtype=torch.float64):
            loss, _ = model.loss(x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            objectives.append(loss.detach())
        states.append({"objectives": torch.stack(objectives), **dict(model.named_parameters())})
    assert len({round(value.item(), 6) for value in states[0]["objectives"]}) == 20
    with torch.no_grad():
        assert_close(states[1], states[0], 1e-8)


@GPU
def test_a_gpu_fuses_by_default_and_captures_the_same_bits():
    flow, z = random_flow(64, 64, torch.float32).cuda(), torch.randn(256, 64, device="cuda", requires_grad=True)
    assert flow.is_fused(z)
    expected = results(flow, z, True)
    assert_close(expected, results(flow, z, False), 1e-3)
    inputs = [z, *flow.parameters()]
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = flow(z)
        gradients = torch.autograd.grad(objective(*outputs), inputs)
    graph.replay()
    torch.cuda.synchronize()
    assert torch.equal(outputs[0], expected["eps"])
    for (name, _), gradient in zip(flow.named_parameters(), gradients[1:], strict=True):
        assert torch.equal(gradient, expected[name]), name
