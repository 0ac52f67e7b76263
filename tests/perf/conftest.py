"""Fixtures of the tests of perf."""

import pytest
import torch

from benchmarks.perf import baselines, speed_measurement
from benchmarks.perf.baselines import Case


@pytest.fixture
def case(tmp_path):
    """GLF on digits, with four batches of 64 images."""
    made = Case("glf", "digits", 4, 2, tmp_path)
    images, synthetic = speed_measurement.load_images(made, None)
    assert not synthetic
    assert images.shape == (256, 1, 8, 8)
    torch.save(images, tmp_path / "images.pt")
    baselines.write_png(images, tmp_path / "png")
    return made
