"""Images of 256x256 pixels, from a folder to samples, by the same steps as smaller ones."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from benchmarks.data import datasets
from benchmarks.data.datasets import ImageFolder
from benchmarks.protocols import Schedule
from benchmarks.run import main
from benchmarks.training.loop import train

SIZES = {"image_shape": (3, 256, 256), "nz": 8, "k": 8}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Ten soft blobs of colour, as files."""
    folder = tmp_path_factory.mktemp("blobs")
    y, x = np.mgrid[0:256, 0:256] / 255
    for i, (cx, cy, *colour) in enumerate(np.random.default_rng(0).uniform(0, 1, (10, 5))):
        blob = np.exp(-20 * ((x - cx) ** 2 + (y - cy) ** 2))
        Image.fromarray(np.uint8(255 * blob[..., None] * colour)).save(folder / f"{i}.png")
    return datasets.load(ImageFolder(folder, "blobs", "celeba-hq"), None).train


@pytest.mark.slow
def test_a_folder_trains_two_epochs_resumes_and_samples(images):
    def run(resume=None, until=None):
        torch.manual_seed(1)
        model = zoo.build("glf", **SIZES)
        losses = []
        for number, epoch in enumerate(train(model, images.images, {"train": Schedule(2, 4, 1e-3)}, resume), 1):
            losses.append(epoch.row["recon"])
            if number == until:
                return epoch.state()
        return model, losses

    assert images.images.shape == (9, 3, 256, 256)
    (model, losses), state = run(), run(until=1)
    resumed, _ = run(state)
    assert losses[1] < losses[0]
    uninterrupted, other = model.state_dict(), resumed.state_dict()
    assert [key for key in uninterrupted if not torch.equal(uninterrupted[key], other[key])] == []
    samples = model.sample(3, seed=0)
    assert samples.shape == (3, 3, 256, 256)
    assert torch.isfinite(samples).all()
    assert model.reconstruct(images.images[:2]).shape == (2, 3, 256, 256)


def test_an_unsupported_image_size_is_reported_before_training(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    row = replace(datasets.DATASETS["celeba-hq"], shape=(3, 252, 252))
    monkeypatch.setitem(datasets.DATASETS, "celeba-hq", row)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "0.png")
    words = ["table1", "--preset", "demo", "--only", "glf", "--on", f"folder:{tmp_path}", "--name", "own", "--like",
             "celeba-hq", "--features", "pixels"]  # fmt: skip
    assert main(words) == 2
    assert "The next larger size that works is 256x256" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_large_images_are_processed_in_smaller_batches():
    with torch.device("meta"):
        large, small = zoo.build("vae", **SIZES), zoo.build("vae", image_shape=(3, 64, 64), nz=8)
    assert (large.batch, small.batch) == (31, 500)  # as many pixels each
