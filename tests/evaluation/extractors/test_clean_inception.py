"""Inception with clean-fid's resize: the images that the network sees, and the name of the column."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.evaluation.extractors import CleanInceptionExtractor, clean_inception, inception, make_extractor
from benchmarks.perf.metric_cost import random_inception, reference_inception

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    random_inception(path)
    return path


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch):
    """An empty torch hub cache, and no remembered extractor."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    make_extractor.cache_clear()
    yield
    make_extractor.cache_clear()


def resize_by_pillow(image):
    """One image (C, H, W) of 8 bits: each channel as floats, bicubic, clipped to [0, 255], not rounded."""
    channels = [Image.fromarray(channel.astype(np.float32)) for channel in image]
    resized = [np.asarray(c.resize((299, 299), Image.Resampling.BICUBIC)).clip(0, 255) for c in channels]
    return np.stack(resized)


@given(
    height=st.integers(1, 400), width=st.integers(1, 400), channels=st.sampled_from([1, 3]), seed=st.integers(0, 2**31)
)
@settings(max_examples=25)
def test_images_are_resized_as_by_pillow(height, width, channels, seed):
    image = np.random.default_rng(seed).integers(0, 256, (channels, height, width), np.uint8)
    got = clean_inception.resize_as_clean_fid(torch.from_numpy(image)[None].float() / 255)[0].numpy()
    assert got.shape == (3, 299, 299)
    assert np.abs(got * 256 - resize_by_pillow(image)).max() < 1e-3  # of 255


def test_the_network_gets_the_values_of_clean_fid(file):
    """clean-fid gives its network (v - 128) / 128 for v in [0, 255]; pytorch-fid's computes 2 x - 1 from ours."""
    images = torch.randint(256, (2, 3, 40, 40), dtype=torch.uint8)
    seen = []
    found = CleanInceptionExtractor(CPU, file)
    found.net.blocks[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    found(images)
    expected = np.stack([(resize_by_pillow(image) - 128) / 128 for image in images.numpy()])
    assert np.abs(seen[0].numpy() - expected).max() < 1e-5


def test_features_are_those_of_the_network_of_fid_on_images_that_pillow_resized(file):
    images = torch.randint(256, (2, 1, 28, 28), dtype=torch.uint8)
    x = np.stack([resize_by_pillow(image) for image in images.numpy()]).repeat(3, axis=1) / 256
    with torch.no_grad():
        expected = reference_inception(file)(torch.from_numpy(x).float())[0].flatten(1).numpy()
    got = CleanInceptionExtractor(CPU, file)(images)
    assert np.linalg.norm(got - expected) < 1e-5 * np.linalg.norm(expected)
    plain = make_extractor(f"inception:{file}", "mnist", (1, 28, 28), CPU)(images)
    assert np.linalg.norm(got - plain) > 1e-3 * np.linalg.norm(expected)  # another resize gives other features


def test_the_column_is_never_called_fid(file, monkeypatch):
    found = make_extractor(f"clean-inception:{file}", "mnist", (1, 28, 28), CPU)
    assert (found.name, found.metric, found.dims) == ("clean-inception", "fd_clean_inception_unknown", 2048)
    monkeypatch.setattr(clean_inception, "INCEPTION_SHA256", inception.file_sha256(file))
    assert found.metric == "fd_clean_inception"


def test_its_protocol_is_not_that_of_inception(file):
    assert not {*CleanInceptionExtractor.inputs} & {*inception.InceptionExtractor.inputs}


def test_missing_weights_name_these_features():
    with pytest.raises(
        inception.MissingWeights, match=r"fetch inception; or name a file by --features clean-inception:"
    ):
        make_extractor("clean-inception", "mnist", (1, 28, 28), CPU)
