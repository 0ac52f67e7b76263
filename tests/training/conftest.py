"""Fixtures of the tests of training."""

import pytest
from engine_cases import N

from benchmarks.data import datasets


@pytest.fixture(scope="module")
def x():
    return datasets.load("digits", None).train.canonical(N).images
