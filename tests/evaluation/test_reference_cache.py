"""The cache of features of reference images: cached features equal computed ones."""

import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.evaluation.extractors import PixelExtractor
from benchmarks.evaluation.reference_cache import cached_features

PIXELS = PixelExtractor((1, 2, 2))
VALUES = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AE_BENCH_CACHE", str(tmp_path))
    return tmp_path


class Compute:
    """Counts how often it was asked."""

    def __init__(self, values=VALUES):
        self.values, self.times = values, 0

    def __call__(self):
        self.times += 1
        return self.values


def test_features_are_computed_once_and_read_to_the_same_bits(cache):
    compute = Compute()
    first, second = (cached_features({"part": "a"}, PIXELS, compute) for _ in range(2))
    assert compute.times == 1
    assert np.array_equal(first.features, second.features)
    assert np.array_equal(first.moments.cov, second.moments.cov)
    assert np.array_equal(first.moments.mean, second.moments.mean)
    assert second.moments.n == 50
    assert not [*cache.rglob("*.tmp")]


def test_the_cache_key_has_everything_that_changes_the_numbers(monkeypatch):
    compute = Compute()
    cached_features({"part": "a"}, PIXELS, compute)
    cached_features({"part": "b"}, PIXELS, compute)
    other = PixelExtractor((1, 2, 2))
    other.weights = "others"
    cached_features({"part": "a"}, other, compute)
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)  # sums over more threads differ in their last bits
    cached_features({"part": "a"}, PIXELS, compute)
    torch.set_num_threads(threads)
    monkeypatch.setattr(torch, "__version__", "0.0")
    cached_features({"part": "a"}, PIXELS, compute)
    assert compute.times == 5


@pytest.mark.parametrize("harm", [b"", b"PK\x03\x04", "half", "flip"])
def test_a_broken_file_is_made_again(cache, harm):
    compute = Compute()
    cached_features({"part": "a"}, PIXELS, compute)
    (path,) = cache.rglob("*.npz")
    raw = path.read_bytes()
    if harm == "half":
        path.write_bytes(raw[: len(raw) // 2])
    elif harm == "flip":  # one bit in the features: the zip's checksum tells
        at = raw.find(VALUES.tobytes()[:16])
        assert at > 0
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
    else:
        path.write_bytes(harm)
    again = cached_features({"part": "a"}, PIXELS, compute)
    assert compute.times == 2
    assert np.array_equal(again.features, VALUES)
    cached_features({"part": "a"}, PIXELS, compute)
    assert compute.times == 2


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AE_BENCH_CACHE", str(tmp_path / "file"))
    compute = Compute()
    for _ in range(2):
        assert np.array_equal(cached_features({"part": "a"}, PIXELS, compute).features, VALUES)
    assert compute.times == 2


def fill(arguments):
    """The work of one of several processes, which notes when it computes."""
    folder, number = arguments

    def compute():
        time.sleep(0.5)  # long enough for all to be waiting
        with open(Path(folder) / "computed.txt", "a") as file:
            file.write(f"{number}\n")
        return np.random.default_rng(0).normal(size=(2000, 64)).astype(np.float32)

    os.environ["AE_BENCH_CACHE"] = folder
    Path(folder, f"ready-{number}").touch()
    while len([*Path(folder).glob("ready-*")]) < 4:  # all start at once
        time.sleep(0.01)
    found = cached_features({"part": "many"}, PixelExtractor((1, 8, 8)), compute)
    return float(found.features.astype(np.float64).sum()), float(found.moments.cov.sum())


def test_one_of_many_processes_computes_and_all_read_the_same_features(tmp_path):
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = pool.map(fill, [(str(tmp_path), i) for i in range(4)], chunksize=1)
    assert len({*found}) == 1
    assert len((tmp_path / "computed.txt").read_text().split()) == 1
    assert len([*tmp_path.rglob("*.npz")]) == 1


def test_features_of_too_few_images_are_refused_and_not_cached(cache):
    few = Compute(VALUES[:4])
    with pytest.raises(ValueError, match="4 samples of 4 features"):
        cached_features({"part": "few"}, PIXELS, few)
    assert not [*cache.rglob("*.npz")]
    assert len(cached_features({"part": "few"}, PIXELS, few, allow_few=True).features) == 4


def test_the_first_images_have_their_own_moments():
    found = cached_features({"part": "a"}, PIXELS, Compute())
    half = found.first(25)
    assert np.array_equal(half.features, VALUES[:25])
    assert np.allclose(half.moments.mean, VALUES[:25].astype(np.float64).mean(0))
    assert found.first(50) is found
