"""Transforms of images between a model and a metric."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.data.datasets import load
from benchmarks.evaluation import image_ops, protocol


def test_round_and_truncate_to_uint8_differ_as_named():
    x = torch.tensor([[[[0.0, 0.5 / 255 + 1e-4, 0.999, 1.0]]]])
    assert image_ops.round_to_uint8(x).flatten().tolist() == [0, 1, 255, 255]
    assert image_ops.truncate_to_uint8(x).flatten().tolist() == [0, 0, 254, 255]
    assert torch.equal(image_ops.QUANTIZATIONS[protocol.NOT_QUANTIZED](x), x)


@given(st.lists(st.integers(0, 255), min_size=4, max_size=4))
def test_eight_bits_survive_rounding(values):
    pixels = torch.tensor(values, dtype=torch.uint8).reshape(1, 1, 2, 2)
    assert torch.equal(image_ops.round_to_uint8(pixels.float().div(255)), pixels)


def test_each_image_is_stretched_by_its_own_extremes_and_all_channels_alike():
    x = torch.tensor([[[[0.2]], [[0.4]], [[0.6]]], [[[0.5]], [[0.5]], [[0.5]]]])
    out = image_ops.stretch_contrast(x)
    assert out[0].flatten().tolist() == pytest.approx([0, 0.5, 1])
    assert out[1].flatten().tolist() == [0, 0, 0]  # flat: nothing to stretch, and nothing divides by zero
    assert torch.equal(image_ops.stretch_contrast(out), out)


@pytest.mark.parametrize("channels", [1, 3])
def test_compress_jpeg_agrees_with_pillow(channels):
    x = torch.randint(256, (3, channels, 16, 16), dtype=torch.uint8)
    one = x[1].permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(one[..., 0] if channels == 1 else one).save(file, "JPEG", quality=75)
    expected = np.asarray(Image.open(file)).reshape(16, 16, channels)
    found = image_ops.compress_jpeg(x, 75)
    assert np.array_equal(found[1].permute(1, 2, 0).numpy(), expected)
    assert found.shape == x.shape
    assert not torch.equal(found, x)


def test_a_lower_quality_loses_more_of_real_digits():
    digits = load("digits", None).test.images
    error = [(image_ops.compress_jpeg(digits, q).float() - digits).square().mean().item() for q in (95, 75)]
    assert 0 < error[0] < error[1]


def test_every_transform_named_in_a_protocol_has_a_function():
    """A name in a protocol without a function would raise an error in the middle of a run."""
    from benchmarks.evaluation.scoring import VARIANTS

    changes = [variant.changes for variant in VARIANTS.values()]
    assert {c["reals"] for c in changes if "reals" in c} <= {*image_ops.REAL_TRANSFORMS}
    assert {c["fakes"] for c in changes if "fakes" in c} <= {*image_ops.FAKE_TRANSFORMS}
    assert {c["quantisation"] for c in changes if "quantisation" in c} <= {*image_ops.QUANTIZATIONS}
