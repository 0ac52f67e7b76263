"""The command memorization: a finished run, its table and picture, and what is refused before anything is computed."""

import numpy as np
import pandas as pd
import torch
from PIL import Image

from benchmarks.data import datasets
from benchmarks.evaluation.sources import SOURCES
from benchmarks.run import main

STEM = "memorization-classifier_digits-digits-rae-gmm"


def run(folder, *options):
    return main(["memorization", "rae-gmm", "digits", "--results", str(folder), "--device", "cpu", *options])


def test_samples_and_test_images_are_compared_with_the_training_images(finished_run, capsys):
    assert run(finished_run) == 0
    printed = capsys.readouterr().out
    csv, picture = (finished_run / "figures" / f"{STEM}.{suffix}" for suffix in ("csv", "png"))
    assert printed.splitlines()[-2:] == [str(csv), str(picture)]
    table = pd.read_csv(csv).set_index("images")
    digits = datasets.load("digits", None)
    assert table.loc["test images", ["n", "median_ratio", "p_farther", "z"]].tolist() == [len(digits.test), 1, 0.5, 0]
    assert (table["train_images"] == len(digits.train)).all()
    assert table.loc["samples", "n"] == len(digits.test)
    assert 0 < table.loc["samples", "smallest"] < table.loc["samples", "median"]
    with Image.open(picture) as image:
        assert len(np.unique(np.asarray(image))) > 10
    before = csv.read_bytes(), picture.read_bytes()
    assert run(finished_run) == 0
    assert (csv.read_bytes(), picture.read_bytes()) == before


def test_a_model_that_returns_training_images_is_seen_to_copy(finished_run, monkeypatch):
    """In place of samples, the source gives training images, as a model that copies does."""
    monkeypatch.setitem(SOURCES, "prior", SOURCES["floor"])
    assert run(finished_run, "--features", "pixels", "--images", "100") == 0
    table = pd.read_csv(finished_run / "figures" / "memorization-pixels-digits-rae-gmm.csv").set_index("images")
    assert table.loc["samples", ["n", "median", "close", "copies", "p_farther"]].tolist() == [100, 0, 1, 1, 0]
    assert table.loc["samples", "z"] < -10
    assert table.loc["test images", "copies"] < 0.1


def test_all_that_is_wrong_is_reported_before_anything_is_computed(finished_run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    folder = str(finished_run)
    for words, expected in {
        ("memorization", "glf", "digits", "--features", "dinov2"): ["no finished glf on 'digits'", "no DINOv2 weights"],
        ("memorization", "rae-gmm", "digits", "--features", "classifier:mnist"): ["takes 1x28x28 images"],
        ("memorization", "rae-gmm"): ["memorization needs a model and a data set, got rae-gmm"],
        ("memorization", "rae-gmm", "digit"): ["unknown data set 'digit' (did you mean 'digits'?)"],
        ("memorization", "rae-gmm", "digits,mnist"): ["memorization takes one data set, got 2"],
        ("memorization", "rae-gmm", "digits", "--like", "mnist"): ["--name and --like belong to folder:PATH"],
        ("memorization", "rae-gmm", "folder:x"): ["folder:x needs --name NAME and --like LIKE"],
        ("memorization", "rae-gmm", "digits", "--images", "0"): ["--images must be a positive integer"],
    }.items():
        assert main([*words, "--results", folder]) == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == len(expected), lines
        assert all(text in line for text, line in zip(expected, lines, strict=True)), lines


def test_images_that_the_run_was_not_trained_on_are_refused(finished_run, tmp_path, capsys, monkeypatch):
    digits = datasets.load("digits", None)
    other = datasets.Dataset("digits", digits.spec, digits.test, digits.train, (), "digits", None)
    monkeypatch.setattr(datasets, "load_cached", lambda source, root: other)
    assert run(finished_run) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "rae-gmm was not trained on these images of 'digits'" in line
