"""The residual network: shapes, number of features, and what standardizes them."""

import pytest
import torch

from benchmarks.evaluation.residual.network import WIDTHS, make_network


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 33, 33), (3, 64, 64), (3, 256, 256)])
def test_images_of_every_size_have_64_features(shape):
    net = make_network(shape, 7).eval()
    x = torch.rand(2, *shape)
    with torch.no_grad():
        assert net.features(x).shape == (2, 64)
        assert net(x).shape == (2, 7)


def test_no_layer_is_wider_than_10000_images_can_estimate():
    assert max(WIDTHS) <= 64


def test_the_first_stage_has_at_most_32_pixels_a_side():
    """So that large images cost no more than their strided convolutions."""
    sides = []
    net = make_network((3, 256, 256), 2).eval()
    blocks = [module for module in net.modules() if type(module).__name__ == "ResidualBlock"]
    blocks[0].register_forward_hook(lambda module, inputs, output: sides.append(output.shape[-1]))
    with torch.no_grad():
        net(torch.rand(1, 3, 256, 256))
    assert sides == [32]


def test_features_of_training_batches_have_mean_0_and_variance_1():
    net = make_network((3, 16, 16), 3).train()
    features = net.features(torch.rand(64, 3, 16, 16))
    assert features.mean(0).abs().max() < 1e-5
    assert (features.var(0, correction=0) - 1).abs().median() < 1e-2  # of dead channels it is less


def test_logits_are_linear_in_the_features():
    net = make_network((1, 8, 8), 3).eval()
    x = torch.rand(5, 1, 8, 8)
    with torch.no_grad():
        assert torch.equal(net(x), net.head(net.features(x)))


def test_gray_levels_are_normalized_by_the_stored_moments():
    net, other = make_network((1, 8, 8), 3).eval(), make_network((1, 8, 8), 3).eval()
    other.load_state_dict(net.state_dict())
    other.mean.fill_(0.25)
    other.std.fill_(0.5)
    x = torch.rand(4, 1, 8, 8)
    with torch.no_grad():
        assert torch.allclose(other.features(0.25 + 0.5 * x), net.features(x), atol=1e-5)
