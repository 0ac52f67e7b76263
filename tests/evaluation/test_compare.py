"""The command `evaluate`, on any two sets of images."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.data.datasets import load
from benchmarks.evaluation.extractors import make_extractor
from benchmarks.evaluation.image_input import array_to_images, load_images
from benchmarks.evaluation.metrics import frechet_distance
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
    assert np.array_equal(load_images(str(tmp_path / "a.npz"), None).images[:, 0].numpy(), HERE)


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
        array_to_images(array)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AE_BENCH_CACHE", str(tmp_path / "cache"))


def test_the_training_split_is_a_reference_set(capsys):
    got = evaluate(capsys, "--real", "digits:train", "--fake", "digits", "--features", "classifier", "--metrics", "fd")
    assert got["n_real"] == got["n_fake"] == 500
    assert got["fd_classifier"] > 0.05
    assert not {"prd_f8", "kid_mean"} & {*got}
    fewer = evaluate(capsys, "--real", "digits", "--fake", "digits:train", "--features", "classifier", "--images", 200,
                     "--metrics", "fd,kid")  # fmt: skip
    assert fewer["n_real"] == 200
    assert "kid_mean" in fewer


def test_moments_as_pytorch_fid_saves_them(tmp_path, capsys):
    features = make_extractor("classifier", "digits", (1, 8, 8), torch.device("cpu"))(DIGITS.train.images)
    np.savez(tmp_path / "stats.npz", mu=features.mean(0, dtype=np.float64), sigma=np.cov(features, rowvar=False))
    got = evaluate(capsys, "--real", tmp_path / "stats.npz", "--fake", "digits", "--features", "classifier:digits")
    own = make_extractor("classifier", "digits", (1, 8, 8), torch.device("cpu"))(DIGITS.test.images)
    assert got["fd_moments"] == pytest.approx(frechet_distance(features, own), rel=1e-4)
    assert not {"fd_classifier", "fid", "protocol_id"} & {*got}  # nobody knows what features the file is of
    assert (got["n_real"], got["n_fake"]) == (None, 500)
    assert "prd_f8" not in got
    both = [tmp_path / "stats.npz"] * 2
    same = evaluate(capsys, "--real", both[0], "--fake", both[1])  # needs no features, hence no weights
    assert same["fd_moments"] == pytest.approx(0, abs=1e-6)
    for arguments, words in [
        (["--real", both[0], "--fake", "digits", "--features", "pixels"], "digits 64: they cannot be compared"),
        (["--real", both[0], "--fake", "digits", "--features", "classifier", "--metrics", "fd,prd"],
         "prd cannot be computed from moments"),
    ]:  # fmt: skip
        assert main(["evaluate", *map(str, arguments)]) == 2
        assert words in capsys.readouterr().err
    np.savez(tmp_path / "wrong.npz", mu=np.zeros(3), sigma=np.zeros((2, 2)))
    assert main(["evaluate", "--real", str(tmp_path / "wrong.npz"), "--fake", "digits"]) == 2
    assert "not (d,) and (d, d)" in capsys.readouterr().err
    for sigma, words in [(np.triu(np.ones((3, 3))), "not symmetric"), (np.diag([1.0, 1, -1]), "negative eigenvalues"),
                         (np.full((3, 3), np.nan), "must be finite")]:  # fmt: skip
        np.savez(tmp_path / "wrong.npz", mu=np.zeros(3), sigma=sigma)
        assert main(["evaluate", "--real", str(tmp_path / "wrong.npz"), "--fake", str(tmp_path / "wrong.npz")]) == 2
        assert words in capsys.readouterr().err


def test_numbers_come_with_their_protocol(capsys):
    arguments = ["--real", "digits", "--fake", "digits:train", "--features", "classifier", "--metrics", "fd"]
    got = evaluate(capsys, *arguments)
    assert (got["protocol"]["split"], got["protocol"]["n_real"]) == ("test", 500)
    assert got["protocol"]["real_fingerprint"] == DIGITS.test.fingerprint
    fewer = evaluate(capsys, *arguments, "--images", 400)
    assert len({got["protocol_id"], fewer["protocol_id"]}) == 2


def test_one_gray_image_among_colours_is_a_colour_image(tmp_path, capsys):
    for i in range(4):
        Image.new("RGB", (8, 8), (255, 60 * i, 0)).save(tmp_path / f"{i}.png")
    Image.new("L", (8, 8), 128).save(tmp_path / "0.png")
    assert load_images(str(tmp_path), None).images.shape == (4, 3, 8, 8)
    assert main(["evaluate", "--real", "digits", "--fake", str(tmp_path), "--features", "pixels"]) == 2
    assert "the one is gray, the other is not" in capsys.readouterr().err


def test_gray_images_stored_as_colours_are_gray_beside_gray_ones(tmp_path, capsys):
    for i, image in enumerate(HERE[:300]):
        Image.fromarray(np.repeat(image[..., None], 3, 2)).save(tmp_path / f"{i}.png")
    got = evaluate(capsys, "--real", "digits", "--fake", tmp_path, "--features", "classifier", "--metrics", "fd")
    assert got["n_fake"] == 300
    assert got["fd_classifier"] < 1


def test_few_images_are_refused_unless_allowed(capsys):
    few = ["--real", "digits", "--fake", "digits:train", "--features", "classifier", "--images", "20"]
    assert main(["evaluate", *few]) == 2
    assert "20 samples of 32 features" in capsys.readouterr().err
    assert evaluate(capsys, *few, "--allow-few", "--metrics", "fd")["fd_classifier"] > 0


def test_what_was_seen_before_is_not_computed_again(tmp_path, capsys):
    arguments = ["--real", "digits", "--fake", "digits:train", "--features", "classifier", "--metrics", "fd"]
    first = evaluate(capsys, *arguments)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "features").glob("*.npz")}
    assert len(files) == 1  # of the reals: fakes are seen once
    assert evaluate(capsys, *arguments) == first
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "features").glob("*.npz")}


def test_errors(tmp_path, capsys):
    np.savez(tmp_path / "objects.npz", np.array([{}], dtype=object))
    np.savez(tmp_path / "two.npz", a=HERE, b=HERE)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"no image")
    for arguments, words in [
        ([], "evaluate needs --real"),
        (["--real", "digits", "--fake", "nothing"], "neither a data set"),
        (["--real", "digits", "--fake", tmp_path / "objects.npz"], "cannot take images from objects.npz"),
        (["--real", "digits", "--fake", tmp_path / "two.npz"], "it holds 2 arrays"),
        (["--real", "digits", "--fake", tmp_path / "empty"], "holds no images"),
        (["--real", tmp_path / "two.npz", "--fake", "digits"], "it holds 2 arrays"),
        (["--real", "digits", "--fake", "digits", "--features", "nope"], "unknown features"),
        (["--real", "digits", "--fake", "digits", "--metrics", "fd,is"], "unknown metric 'is'. Known: fd, prd, kid"),
        (["--real", "digits", "--fake", tmp_path / "broken"], "cannot read a.png: not an image that Pillow knows"),
        (["--real", "digits:valid", "--fake", "digits"], "each also with :train"),
        (["--real", "digits", "--fake", "digits", "--images", "many"], "--images must be a positive integer"),
    ]:
        assert main(["evaluate", *map(str, arguments)]) == 2
        assert words in capsys.readouterr().err
