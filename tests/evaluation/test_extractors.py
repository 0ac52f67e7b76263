"""Extractors: the names of their distances, and their features."""

import importlib
import pickle
import sys
from hashlib import sha256
from importlib import resources

import numpy as np
import pytest
import torch
from pytorch_fid import inception as library

from benchmarks.data import datasets
from benchmarks.evaluation import classifier
from benchmarks.evaluation import extractors as features
from benchmarks.evaluation.extractors import inception
from benchmarks.perf.metric_cost import random_inception as write_random_inception
from benchmarks.perf.metric_cost import reference_inception

CPU = torch.device("cpu")
GRAY = (1, 8, 8)


@pytest.fixture(autouse=True)
def no_extractor_is_remembered():
    features.make_extractor.cache_clear()
    yield
    features.make_extractor.cache_clear()


@pytest.fixture(scope="session")
def random_inception(tmp_path_factory):
    """A torch hub cache with random weights under the file name that pytorch-fid looks for."""
    hub = tmp_path_factory.mktemp("hub")
    write_random_inception(hub / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth")
    return hub


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty torch hub cache, put back afterwards."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    return tmp_path


def test_unknown_inception_weights_are_never_called_fid(random_inception, monkeypatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(random_inception))
    found = features.make_extractor("inception", "mnist", (1, 28, 28), CPU)
    assert found.metric == "fd_inception_unknown"
    assert found.weights != inception.INCEPTION_SHA256
    images = torch.randint(256, (3, 1, 28, 28), dtype=torch.uint8)
    images[0] //= 4
    got = found(images)
    assert got.shape == (3, found.dims) == (3, 2048)

    with torch.no_grad():
        net = reference_inception(random_inception / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth")
        expected = net(images.float().repeat(1, 3, 1, 1) / 255)[0].flatten(1).numpy()
    assert np.linalg.norm(got - expected) < 1e-5 * np.linalg.norm(expected)  # though batch norms are folded
    assert expected.std(0).mean() > 0.01  # and features tell images apart


def test_the_loader_of_pytorch_fid_is_restored(random_inception, monkeypatch):
    before = library.load_state_dict_from_url
    monkeypatch.setattr(torch.hub, "_hub_dir", str(random_inception))
    features.make_extractor("inception", "mnist", (1, 28, 28), CPU)
    assert library.load_state_dict_from_url is before


def test_missing_inception_weights_say_how_to_get_them(hub):
    with pytest.raises(ValueError, match=r"pt_inception-2015-12-05-6726825d\.pth\. .*run fetch inception"):
        features.make_extractor("inception", "mnist", (1, 28, 28), CPU)


class Bomb:
    def __reduce__(self):
        return open, ("bomb", "w")


def test_a_pickle_under_that_name_is_not_executed(hub, monkeypatch):
    monkeypatch.chdir(hub)
    (hub / "checkpoints").mkdir()
    (hub / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match=r"is not a file of Inception weights: remove it, and .*fetch inception"):
        features.make_extractor("inception", "mnist", (1, 28, 28), CPU)
    assert not (hub / "bomb").exists()


@pytest.mark.parametrize("name", classifier.shipped_weights())
def test_shipped_classifiers_are_what_they_say(name):
    file = resources.files("benchmarks.evaluation") / "weights" / classifier.shipped_weights()[name]
    raw = file.read_bytes()
    assert len(raw) < 500_000
    assert file.name == f"classifier-{name}-{sha256(raw).hexdigest()[:8]}.pt"
    _, content, _ = classifier.load_classifier(name)
    assert content["spec"]["width"] <= 64
    assert content["accuracy"] >= (0.9 if name == "fashion" else 0.98)
    assert content["trained"]["dataset"] == name
    assert content["trained"]["train"] == datasets.DATASETS[name].known[0]


def test_each_small_data_set_has_a_shipped_classifier():
    assert set(classifier.shipped_weights()) == {"digits", "mnist", "fashion"}


def accuracy(name, data):
    net, content, _ = classifier.load_classifier(name)
    with torch.no_grad():
        guess = torch.cat([net(part.float() / 255).argmax(1) for part in data.test.images.split(500)])
    return (guess == data.test.labels).double().mean().item(), content["accuracy"]


def test_the_accuracy_in_the_file_is_measured_on_digits():
    got, stored = accuracy("digits", datasets.load("digits", None))
    assert got == pytest.approx(stored, abs=0.003)


@pytest.mark.parametrize("name", ["mnist", "fashion"])
def test_the_accuracy_in_the_file_is_measured_on_real_images(name, data_root):
    got, stored = accuracy(name, datasets.load(name, data_root))
    assert got == pytest.approx(stored, abs=0.001)


def test_features_do_not_depend_on_the_batch():
    found = features.make_extractor("classifier", "digits", GRAY, CPU)
    images = datasets.load("digits", None).test.images
    alone = np.concatenate([found(image[None]) for image in images[:7]])
    assert np.allclose(found(images)[:7], alone, atol=1e-4)
    assert (found.metric, found.name, found.dims) == ("fd_classifier", "classifier:digits", 32)


def test_pixel_features_are_the_pixels():
    images = torch.randint(256, (5, *GRAY), dtype=torch.uint8)
    found = features.make_extractor("pixels", "digits", GRAY, CPU)
    assert found.metric == "fd_pixels"
    assert np.array_equal(found(images), images.flatten(1).numpy() / np.float32(255))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "vgg",
            r"unknown features 'vgg'\. Known: inception, inception:PATH, classifier, classifier:NAME, classifier:FILE",
        ),
        ("pixels:mnist", "unknown features"),
        ("classifier:mnist", "takes 1x28x28 images"),
        (
            "classifier:cifar10",
            r"no classifier for 'cifar10'\. Choose --features inception or pixels, .*NAME: (cifar10-jpeg, )?digits",
        ),
    ],
)
def test_extractors_that_do_not_fit_are_refused(name, words):
    with pytest.raises(ValueError, match=words):
        features.make_extractor(name, "digits", GRAY, CPU)


def test_data_sets_without_a_classifier_say_so():
    with pytest.raises(ValueError, match="no classifier for 'celeba'"):
        features.make_extractor("classifier", "celeba", (3, 64, 64), CPU)


def test_an_archive_with_code_under_that_name_is_not_executed(hub, monkeypatch):
    """torch.save writes archives, which torch loads in another way than a bare pickle."""
    monkeypatch.chdir(hub)
    (hub / "checkpoints").mkdir()
    torch.save({"weight": Bomb()}, hub / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth")
    with pytest.raises(ValueError, match="is not a file of Inception weights"):
        features.make_extractor("inception", "mnist", (1, 28, 28), CPU)
    assert not (hub / "bomb").exists()


def test_a_gray_image_has_the_features_of_a_color_image_with_equal_channels(random_inception, monkeypatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(random_inception))
    found = features.make_extractor("inception", "mnist", (1, 28, 28), CPU)
    gray = torch.randint(256, (2, 1, 32, 32), dtype=torch.uint8)
    assert np.allclose(found(gray), found(gray.repeat(1, 3, 1, 1)), atol=1e-6)


def test_weights_may_be_named_by_their_path(random_inception, hub):
    path = random_inception / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth"
    found = features.make_extractor(f"inception:{path}", "mnist", (1, 28, 28), CPU)
    assert (found.name, found.metric) == ("inception", "fd_inception_unknown")
    assert found.weights == inception.file_sha256(path)
    with pytest.raises(ValueError, match=r"the Inception weights do not exist: .*none"):
        features.make_extractor(f"inception:{hub}/none.pth", "mnist", (1, 28, 28), CPU)


def test_only_the_published_weights_give_fid(random_inception, monkeypatch):
    """The published weights are not available here, so the test replaces the expected hash."""
    path = random_inception / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth"
    monkeypatch.setattr(inception, "INCEPTION_SHA256", inception.file_sha256(path))
    assert features.InceptionExtractor(CPU, path).metric == "fid"


def test_a_hash_that_begins_as_the_published_one_does_not_give_fid(random_inception, monkeypatch):
    path = random_inception / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth"
    monkeypatch.setattr(inception, "INCEPTION_SHA256", inception.file_sha256(path)[:8] + "0" * 56)
    assert features.InceptionExtractor(CPU, path).metric == "fd_inception_unknown"


def test_other_ways_to_resize_give_other_features(random_inception, monkeypatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(random_inception))
    found = features.make_extractor("inception", "mnist", (1, 28, 28), CPU)
    plain, smooth, cubic = found.inputs
    image = torch.randint(256, (2, 3, 400, 400), dtype=torch.uint8)  # shrunk: antialiasing matters
    a, b, c = (found(image, kind) for kind in (plain, smooth, cubic))
    assert np.array_equal(found(image), a)
    assert np.abs(a - b).max() > 1e-4
    assert np.abs(b - c).max() > 1e-5


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (torch.zeros(0, 1, 8, 8, dtype=torch.uint8), r"\(N, C, H, W\), N at least 1, got \(0, 1, 8, 8\)"),
        (torch.zeros(4, 8, 8, dtype=torch.uint8), r"got \(4, 8, 8\)"),
        (torch.zeros(4, 1, 8, 8, dtype=torch.int64), "not torch.int64"),
        (torch.full((4, 1, 8, 8), 2.0), r"they lie in \[2, 2\]"),
        (torch.full((4, 1, 8, 8), -0.1), r"they lie in \[-0.1, -0.1\]"),
        (torch.full((4, 1, 8, 8), float("nan")), "4 of 4 are not finite"),
    ],
)
def test_every_extractor_refuses_invalid_images(images, words):
    for name in ("classifier", "pixels"):
        with pytest.raises(ValueError, match=words):
            features.make_extractor(name, "digits", GRAY, CPU)(images)


def test_float_images_are_not_rounded():
    found = features.make_extractor("classifier", "digits", GRAY, CPU)
    images = datasets.load("digits", None).test.images[:20]
    assert np.array_equal(found(images), found(images.float() / 255))


def test_features_follow_the_order_of_the_images():
    found = features.make_extractor("classifier", "digits", GRAY, CPU)
    images = datasets.load("digits", None).test.images[:50]
    assert np.allclose(found(images.flip(0))[::-1], found(images), atol=1e-4)


def test_tf32_is_off_while_features_are_computed():
    seen = []

    class Watch(features.PixelExtractor):
        def features(self, x):
            seen.append(torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32)
            return super().features(x)

    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = True
    Watch(GRAY)(torch.zeros(2, *GRAY, dtype=torch.uint8))
    assert torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = before
    assert seen == [False]


STRANGER = """
import torch
from benchmarks.evaluation.extractors import Extractor

class Means(Extractor):
    weights = "none"
    def __init__(self, image_shape, device):
        self.name, self.dims, self.device = "fid", 2, device
    def features(self, x):
        return torch.stack([x.mean((1, 2, 3)), x.std((1, 2, 3))], 1)

class Wrong(Means):
    def features(self, x):
        return x.flatten(1)

class Cheat(Means):
    metric = "fid"

class Nothing:
    pass
"""


def test_an_external_extractor_is_named_by_its_path(tmp_path, monkeypatch):
    (tmp_path / "stranger.py").write_text(STRANGER)
    (tmp_path / "broken.py").write_text("def")
    (tmp_path / "changed.py").write_text(STRANGER + "\n# another version\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = features.make_extractor("stranger:Means", "digits", GRAY, CPU)
    assert (found.name, found.metric, found.dims) == ("stranger:Means", "fd_stranger_Means", 2)
    assert found.weights != features.make_extractor("changed:Means", "digits", GRAY, CPU).weights  # another text
    assert found(torch.full((3, *GRAY), 255, dtype=torch.uint8))[:, 0].tolist() == [1, 1, 1]
    for name, words in {
        "stranger:None_": "no attribute 'None_'",
        "nowhere.at.all:Means": "No module named 'nowhere'; it must be on the Python path",
        "stranger:Nothing": "is not a subclass of benchmarks.evaluation.extractors.Extractor",
        "stranger:Wrong": r"does not work on images of \(1, 8, 8\): ValueError: .* features \(2, 64\), not \(2, 2\)",
        "stranger:Cheat": "defines `metric`",
        "broken:Means": "--features broken:Means: SyntaxError",
    }.items():
        with pytest.raises(ValueError, match=words):
            features.make_extractor(name, "digits", GRAY, CPU)


def test_the_hash_of_an_external_extractor_includes_the_modules_beside_it(tmp_path, monkeypatch):
    """A changed helper module gives other numbers, even if the class names the same weights."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "means_of_mine.py").write_text("import helper_of_mine\n" + STRANGER)
    weights = []
    for text in ("LEVEL = 1\n", "LEVEL = 2\n", "LEVEL = 1\n"):
        (tmp_path / "helper_of_mine.py").write_text(text)
        for name in ("means_of_mine", "helper_of_mine"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        features.make_extractor.cache_clear()
        weights.append(features.make_extractor("means_of_mine:Means", "digits", GRAY, CPU).weights)
    assert weights[0] == weights[2] != weights[1]
