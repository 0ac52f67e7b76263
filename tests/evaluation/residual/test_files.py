"""The shipped residual classifiers: what their files say, and what their features tell apart."""

import io
from functools import cache
from hashlib import sha256
from itertools import product

import numpy as np
import pytest
import torch
from archived_images import read_archive
from PIL import Image, ImageFilter
from shared import make_once

from benchmarks.data.split import Split
from benchmarks.evaluation.classifier import shipped_weights
from benchmarks.evaluation.extractors import make_extractor
from benchmarks.evaluation.metrics import frechet_distance
from benchmarks.evaluation.residual import weights_file
from benchmarks.evaluation.residual.files import DEFAULTS, default_classifier, shipped_files
from benchmarks.evaluation.residual.fit import predict
from benchmarks.evaluation.residual.recipe import MEASURED_ACCURACY, RECIPE
from benchmarks.perf.metric_cost import random_inception

CPU = torch.device("cpu")
NAME = "cifar10-jpeg"
N = 2_000  # images of each side


@pytest.fixture
def shipped():
    if NAME not in shipped_files():
        pytest.skip(f"the classifier of {NAME} does not ship with this version")
    return shipped_files()[NAME]


@pytest.fixture
def test_images(data_root, shared_folder):
    """The test images of CIFAR-10 in JPEG."""
    archive = data_root / NAME / "test.tar.xz"
    if not archive.is_file():
        pytest.skip(f"{NAME}/test.tar.xz is not in AE_BENCH_DATA")

    def make(folder):
        split = read_archive(archive)
        torch.save({"images": split.images, "labels": split.labels}, folder / "split.pt")

    saved = torch.load(make_once(shared_folder / NAME, make) / "split.pt", weights_only=True)
    return Split(saved["images"], saved["labels"])


def test_no_name_is_that_of_a_classifier_of_the_first_kind():
    assert not {*shipped_files()} & {*shipped_weights()}


def test_a_data_set_uses_the_classifier_of_its_images_only_if_it_ships():
    for dataset, name in DEFAULTS.items():
        assert default_classifier(dataset) == (name if name in shipped_files() else dataset)
    assert default_classifier("celeba") == "celeba"


def test_a_shipped_file_is_what_it_says(shipped):
    raw = shipped.read_bytes()
    assert len(raw) < 500_000
    assert shipped.name == f"classifier-{NAME}-{sha256(raw).hexdigest()[:8]}.pt"
    about = weights_file.read(shipped).description
    assert about.dataset == NAME
    assert (about.shape, about.classes, about.width) == ((3, 32, 32), 10, 64)
    assert (about.n_train, about.n_test) == (50_000, 10_000)
    assert about.recipe == RECIPE.plain()
    assert about.accuracy >= 0.85
    assert {"CIFAR-10's images in JPEG": round(about.accuracy, 2)} == MEASURED_ACCURACY


def test_the_accuracy_in_the_file_is_measured_on_real_images(shipped, test_images):
    loaded = weights_file.read(shipped)
    got = (predict(loaded.net, test_images.images, CPU) == test_images.labels).double().mean().item()
    assert got == pytest.approx(loaded.description.accuracy, abs=0.001)


def blur(image, radius):
    return image.filter(ImageFilter.GaussianBlur(radius))


def add_noise(image, level):
    pixels = np.asarray(image)
    noise = np.random.default_rng(int(pixels.sum())).normal(0, level, pixels.shape)
    return Image.fromarray(np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8))


def compress(image, quality):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


# The levels of each, from weak to strong
DEGRADATIONS = {
    "blurred": (blur, (0.4, 0.7, 1.0, 1.5, 2.5)),
    "noisy": (add_noise, (4, 8, 16, 32, 64)),
    "compressed": (compress, (60, 40, 20, 10, 5)),
}


def degraded(images, kind, level):
    function = DEGRADATIONS[kind][0]
    changed = [np.asarray(function(Image.fromarray(image), level)) for image in images.permute(0, 2, 3, 1).numpy()]
    return torch.from_numpy(np.stack(changed)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_the_distance_grows_with_every_degradation(shipped, test_images, kind):
    """Other test images are the floor: every degraded set is farther away, the more so the stronger it is."""
    extractor = make_extractor(f"classifier:{NAME}", "cifar10", (3, 32, 32), CPU)
    order = torch.randperm(len(test_images), generator=torch.Generator().manual_seed(0))
    reference, images = (test_images.images[order[start : start + N]] for start in (0, N))
    real = extractor(reference)
    distances = [frechet_distance(real, extractor(images))]
    distances += [frechet_distance(real, extractor(degraded(images, kind, level))) for level in DEGRADATIONS[kind][1]]
    assert distances == sorted(distances)
    assert distances[-1] > 10 * distances[0]


SEEN = ("blurred", "noisy")  # by an untrained Inception on 100 images; it does not see compression


@pytest.fixture(scope="module")
def other_distances(tmp_path_factory):
    """Distances of test images to as many others on pixels and on an untrained Inception, as a function.

    It takes the features and test images, and returns the floor and, by degradation, the weakest and the strongest.
    """

    @cache
    def distances(features):
        extractor, n = make_extractor("pixels", "cifar10", (3, 32, 32), CPU), 2_000
        if features == "inception":
            path = tmp_path_factory.mktemp("inception") / "weights.pth"
            random_inception(path)
            extractor, n = make_extractor(f"inception:{path}", "cifar10", (3, 32, 32), CPU), 100
        images = made["images"]
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
        reference, others = (images[order[start : start + n]] for start in (0, n))
        real = extractor(reference)

        def distance(images):
            return frechet_distance(real, extractor(images), allow_few=True)

        ends = {kind: (levels[0], levels[-1]) for kind, (_, levels) in DEGRADATIONS.items()}
        return distance(others), {
            kind: [distance(degraded(others, kind, level)) for level in some]
            for kind, some in ends.items()
            if features == "pixels" or kind in SEEN
        }

    made = {}

    def of(features, split):
        made["images"] = split.images
        return distances(features)

    return of


@pytest.mark.full
@pytest.mark.parametrize(("features", "kind"), [*product(["pixels"], DEGRADATIONS), *product(["inception"], SEEN)])
def test_other_features_tell_strong_degradations_from_weak_ones(features, kind, test_images, other_distances):
    """Pixels and an untrained Inception; the classifier also orders the levels between."""
    weak, strong = other_distances(features, test_images)[1][kind]
    assert strong > 1.2 * weak


@pytest.mark.full
def test_pixels_put_slightly_blurred_images_closer_than_sharp_ones(test_images, other_distances):
    """A reason to use the features of a classifier: it does not reward blurred samples."""
    floor, by_kind = other_distances("pixels", test_images)
    assert by_kind["blurred"][0] < floor
