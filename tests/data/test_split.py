"""Splits: fingerprints, canonical order, and labels."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.data.datasets import Split


def split_of(values, shape=(1, 1, 1), labels=None):
    """One constant image of each value."""
    pixels = torch.tensor(values, dtype=torch.uint8).reshape(-1, 1, 1, 1).expand(-1, *shape).contiguous()
    return Split(pixels, None if labels is None else torch.tensor(labels))


@given(st.lists(st.integers(0, 255), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_fingerprint_and_canonical_ignore_the_order_of_images(values, random):
    shuffled = random.sample(values, len(values))
    assert split_of(values).fingerprint == split_of(shuffled).fingerprint
    assert torch.equal(split_of(values).canonical().images, split_of(shuffled).canonical().images)


@given(st.lists(st.integers(0, 255), max_size=6), st.lists(st.integers(0, 255), max_size=6))
def test_different_images_have_different_fingerprints(first, second):
    same = sorted(first) == sorted(second)
    assert (split_of(first).fingerprint == split_of(second).fingerprint) == same


def test_fingerprint_depends_on_the_shape():
    assert split_of([7], (1, 2, 3)).fingerprint != split_of([7], (1, 3, 2)).fingerprint
    assert split_of([7], (3, 1, 2)).fingerprint != split_of([7], (1, 3, 2)).fingerprint


def test_fingerprint_ignores_the_layout_in_memory():
    pixels = torch.arange(24, dtype=torch.uint8).reshape(2, 3, 2, 2)
    assert Split(pixels).fingerprint == Split(pixels.contiguous(memory_format=torch.channels_last)).fingerprint


def test_canonical_returns_at_most_n_images_with_their_labels():
    split = split_of([10, 20, 30, 40], labels=[1, 2, 3, 4])
    first = split.canonical(3)
    assert len(first) == 3
    assert torch.equal(first.images.flatten(), first.labels * 10)
    assert torch.equal(first.images, split.canonical().images[:3])
    assert len(split.canonical(99)) == 4


def test_equal_images_are_ordered_by_label():
    first, second = split_of([5, 5, 5], labels=[2, 0, 1]), split_of([5, 5, 5], labels=[1, 2, 0])
    assert first.canonical(2).labels.tolist() == second.canonical(2).labels.tolist() == [0, 1]


def test_a_split_rejects_floats_and_too_few_labels():
    with pytest.raises(ValueError, match="must be uint8"):
        Split(torch.zeros(2, 1, 1, 1))
    with pytest.raises(ValueError, match=r"labels must be int64 \(2,\)"):
        split_of([1, 2], labels=[1])
