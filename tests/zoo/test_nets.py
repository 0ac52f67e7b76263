"""Table 3's networks: their sizes, and the order of their layers."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import zoo
from zoo.base import evaluating
from zoo.flows import Flow
from zoo.nets import Adversary, Decoder, Encoder, GaussianEncoder, SkipMLP, dcgan_widths

MNIST, CIFAR, CELEBA = ((1, 28, 28), 20, 64), ((3, 32, 32), 64, 256), ((3, 64, 64), 64, 256)


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("sizes", "encoder", "decoder", "vae"),
    [
        (MNIST, 6_578_644, 6_597_185, 13_196_329),
        (CIFAR, 8_591_872, 8_616_131, 17_273_603),
        (CELEBA, 33_757_696, 33_855_683, 67_678_979),
    ],
)
def test_encoders_and_decoders_have_the_parameters_of_table_3(sizes, encoder, decoder, vae):
    shape, nz, _ = sizes
    with torch.device("meta"):
        assert count(Encoder(shape, nz)) == encoder
        assert count(Decoder(shape, nz)) == decoder
        assert count(GaussianEncoder(shape, nz)) + decoder == vae
    assert encoder + decoder == {20: 13_175_829}.get(nz, 17_208_003 if shape[1] == 32 else 67_613_379)


@pytest.mark.parametrize(("nz", "encoder", "decoder"), [(20, 2_162_504, 2_141_605), (64, 2_305_152, 2_235_457)])
def test_networks_of_the_second_stage_have_the_counted_parameters(nz, encoder, decoder):
    assert count(SkipMLP(nz, heads=2)) == encoder
    assert count(SkipMLP(nz, heads=1)) + 1 == decoder  # and gamma_z


@pytest.mark.parametrize(("nz", "parameters"), [(20, 799_233), (64, 821_761)])
def test_the_adversary_has_the_counted_parameters_and_one_logit(nz, parameters):
    adversary = Adversary(nz)
    assert count(adversary) == parameters
    assert adversary(torch.zeros(5, nz)).shape == (5, 1)


@pytest.mark.parametrize(("nz", "k", "eight", "four"), [(20, 64, 49_312, 24_656), (64, 256, 725_504, 362_752)])
def test_flows_have_the_counted_parameters(nz, k, eight, four):
    assert count(Flow(nz, k)) == eight
    assert count(Flow(nz, k, blocks=2)) == four


def test_the_parameters_of_a_model_are_those_of_its_networks():
    mnist = {"image_shape": (1, 28, 28), "nz": 20, "k": 64}
    assert count(zoo.build("glf", **mnist)) == 13_175_829 + 49_312
    assert count(zoo.build("vae", **mnist)) == 13_196_329
    assert count(zoo.build("wae-gan", **mnist)) == 13_175_829 + 799_233
    assert count(zoo.build("two-stage-vae", **mnist)) == 13_196_329 + 1 + 2_162_504 + 2_141_605
    assert count(zoo.build("rae-gmm", **mnist)) == 13_175_829


def test_layers_are_in_the_order_of_table_3():
    encoder, decoder = ([type(m) for m in n] for n in (Encoder((1, 28, 28), 20), Decoder((1, 28, 28), 20)))
    assert encoder == [nn.Conv2d, nn.ReLU, nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.Flatten, nn.Linear,
                       nn.BatchNorm1d, nn.ReLU, nn.Linear]  # fmt: skip
    assert decoder == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Unflatten,
                       nn.ConvTranspose2d, nn.BatchNorm2d, nn.ReLU, nn.ConvTranspose2d, nn.Sigmoid]  # fmt: skip


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32)])
def test_networks_return_the_right_shapes_and_the_decoder_pixels_in_0_1(shape):
    images = torch.rand(4, *shape)
    encoder, gaussian, decoder = Encoder(shape, 10), GaussianEncoder(shape, 10), Decoder(shape, 10)
    assert encoder(images).shape == (4, 10)
    assert [m.shape for m in gaussian(images)] == [(4, 10)] * 2
    assert gaussian.features(images).shape == (4, 1024)
    with evaluating(decoder):
        out = decoder(100 * torch.randn(4, 10))
    assert out.shape == (4, *shape)
    assert out.min() >= 0
    assert out.max() <= 1


def test_dcgan_s_widths_halve_from_1024_at_the_smallest_side():
    assert dcgan_widths(64) == [128, 256, 512, 1024]  # DCGAN's own
    assert dcgan_widths(256) == [32, 64, 128, 256, 512, 1024]
    assert dcgan_widths(96) == [128, 256, 512, 1024]  # ends at 6x6
    assert dcgan_widths(104) == [256, 512, 1024]  # ends at 13x13


@pytest.mark.parametrize(("side", "small", "good"), [(252, 63, 256), (100, 25, 104), (68, 17, 72)])
def test_the_error_for_sides_with_few_factors_of_two_names_the_next_valid_side(side, small, good):
    message = f"halved only to {small}x{small}.* next larger size that works is {good}x{good}"
    with pytest.raises(ValueError, match=message):
        zoo.build("vae", image_shape=(3, side, side), nz=8)
    with torch.device("meta"):
        model = zoo.build("vae", image_shape=(3, good, good), nz=64)
    assert max(p.numel() for p in model.parameters()) <= 1024 * 16**2 * 2 * 64  # means and deviations


@given(st.integers(17, 500))
def test_widths_of_every_valid_large_side_end_at_1024(quarter):
    try:
        widths = dcgan_widths(4 * quarter)
    except ValueError as error:
        good = int(str(error).rpartition("x")[2])
        assert 4 * quarter < good < 4 * quarter + 128
        widths = dcgan_widths(good)
    assert widths[-1] == 1024


@pytest.mark.parametrize(("side", "small"), [(72, 9), (96, 6), (128, 4)])
def test_images_above_64_use_the_networks_of_dcgan(side, small):
    shape = (3, side, side)
    encoder, decoder, gaussian = Encoder(shape, 10), Decoder(shape, 10), GaussianEncoder(shape, 10)
    kinds = [type(m) for m in encoder]
    assert kinds[:2] == [nn.Conv2d, nn.LeakyReLU]
    assert kinds[-2:] == [nn.Flatten, nn.Linear]
    assert kinds[2:-2] == [nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU] * ((len(kinds) - 4) // 3)
    assert encoder[-1].in_features == gaussian.width == 1024 * small**2
    assert [type(m) for m in decoder][-2:] == [nn.ConvTranspose2d, nn.Sigmoid]
    images = torch.rand(2, *shape)
    assert encoder(images).shape == (2, 10)
    assert [m.shape for m in gaussian(images)] == [(2, 10)] * 2
    with evaluating(decoder):
        out = decoder(torch.randn(2, 10))
    assert out.shape == (2, *shape)
    assert 0 <= out.min() <= out.max() <= 1


def test_the_backbone_of_celeba_hq_has_the_parameters_of_a_hand_count():
    """Kernels are 4x4, widths 32 to 1024; each network has one linear layer with 16,384 features."""
    with torch.device("meta"):
        encoder, decoder = Encoder((3, 256, 256), 64), Decoder((3, 256, 256), 64)
    widths = [3, 32, 64, 128, 256, 512, 1024]
    convolutions = sum(16 * a * b for a, b in pairwise(widths))
    norms, biases = 2 * sum(widths[2:]), sum(widths[1:])
    assert count(encoder) == convolutions + norms + biases + 16_384 * 64 + 64 == 12_230_048
    norms, biases = 2 * sum(widths[1:]), sum(widths[:-1])
    assert count(decoder) == convolutions + norms + biases + 16_384 * 64 + 16_384 == 12_245_411
