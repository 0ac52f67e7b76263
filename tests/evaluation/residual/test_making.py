"""A classifier is trained once for its images, labels and recipe, and found again by their content."""

from dataclasses import replace

import pytest
import torch
from labelled_images import shapes_dataset

from benchmarks.data.split import Split
from benchmarks.evaluation.residual import making, weights_file
from benchmarks.evaluation.residual.content import classifier_key, labelled_fingerprint
from benchmarks.evaluation.residual.fit import predict
from benchmarks.evaluation.residual.making import find_classifier, format_seconds, make_classifier
from benchmarks.evaluation.residual.recipe import RECIPE

CPU = torch.device("cpu")
SHORT = replace(RECIPE, epochs=2, min_steps=1)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AE_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def make(data, **options):
    lines = []
    return make_classifier(data, CPU, lines.append, **({"recipe": SHORT} | options)), lines


def reordered(split):
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(1))
    return Split(split.images[order], split.labels[order])


def test_a_classifier_is_trained_once_and_found_by_content():
    data = shapes_dataset(12, 4)
    assert find_classifier(data, SHORT) is None
    path, lines = make(data)
    again, no_lines = make(data)
    assert (again, no_lines) == (path, [])
    assert find_classifier(data, SHORT) == path
    assert lines[0].startswith("training a classifier of shapes: 36 images of 8x8, 3 classes, 2 epochs of 12 steps")
    assert "s here, so that this takes about" in lines[1]
    assert lines[-1].startswith("classifier of shapes: test accuracy 0.")


def test_neither_the_name_nor_the_order_of_images_changes_the_classifier(cache):
    data = shapes_dataset(12, 4)
    path, _ = make(data)
    other = replace(data, name="other", train=reordered(data.train), test=reordered(data.test))
    assert make(other) == (path, [])
    path.unlink()
    assert make(other)[0].name == path.name


def test_file_order_does_not_change_the_weights():
    data = shapes_dataset(12, 4)
    first = make(data)[0].read_bytes()
    find_classifier(data, SHORT).unlink()
    assert make(replace(data, train=reordered(data.train)))[0].read_bytes() == first


def test_other_images_labels_or_settings_have_another_key():
    data = shapes_dataset(12, 4)
    labels = data.train.labels.clone()
    labels[0] = (labels[0] + 1) % 3
    images = data.train.images.clone()
    images[0, 0, 0, 0] ^= 1
    variants = [(data.train, data.test, RECIPE), (Split(data.train.images, labels), data.test, RECIPE),
                (Split(images, data.train.labels), data.test, RECIPE), (data.train, data.train, RECIPE),
                (data.train, data.test, replace(RECIPE, seed=1))]  # fmt: skip
    assert len({classifier_key(*variant) for variant in variants}) == len(variants)


def test_labels_belong_to_their_images():
    """Two images that swap their labels are another data set, although images and labels are the same sets."""
    split = shapes_dataset(12, 4).train
    swapped = split.labels.clone()
    swapped[[0, 1]] = swapped[[1, 0]]
    assert labelled_fingerprint(Split(split.images, swapped)) != labelled_fingerprint(split)


def test_the_accuracy_is_that_of_the_stored_weights():
    data = shapes_dataset(12, 10)
    loaded = weights_file.read(make(data)[0])
    got = (predict(loaded.net, data.test.images, CPU) == data.test.labels).double().mean().item()
    assert got == loaded.description.accuracy
    about = loaded.description
    assert (about.dataset, about.n_train, about.n_test, about.classes) == ("shapes", 36, 30, 3)
    assert about.key == classifier_key(data.train, data.test, SHORT)
    assert about.recipe == SHORT.plain()


def test_a_broken_file_in_the_cache_is_replaced():
    data = shapes_dataset(12, 4)
    path, _ = make(data)
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    with pytest.warns(UserWarning, match="is not a weights file of a classifier. It is ignored"):
        assert make(data)[0].read_bytes() == content


def test_a_file_of_another_key_is_not_used():
    data, other = shapes_dataset(12, 4), shapes_dataset(13, 4)
    path = make(data)[0]
    target = making.cached_file(classifier_key(other.train, other.test, SHORT))
    target.write_bytes(path.read_bytes())
    assert find_classifier(other, SHORT) is None


def test_an_interrupted_training_leaves_a_state_that_the_next_call_continues(cache, monkeypatch):
    data = shapes_dataset(12, 4)
    expected = make(data)[0].read_bytes()
    find_classifier(data, SHORT).unlink()

    class Interrupted(Exception):
        pass

    def interrupt(line):
        if "epoch 1/2" in line:
            raise Interrupted

    monkeypatch.setattr(making, "REPORT_SECONDS", -1)
    with pytest.raises(Interrupted):
        make_classifier(data, CPU, interrupt, recipe=SHORT)
    assert [path.suffix for path in (cache / "classifiers").iterdir() if path.suffix != ".lock"] == [".state"]
    path, lines = make(data)
    assert lines[0].endswith("2 epochs of 12 steps, of which 1 are done")
    assert path.read_bytes() == expected
    assert next(line for line in lines if " epoch " in line).startswith("classifier of shapes: epoch 2/2")
    assert {path.suffix for path in (cache / "classifiers").iterdir()} == {".lock", ".pt"}


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 s"), (99, "99 s"), (100, "2 minutes"), (3000, "50 minutes")])
def test_durations_are_in_seconds_or_minutes(seconds, text):
    assert format_seconds(seconds) == text
