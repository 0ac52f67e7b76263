"""The cache of decoded images."""

import os

import numpy as np
import pytest
import torch
from image_files import digits_folder, write_image

from benchmarks.data import datasets


def four_images(path):
    for i in range(4):
        write_image(path / f"{i}.png", i)
    return digits_folder(path)


def prepared(cache):
    return sorted((cache / "prepared").iterdir())


def test_cached_images_equal_decoded_ones(tmp_path, own_cache):
    folder = four_images(tmp_path)
    decoded = datasets.load(folder, None)
    (saved,) = prepared(own_cache)
    before = saved.stat().st_mtime_ns
    again = datasets.load(folder, None)
    assert torch.equal(decoded.train.images, again.train.images)
    assert saved.stat().st_mtime_ns == before


def test_changed_image_is_decoded_again(tmp_path, own_cache):
    folder = four_images(tmp_path)
    before = datasets.load(folder, None)
    for i in range(4):
        write_image(tmp_path / f"{i}.png", 10 + i)
    assert datasets.load(folder, None).train.fingerprint != before.train.fingerprint


def test_changing_loaded_images_does_not_change_the_cached_file(tmp_path):
    write_image(tmp_path / "train/0.png")
    write_image(tmp_path / "test/0.png")
    first = datasets.load(digits_folder(tmp_path), None)
    expected = first.train.images.clone()
    first.train.images.zero_()
    assert torch.equal(datasets.load(digits_folder(tmp_path), None).train.images, expected)


@pytest.mark.parametrize("broken", [b"", b"junk", "half", "pickle", "shape"])
def test_a_broken_cached_file_is_written_again(broken, tmp_path, own_cache):
    folder = four_images(tmp_path)
    expected = datasets.load(folder, None)
    (saved,) = prepared(own_cache)
    good = saved.read_bytes()
    if broken == "pickle":
        np.save(saved, np.array([{}], dtype=object))
    elif broken == "shape":
        np.save(saved, np.zeros((4, 1, 8, 9), np.uint8))
    else:
        saved.write_bytes(good[: len(good) // 2] if broken == "half" else broken)
    assert torch.equal(datasets.load(folder, None).train.images, expected.train.images)
    assert saved.read_bytes() == good


def test_a_cache_that_cannot_be_written_is_not_an_error(tmp_path, monkeypatch):
    folder = four_images(tmp_path / "images")
    (tmp_path / "file").touch()
    monkeypatch.setenv("AE_BENCH_CACHE", str(tmp_path / "file"))  # a file where the folder should be
    assert len(datasets.load(folder, None).train) == 3


def test_folders_with_equal_names_sizes_and_times_do_not_share_cached_images(tmp_path):
    for i in range(4):  # other pixels, same names, sizes and times
        for folder, seed in (("a", i), ("b", 20 + i)):
            path = tmp_path / folder / f"{i}.bmp"
            write_image(path, seed)
            os.utime(path, (0, 0))
    first, second = (datasets.load(digits_folder(tmp_path / name), None) for name in "ab")
    assert first.train.fingerprint != second.train.fingerprint
