"""The command `classifier`: all errors at once before any step, and a file that other commands use."""

import pytest
from labelled_images import CLASSES, write_shapes

from benchmarks.evaluation.extractors import make_extractor
from benchmarks.evaluation.residual import weights_file
from benchmarks.run import main


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AE_BENCH_CACHE", str(tmp_path / "cache"))
    make_extractor.cache_clear()
    return tmp_path / "cache"


def words(folder, *more):
    return ["classifier", f"folder:{folder}", "--name", "shapes", "--like", "digits", "--device", "cpu", *more]


def errors_of(capsys, arguments, cache):
    assert main(arguments) == 2
    assert not (cache / "classifiers").exists()
    lines = capsys.readouterr().err.strip().splitlines()
    assert all(line.startswith("error: ") for line in lines), lines
    return lines


def test_a_made_file_is_used_elsewhere(tmp_path, capsys):
    folder, out = write_shapes(tmp_path / "shapes"), tmp_path / "deep" / "shapes.pt"
    assert main(words(folder, "--out", str(out))) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("training a classifier of shapes")
    assert lines[-1] == str(out)
    about = weights_file.read(out).description
    assert about.accuracy > 0.9
    assert f"test accuracy {about.accuracy:.4f} on 90 images" in lines[-4]

    halves = [str(folder / half) for half in ("test", "train")]
    arguments = [
        "evaluate",
        "--real",
        halves[0],
        "--fake",
        halves[1],
        "--features",
        f"classifier:{out}",
        "--metrics",
        "fd",
    ]
    assert main([*arguments, "--device", "cpu"]) == 0
    assert "fd_classifier" in capsys.readouterr().out
    assert main(words(folder)) == 0  # from the cache
    assert "training a classifier" not in capsys.readouterr().out


def test_all_errors_are_reported_before_training(tmp_path, cache, capsys):
    folder = write_shapes(tmp_path / "shapes", 3, 2)
    for path in (folder / "test" / "dot").iterdir():
        path.unlink()
    lines = errors_of(capsys, words(folder, "--out", "weights.bin", "--precision", "tf32"), cache)
    for text in ("too few training images", "no test images of class 'dot'", "--out weights.bin must end in .pt",
                 "cannot be trained at --precision tf32 on cpu"):  # fmt: skip
        assert sum(text in line for line in lines) == 1, (text, lines)
    assert len(lines) == 4


@pytest.mark.parametrize(("arguments", "text"), [
    (["classifier"], "classifier needs one data set or folder:PATH, got none"),
    (["classifier", "digits", "mnist"], "needs one data set or folder:PATH, got digits mnist"),
    (["classifier", "digitz"], "did you mean 'digits'"),
    (["classifier", "folder:x"], "needs --name NAME and --like LIKE"),
    (["classifier", "folder:none", "--name", "x", "--like", "digits"], "none is missing"),
    (["classifier", "digits", "--name", "x"], "--name belongs to --on folder:PATH"),
    (["classifier", "digits", "--device", "tpu"], "unknown device 'tpu'"),
])  # fmt: skip
def test_a_wrong_command_line_is_refused(arguments, text, cache, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert any(text in line for line in errors_of(capsys, arguments, cache))


def test_an_existing_file_is_not_replaced(tmp_path, cache, capsys):
    folder, out = write_shapes(tmp_path / "shapes"), tmp_path / "mine.pt"
    out.write_text("mine")
    (line,) = errors_of(capsys, words(folder, "--out", str(out)), cache)
    assert "exists already; name a new file" in line
    assert out.read_text() == "mine"


def table_errors(path, tmp_path, capsys):
    """The errors of a table of Fashion-MNIST with the features of a file that are about the file."""
    arguments = ["table1", "--preset", "quick", "--on", "fashion", "--only", "vae", "--dry-run", "--device", "cpu",
                 "--features", f"classifier:{path}", "--results", str(tmp_path / "out")]  # fmt: skip
    assert main(arguments) == 2
    return [line for line in capsys.readouterr().err.splitlines() if path.name in line]


def test_a_file_that_is_no_classifier_is_one_error_of_a_table(tmp_path, capsys):
    path = tmp_path / "c.pt"
    (line,) = table_errors(path, tmp_path, capsys)
    assert "cannot read the classifier" in line
    path.write_text("x")
    (line,) = table_errors(path, tmp_path, capsys)
    assert "is not a weights file of a classifier" in line


def test_a_classifier_of_images_of_another_size_is_one_error_of_a_table(tmp_path, capsys):
    path = tmp_path / "c.pt"
    assert main(words(write_shapes(tmp_path / "shapes", 10, 2), "--out", str(path))) == 0
    (line,) = table_errors(path, tmp_path, capsys)
    assert "takes 1x8x8 images, not 1x28x28" in line


def test_the_classes_of_the_support_are_in_the_order_of_labels():
    assert [*CLASSES] == sorted(CLASSES)
