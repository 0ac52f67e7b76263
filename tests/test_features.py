"""Extractors: what they call their numbers, and that they compute what they say."""

import pickle
from hashlib import sha256
from importlib import resources

import numpy as np
import pytest
import torch
from pytorch_fid import inception as library

from benchmarks import classifier, datasets, features

CPU = torch.device("cpu")
GRAY = (1, 8, 8)


@pytest.fixture(autouse=True)
def no_extractor_is_remembered():
    features.extractor.cache_clear()
    yield
    features.extractor.cache_clear()


@pytest.fixture(scope="session")
def random_inception(tmp_path_factory):
    """A torch hub cache with random weights under the file name that pytorch-fid looks for."""
    torch.manual_seed(0)
    original = library.load_state_dict_from_url
    # The library fills the network that it has built from what this returns: here, that network's own weights.
    library.load_state_dict_from_url = lambda *_, **__: random_state()
    try:
        net = library.fid_inception_v3()
    finally:
        library.load_state_dict_from_url = original
    hub = tmp_path_factory.mktemp("hub")
    (hub / "checkpoints").mkdir()
    torch.save(net.state_dict(), hub / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth")
    return hub


def random_state():
    net = library._inception_v3(num_classes=1008, aux_logits=False, weights=None)
    net.Mixed_5b = library.FIDInceptionA(192, pool_features=32)
    net.Mixed_5c = library.FIDInceptionA(256, pool_features=64)
    net.Mixed_5d = library.FIDInceptionA(288, pool_features=64)
    net.Mixed_6b = library.FIDInceptionC(768, channels_7x7=128)
    net.Mixed_6c = library.FIDInceptionC(768, channels_7x7=160)
    net.Mixed_6d = library.FIDInceptionC(768, channels_7x7=160)
    net.Mixed_6e = library.FIDInceptionC(768, channels_7x7=192)
    net.Mixed_7b = library.FIDInceptionE_1(1280)
    net.Mixed_7c = library.FIDInceptionE_2(2048)
    return net.state_dict()


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty torch hub cache, put back afterwards."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    return tmp_path


def test_unknown_inception_weights_are_never_called_fid(random_inception, monkeypatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(random_inception))
    found = features.extractor("inception", "mnist", (1, 28, 28), CPU)
    assert found.metric == "fd_inception_unknown"
    assert not found.weights.startswith(features.INCEPTION_SHA256)
    images = torch.randint(256, (3, 1, 28, 28), dtype=torch.uint8)
    got = found(images)
    assert got.shape == (3, found.dims) == (3, 2048)

    file = random_inception / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth"
    monkeypatch.setattr(library, "load_state_dict_from_url", lambda *_, **__: torch.load(file, weights_only=True))
    net = library.InceptionV3([3]).eval()
    with torch.no_grad():
        expected = net(images.float().repeat(1, 3, 1, 1) / 255)[0].flatten(1).numpy()
    assert np.allclose(got, expected, atol=1e-5)


def test_the_library_gets_its_loader_back(random_inception, monkeypatch):
    before = library.load_state_dict_from_url
    monkeypatch.setattr(torch.hub, "_hub_dir", str(random_inception))
    features.extractor("inception", "mnist", (1, 28, 28), CPU)
    assert library.load_state_dict_from_url is before


def test_missing_inception_weights_say_how_to_get_them(hub):
    with pytest.raises(ValueError, match=r"pt_inception-2015-12-05-6726825d\.pth .*run fetch inception"):
        features.extractor("inception", "mnist", (1, 28, 28), CPU)


class Bomb:
    def __reduce__(self):
        return open, ("bomb", "w")


def test_a_pickle_under_that_name_is_not_executed(hub, monkeypatch):
    monkeypatch.chdir(hub)
    (hub / "checkpoints").mkdir()
    (hub / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match=r"is not a file of Inception weights: remove it, and .*fetch inception"):
        features.extractor("inception", "mnist", (1, 28, 28), CPU)
    assert not (hub / "bomb").exists()


@pytest.mark.parametrize("name", classifier.shipped())
def test_shipped_classifiers_are_what_they_say(name):
    file = resources.files("benchmarks") / "weights" / classifier.shipped()[name]
    raw = file.read_bytes()
    assert len(raw) < 500_000
    assert file.name == f"classifier-{name}-{sha256(raw).hexdigest()[:8]}.pt"
    _, content, _ = classifier.load(name)
    assert content["spec"]["width"] <= 64
    assert content["accuracy"] >= (0.9 if name == "fashion" else 0.98)
    assert content["trained"]["dataset"] == name
    assert content["trained"]["train"] == datasets.DATASETS[name].known[0]


def test_there_is_one_for_each_small_data_set():
    assert set(classifier.shipped()) == {"digits", "mnist", "fashion"}


def accuracy(name, data):
    net, content, _ = classifier.load(name)
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
    found = features.extractor("classifier", "digits", GRAY, CPU)
    images = datasets.load("digits", None).test.images
    alone = np.concatenate([found(image[None]) for image in images[:7]])
    assert np.allclose(found(images)[:7], alone, atol=1e-4)
    assert (found.metric, found.name, found.dims) == ("fd_classifier", "classifier:digits", 32)


def test_pixels_are_themselves():
    images = torch.randint(256, (5, *GRAY), dtype=torch.uint8)
    found = features.extractor("pixels", "digits", GRAY, CPU)
    assert found.metric == "fd_pixels"
    assert np.array_equal(found(images), images.flatten(1).numpy() / np.float32(255))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vgg", r"unknown features 'vgg'\. Known: inception, inception:PATH, classifier, classifier:NAME, pixels"),
        ("pixels:mnist", "unknown features"),
        ("classifier:mnist", "takes 1x28x28 images"),
        ("classifier:cifar10", "no classifier for 'cifar10'. There is one for digits, fashion, mnist"),
    ],
)
def test_extractors_that_do_not_fit_are_refused(name, words):
    with pytest.raises(ValueError, match=words):
        features.extractor(name, "digits", GRAY, CPU)


def test_data_sets_without_a_classifier_say_so():
    with pytest.raises(ValueError, match="no classifier for 'celeba'"):
        features.extractor("classifier", "celeba", (3, 64, 64), CPU)


def test_an_archive_with_code_under_that_name_is_not_executed(hub, monkeypatch):
    """As torch.save writes it, which loads another way than a bare pickle."""
    monkeypatch.chdir(hub)
    (hub / "checkpoints").mkdir()
    torch.save({"weight": Bomb()}, hub / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth")
    with pytest.raises(ValueError, match="is not a file of Inception weights"):
        features.extractor("inception", "mnist", (1, 28, 28), CPU)
    assert not (hub / "bomb").exists()


def test_gray_is_seen_as_colour_with_equal_channels(random_inception, monkeypatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(random_inception))
    found = features.extractor("inception", "mnist", (1, 28, 28), CPU)
    gray = torch.randint(256, (2, 1, 32, 32), dtype=torch.uint8)
    assert np.allclose(found(gray), found(gray.repeat(1, 3, 1, 1)), atol=1e-6)
