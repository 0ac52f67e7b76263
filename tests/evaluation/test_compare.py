"""The command `evaluate`, on any two sets of images."""

import json
import re
from importlib import metadata

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.data.datasets import load
from benchmarks.evaluation.classifier import load_classifier
from benchmarks.evaluation.compare import EQUAL_NUMBERS
from benchmarks.evaluation.extractors import make_extractor
from benchmarks.evaluation.image_input import load_images
from benchmarks.evaluation.metrics import METRICS, frechet_distance, kid, knn_metrics, prd
from benchmarks.run import main

DIGITS = load("digits", None)
HERE = DIGITS.test.images[:, 0].numpy()
N_TEST, N_TRAIN = 500, 1297
TEST_AND_TRAIN = ("--real", "digits", "--fake", "digits:train", "--features", "classifier")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AE_BENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def evaluate(tmp_path_factory, capsys):
    """Run the command; returns its JSON file, with the number of each column and the printed lines."""

    def run(*arguments):
        path = tmp_path_factory.mktemp("json") / "evaluation.json"
        assert main(["evaluate", *map(str, arguments), "--json", str(path)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines.pop() == str(path)
        content = json.loads(path.read_text(encoding="utf-8"))
        assert [*path.parent.iterdir()] == [path]
        return {**content, **{column: row["value"] for column, row in content["values"].items()}, "lines": lines}

    return run


@pytest.fixture(scope="module")
def features():
    """Features of both splits of digits, sorted by digest, as the command computes them."""
    extractor = make_extractor("classifier", "digits", (1, 8, 8), torch.device("cpu"))
    return extractor(DIGITS.test.canonical().images), extractor(DIGITS.train.canonical().images)


def subset_lines(got):
    return [line for line in got["lines"] if "random" in line]


def random_rows(rows, n):
    return rows[np.sort(np.random.default_rng(0).permutation(len(rows))[:n])]


def test_the_frechet_distance_and_kid_use_all_images_of_both_sides(evaluate, features):
    got = evaluate(*TEST_AND_TRAIN, "--metrics", "fd,kid")
    assert got["fd_classifier"] == pytest.approx(frechet_distance(*features), rel=1e-6)
    assert got["kid_mean"] == pytest.approx(kid(*features)["kid_mean"], rel=1e-6)
    for column in ("fd_classifier", "kid_mean", "kid_std"):
        assert (got["values"][column]["n_real"], got["values"][column]["n_fake"]) == (N_TEST, N_TRAIN)
    assert (got["n_real"], got["n_fake"], got["protocol"]["n_real"], got["protocol"]["n_fake"]) == (
        N_TEST, N_TRAIN, N_TEST, N_TRAIN,
    )  # fmt: skip
    assert not subset_lines(got)


@pytest.mark.parametrize("is_real_larger", [False, True])
def test_prd_and_neighbors_compare_a_random_subset_of_the_larger_side_and_say_so(evaluate, features, is_real_larger):
    names, (test, train) = ("digits", "digits:train"), features
    real, fake = names[::-1] if is_real_larger else names
    got = evaluate("--real", real, "--fake", fake, "--features", "classifier", "--metrics", "fd,prd,neighbours")
    subset = random_rows(train, N_TEST)
    assert not np.array_equal(subset, train[:N_TEST])
    a, b = (subset, test) if is_real_larger else (test, subset)
    scores, neighbors = prd(real=a, fake=b), knn_metrics(a, b)
    assert (got["prd_f8"], got["prd_f1_8"]) == pytest.approx((scores["f8"], scores["f1/8"]), rel=1e-6)
    assert {name: got[f"knn_{name}"] for name in neighbors} == pytest.approx(neighbors, rel=1e-6)
    for column in ("prd_f8", "prd_f1_8", *(f"knn_{name}" for name in neighbors)):
        assert (got["values"][column]["n_real"], got["values"][column]["n_fake"]) == (N_TEST, N_TEST)
    side = "reference" if is_real_larger else "generated"
    expected = [f"{metric} compares equal numbers: a random 500 of the 1,297 {side} images (seed 0)"
                for metric in ("prd", "neighbours")]  # fmt: skip
    assert subset_lines(got) == got["notes"] == expected


def test_the_metrics_that_compare_equal_numbers_are_those_whose_parameters_say_so():
    assert set(EQUAL_NUMBERS) == {name for name, row in METRICS.items() if row.parameters.startswith("equal numbers")}


def test_images_limits_both_sides_to_random_subsets_and_says_so(evaluate, features):
    got = evaluate(*TEST_AND_TRAIN, "--images", 400, "--metrics", "fd,prd")
    expected = frechet_distance(*(random_rows(rows, 400) for rows in features))
    assert got["fd_classifier"] == pytest.approx(expected, rel=1e-4)
    assert (got["n_real"], got["n_fake"]) == (400, 400)
    assert (got["available_real"], got["available_fake"]) == (N_TEST, N_TRAIN)
    assert subset_lines(got) == ["--images 400: a random 400 of the 500 reference images (seed 0)",
                                 "--images 400: a random 400 of the 1,297 generated images (seed 0)"]  # fmt: skip
    one_side = evaluate(*TEST_AND_TRAIN, "--images", 800, "--metrics", "fd,prd")
    assert (one_side["n_real"], one_side["n_fake"]) == (N_TEST, 800)
    assert subset_lines(one_side) == [
        "--images 800: a random 800 of the 1,297 generated images (seed 0)",
        "prd compares equal numbers: a random 500 of the 800 generated images (seed 0)",
    ]
    assert not subset_lines(evaluate(*TEST_AND_TRAIN, "--images", 5000, "--metrics", "fd"))


def test_the_order_of_images_does_not_change_which_ones_are_drawn(evaluate, tmp_path):
    images = DIGITS.train.images[:, 0].numpy()
    np.savez(tmp_path / "one.npz", images)
    np.savez(tmp_path / "other.npz", images[::-1])
    one, other = (evaluate("--real", "digits", "--fake", tmp_path / f"{name}.npz", "--features", "classifier",
                           "--images", 300) for name in ("one", "other"))  # fmt: skip
    assert one["values"] == other["values"]


def test_each_printed_row_has_value_direction_and_image_counts(evaluate):
    got = evaluate(*TEST_AND_TRAIN)
    rows = {cells[0]: cells[1:] for line in got["lines"] if len(cells := re.findall(r"[^│\s]+", line)) == 5}
    assert {*rows} == {*got["values"]}
    for column, row in got["values"].items():
        assert rows[column] == [f"{row['value']:.6g}", row["better"] or "—", "500", f"{row['n_fake']:,}"]
    better = {column: row["better"] for column, row in got["values"].items()}
    assert (better["fd_classifier"], better["prd_f8"], better["kid_mean"], better["kid_std"]) == (
        "lower", "higher", "lower", None,
    )  # fmt: skip
    assert {"reference: digits, 500 images", "generated: digits:train, 1,297 images"} <= {*got["lines"]}


def test_the_json_file_says_what_the_numbers_depend_on(evaluate):
    got = evaluate(*TEST_AND_TRAIN, "--metrics", "fd,prd")
    assert (got["real"], got["fake"], got["subset_seed"]) == ("digits", "digits:train", 0)
    assert (got["extractor"], got["weights"]) == ("classifier:digits", load_classifier("digits")[2])
    assert got["values"]["prd_f8"]["parameters"] == METRICS["prd"].parameters
    assert got["provenance"]["torch"] == torch.__version__
    assert got["provenance"]["numpy"] == metadata.version("numpy")
    assert {"ae-bench", "commit", "device", "threads"} <= {*got["provenance"]}


def test_an_existing_json_file_is_replaced(tmp_path, capsys):
    path = tmp_path / "e.json"
    path.write_text("old")
    assert main(["evaluate", *TEST_AND_TRAIN, "--metrics", "fd", "--json", str(path)]) == 0
    assert {*json.loads(path.read_text(encoding="utf-8"))["values"]} == {"fd_classifier"}


def test_a_file_of_another_kind_is_not_replaced_by_the_json_file(tmp_path, capsys):
    path = tmp_path / "my_model.py"
    path.write_text("important", encoding="utf-8")
    assert main(["evaluate", *TEST_AND_TRAIN, "--json", str(path)]) == 2
    assert "is not named .json, so it is not replaced" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == "important"


@pytest.mark.parametrize("side", ["--real", "--fake"])
def test_a_file_to_compare_is_not_replaced_by_the_json_file(tmp_path, capsys, side):
    path = tmp_path / "images.npz"
    np.savez(path, HERE)
    before = path.read_bytes()
    other = {"--real": "--fake", "--fake": "--real"}[side]
    alias = tmp_path / ".." / tmp_path.name / "images.npz"
    arguments = [side, str(path), other, "digits", "--features", "classifier:digits", "--metrics", "fd"]
    assert main(["evaluate", *arguments, "--json", str(alias)]) == 2
    assert "is a file to compare, which it would replace. Name another file" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_all_errors_of_the_command_line_are_reported_at_once(tmp_path, capsys):
    arguments = ["--fake", "digts", "--images", "many", "--device", "tpu", "--metrics", "fd,is",
                 "--json", str(tmp_path / "no" / "e.json")]  # fmt: skip
    assert main(["evaluate", *arguments]) == 2
    errors = capsys.readouterr().err.splitlines()
    words = ["evaluate needs --real", "--fake: 'digts' was not found (did you mean 'digits'?)", "unknown device",
             "--images must be", "unknown metric 'is'", f"Create it: mkdir -p {tmp_path / 'no'}"]  # fmt: skip
    assert len(errors) == len(words)
    assert all(any(part in error for error in errors) for part in words)
    assert not (tmp_path / "no").exists()
    assert main(["evaluate", *TEST_AND_TRAIN, "--json", str(tmp_path)]) == 2
    assert f"--json {tmp_path} is a folder. Name a file" in capsys.readouterr().err


def test_all_errors_of_the_images_and_the_features_are_reported_at_once(tmp_path, capsys):
    np.savez(tmp_path / "two.npz", a=HERE, b=HERE)
    assert main(["evaluate", "--real", "digits", "--fake", str(tmp_path / "two.npz"), "--features", "nope"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert "it holds 2 arrays" in errors[0]
    assert "unknown features 'nope'" in errors[1]


def test_a_set_against_itself(tmp_path, evaluate):
    np.savez(tmp_path / "same.npz", HERE)
    got = evaluate("--real", "digits", "--fake", tmp_path / "same.npz", "--features", "classifier")
    assert got["n_real"] == got["n_fake"] == 500
    assert got["fd_classifier"] == pytest.approx(0, abs=1e-6)
    assert (got["prd_f8"], got["prd_f1_8"]) == pytest.approx((1, 1), abs=1e-3)
    assert (got["knn_precision"], got["knn_recall"], got["knn_coverage"]) == (1, 1, 1)
    assert "fid" not in got
    assert not subset_lines(got)


def test_noise_is_far_from_digits_and_a_folder_is_read(tmp_path, evaluate):
    noise = np.random.default_rng(0).integers(0, 256, (300, 8, 8), np.uint8)
    for i, image in enumerate(noise):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    got = evaluate("--real", "digits", "--fake", tmp_path, "--features", "classifier:digits")
    assert (got["n_real"], got["n_fake"]) == (N_TEST, 300)
    assert got["fd_classifier"] > 20
    assert got["knn_precision"] < 0.3


def test_the_training_split_is_a_reference_set(evaluate):
    got = evaluate("--real", "digits:train", "--fake", "digits", "--features", "classifier", "--metrics", "fd")
    assert (got["n_real"], got["n_fake"]) == (N_TRAIN, N_TEST)
    assert got["protocol"]["split"] == "train"
    assert {*got["values"]} == {"fd_classifier"}


def test_moments_as_pytorch_fid_saves_them(tmp_path, evaluate, capsys):
    features = make_extractor("classifier", "digits", (1, 8, 8), torch.device("cpu"))(DIGITS.train.images)
    np.savez(tmp_path / "stats.npz", mu=features.mean(0, dtype=np.float64), sigma=np.cov(features, rowvar=False))
    got = evaluate("--real", tmp_path / "stats.npz", "--fake", "digits", "--features", "classifier:digits")
    own = make_extractor("classifier", "digits", (1, 8, 8), torch.device("cpu"))(DIGITS.test.images)
    assert got["fd_moments"] == pytest.approx(frechet_distance(features, own), rel=1e-4)
    assert {*got["values"]} == {"fd_moments"}  # nobody knows what features the file is of
    assert got["protocol_id"] is None
    assert got["notes"] == ["only fd: prd, kid, neighbours cannot be computed from moments"]
    assert (got["n_real"], got["n_fake"]) == (None, 500)
    both = [tmp_path / "stats.npz"] * 2
    same = evaluate("--real", both[0], "--fake", both[1])  # needs no features, hence no weights
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


def test_numbers_come_with_their_protocol(evaluate):
    arguments = ["--real", "digits", "--fake", "digits:train", "--features", "classifier", "--metrics", "fd"]
    got = evaluate(*arguments)
    assert (got["protocol"]["split"], got["protocol"]["n_real"]) == ("test", 500)
    assert got["protocol"]["real_fingerprint"] == DIGITS.test.fingerprint
    fewer = evaluate(*arguments, "--images", 400)
    assert len({got["protocol_id"], fewer["protocol_id"]}) == 2


def test_one_gray_image_among_colours_is_a_colour_image(tmp_path, capsys):
    for i in range(4):
        Image.new("RGB", (8, 8), (255, 60 * i, 0)).save(tmp_path / f"{i}.png")
    Image.new("L", (8, 8), 128).save(tmp_path / "0.png")
    assert load_images(str(tmp_path), None).content.images.shape == (4, 3, 8, 8)
    assert main(["evaluate", "--real", "digits", "--fake", str(tmp_path), "--features", "pixels"]) == 2
    assert "one side is gray and the other is not" in capsys.readouterr().err


def test_gray_images_stored_as_colours_are_gray_beside_gray_ones(tmp_path, evaluate):
    for i, image in enumerate(HERE[:300]):
        Image.fromarray(np.repeat(image[..., None], 3, 2)).save(tmp_path / f"{i}.png")
    got = evaluate("--real", "digits", "--fake", tmp_path, "--features", "classifier", "--metrics", "fd")
    assert got["n_fake"] == 300
    assert got["fd_classifier"] < 1


def test_few_images_are_refused_unless_allowed_or_no_distance_is_computed(evaluate, capsys):
    few = [*TEST_AND_TRAIN, "--images", "20"]
    assert main(["evaluate", *few]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert [error.partition(":")[2].partition(" are too few")[0] for error in errors] == [
        " 20 images of digits", " 20 images of digits:train",
    ]  # fmt: skip
    got = evaluate(*few, "--allow-few", "--metrics", "fd")
    assert got["fd_classifier"] > 0
    assert "fd_classifier is biased: 20 images of digits, 32 features" in got["lines"]
    assert {*evaluate(*few, "--metrics", "kid")["values"]} == {"kid_mean", "kid_std"}


def test_few_reference_images_are_refused_even_if_their_features_are_cached(tmp_path, evaluate, capsys):
    np.savez(tmp_path / "few.npz", HERE[:20])
    arguments = ["--real", str(tmp_path / "few.npz"), "--fake", "digits", "--features", "classifier",
                 "--metrics", "fd"]  # fmt: skip
    evaluate(*arguments, "--allow-few")
    assert main(["evaluate", *arguments]) == 2
    assert "20 images of" in capsys.readouterr().err


def test_what_was_seen_before_is_not_computed_again(tmp_path, evaluate):
    arguments = ["--real", "digits", "--fake", "digits:train", "--features", "classifier", "--metrics", "fd"]
    first = evaluate(*arguments)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "features").glob("*.npz")}
    assert len(files) == 1  # of the reference images: generated images are seen once
    assert evaluate(*arguments)["values"] == first["values"]
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "features").glob("*.npz")}


def test_errors(tmp_path, capsys):
    np.savez(tmp_path / "objects.npz", np.array([{}], dtype=object))
    np.savez(tmp_path / "two.npz", a=HERE, b=HERE)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"no image")
    for arguments, words in [
        ([], "evaluate needs --real"),
        (["--real", "digits", "--fake", "nothing"], "'nothing' was not found. Name a data set"),
        (
            ["--real", "digits", "--fake", tmp_path / "broken" / "a.png"],
            "a.png' is not an .npy or .npz file. Name a data set",
        ),
        (["--real", "digits", "--fake", tmp_path / "objects.npz"], "objects.npz: it holds Python objects"),
        (["--real", "digits", "--fake", tmp_path / "two.npz"], "it holds 2 arrays"),
        (["--real", "digits", "--fake", tmp_path / "empty"], "holds no images"),
        (["--real", tmp_path / "two.npz", "--fake", "digits"], "it holds 2 arrays"),
        (["--real", "digits", "--fake", "digits", "--features", "nope"], "unknown features"),
        (["--real", "digits", "--fake", "digits", "--metrics", "fd,is"], "unknown metric 'is'. Known: fd, prd, kid"),
        (["--real", "digits", "--fake", tmp_path / "broken"], "broken/a.png: it is not an image in PNG, JPEG"),
        (["--real", "digits:valid", "--fake", "digits"], "NAME:train is its training split"),
        (["--real", "digits", "--fake", "digits", "--images", "many"], "--images must be a positive integer"),
    ]:
        assert main(["evaluate", *map(str, arguments)]) == 2
        assert words in capsys.readouterr().err
