"""`run evaluate`: anybody's images."""

import json

import numpy as np
import pytest
from PIL import Image

from benchmarks.compare import source, to_images
from benchmarks.datasets import load
from benchmarks.run import main

DIGITS = load("digits", None)
HERE = DIGITS.test.images[:, 0].numpy()


def evaluate(capsys, *arguments):
    assert main(["evaluate", *map(str, arguments)]) == 0
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def test_a_set_against_itself(tmp_path, capsys):
    np.savez(tmp_path / "same.npz", HERE)
    got = evaluate(capsys, "--real", "digits", "--fake", tmp_path / "same.npz", "--features", "classifier")
    assert got["n_real"] == got["n_fake"] == 500
    assert got["fd_classifier"] == pytest.approx(0, abs=1e-6)
    assert (got["prd_f8"], got["prd_f1_8"]) == pytest.approx((1, 1), abs=1e-3)
    assert (got["knn_precision"], got["knn_recall"], got["knn_coverage"]) == (1, 1, 1)
    assert "fid" not in got


def test_noise_is_far_from_digits_and_a_folder_is_read(tmp_path, capsys):
    noise = np.random.default_rng(0).integers(0, 256, (300, 8, 8), np.uint8)
    for i, image in enumerate(noise):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    got = evaluate(capsys, "--real", "digits", "--fake", tmp_path, "--features", "classifier:digits")
    assert got["n_real"] == got["n_fake"] == 300
    assert got["fd_classifier"] > 20
    assert got["knn_precision"] < 0.3


@pytest.mark.parametrize(
    "array",
    [HERE, HERE[:, None], HERE[..., None], HERE / 255, np.repeat(HERE[:, None], 3, 1)[:, :1]],
    ids=["NHW", "NCHW", "NHWC", "float", "channel"],
)
def test_layouts_of_arrays(tmp_path, array):
    np.savez(tmp_path / "a.npz", array)
    assert np.array_equal(source(str(tmp_path / "a.npz"), None).images[:, 0].numpy(), HERE)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 8, 8, 2)), "C of 1 or 3"),
        (np.zeros((4, 8)), "images are"),
        (np.full((4, 8, 8), np.nan), "finite and in"),
        (np.full((4, 8, 8), 255.0), r"in \[0, 1\]"),
        (np.zeros((4, 8, 8), np.int64), "not int64"),
    ],
)
def test_arrays_that_are_no_images_are_refused(array, words):
    with pytest.raises(ValueError, match=words):
        to_images(array)


def test_mistakes(tmp_path, capsys):
    np.savez(tmp_path / "objects.npz", np.array([{}], dtype=object))
    np.savez(tmp_path / "two.npz", a=HERE, b=HERE)
    (tmp_path / "empty").mkdir()
    for arguments, words in [
        ([], "evaluate needs --real"),
        (["--real", "digits", "--fake", "nothing"], "neither a data set"),
        (["--real", "digits", "--fake", tmp_path / "objects.npz"], "cannot take images from objects.npz"),
        (["--real", "digits", "--fake", tmp_path / "two.npz"], "it holds 2 arrays"),
        (["--real", "digits", "--fake", tmp_path / "empty"], "holds no images"),
        (["--real", tmp_path / "two.npz", "--fake", "digits"], "it holds 2 arrays"),
        (["--real", "digits", "--fake", "digits", "--features", "nope"], "unknown features"),
    ]:
        assert main(["evaluate", *map(str, arguments)]) == 2
        assert words in capsys.readouterr().err
