"""Images that no classifier can be trained on: one message for each kind of error, found without reading an image."""

import shutil

import pytest
from labelled_images import shapes, write_shapes

from benchmarks.data.datasets import DATASETS, Dataset, ImageFolder
from benchmarks.data.split import Split
from benchmarks.evaluation.residual.checks import find_class_errors, find_label_errors, is_labelled


@pytest.fixture
def source(tmp_path):
    return ImageFolder(write_shapes(tmp_path / "shapes", 12, 4), "shapes", "digits")


def test_a_labelled_folder_has_no_errors(source):
    assert is_labelled(source)
    assert find_class_errors(source) == []


def test_a_folder_without_train_and_test_is_labelled_too(source):
    flat = ImageFolder(source.path / "train", "flat", "digits")
    assert is_labelled(flat)
    assert find_class_errors(flat) == []


def test_a_folder_with_one_class_is_refused(source):
    for name in ("dot", "stripe"):
        for half in ("train", "test"):
            shutil.rmtree(source.path / half / name)
    (error,) = find_class_errors(source)
    assert "has only one class, 'bar'; a classifier needs two" in error


def test_classes_of_three_images_are_refused_with_their_numbers(source):
    for name in ("dot", "stripe"):
        for path in sorted((source.path / "train" / name).iterdir())[3:]:
            path.unlink()
    (error,) = find_class_errors(source)
    assert "too few training images of classes 'dot' (3), 'stripe' (3). A class needs 10" in error


def test_a_class_without_test_images_is_refused(source):
    shutil.rmtree(source.path / "test" / "dot")
    (error,) = find_class_errors(source)
    assert "no test images of class 'dot'" in error


def test_a_class_without_training_images_is_refused(source):
    shutil.rmtree(source.path / "train" / "dot")
    (error,) = find_class_errors(source)
    assert "no training images of class 'dot'" in error


def test_an_empty_class_is_refused(source):
    (source.path / "train" / "empty").mkdir()
    first, second = find_class_errors(source)
    assert "no training images of class 'empty'" in first
    assert "no test images of class 'empty'" in second


def test_an_unlabelled_folder_is_refused_with_an_image_that_has_no_class(source):
    shutil.move(next((source.path / "train" / "dot").iterdir()), source.path / "train" / "stray.png")
    (error,) = find_class_errors(source)
    assert "has no labels to train a classifier on: train/stray.png is in no subfolder" in error
    assert "--features classifier:NAME" in error
    assert not is_labelled(source)


def test_all_errors_are_found_at_once(source):
    shutil.rmtree(source.path / "test" / "dot")
    for path in sorted((source.path / "train" / "bar").iterdir())[9:]:
        path.unlink()
    shutil.rmtree(source.path / "train" / "stripe")
    errors = find_class_errors(source)
    assert [text in error for text, error in zip(["'stripe'", "'bar' (9)", "'dot'"], errors, strict=True)] == [True] * 3


def test_a_missing_folder_is_reported_elsewhere(tmp_path):
    source = ImageFolder(tmp_path / "none", "none", "digits")
    assert find_class_errors(source) == []
    assert not is_labelled(source)


def test_a_message_about_many_classes_is_short(tmp_path):
    for index in range(300):
        for half in ("train", "test"):
            (tmp_path / half / f"class{index}").mkdir(parents=True)
            (tmp_path / half / f"class{index}" / "x.png").touch()
    (error,) = find_class_errors(ImageFolder(tmp_path, "many", "digits"))
    assert "and 295 more" in error
    assert len(error) < 400


def test_the_labels_of_a_loaded_data_set_are_checked_with_the_names_of_its_classes():
    train, test = shapes(12, 0), shapes(2, 1)
    few = Split(test.images[:2], test.labels[:2])
    (error,) = find_label_errors(Dataset("d", DATASETS["digits"], train, few, (), "digits"), ["bar", "dot", "stripe"])
    assert "d has no test images of class 'stripe'" in error
    none = Split(test.images)
    (error,) = find_label_errors(Dataset("d", DATASETS["digits"], train, none, (), "digits"))
    assert "d has no labels" in error
