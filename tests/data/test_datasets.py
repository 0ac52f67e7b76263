"""Data sets: the order of files never matters, and a broken file is named."""

import gzip
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.data import celeba, datasets, folders, published
from benchmarks.data.datasets import DATASETS, DataError, ImageFolder, Split
from benchmarks.data.paths import data_root

needs_data = pytest.mark.skipif(
    not os.environ.get("AE_BENCH_DATA"), reason="needs the real files: set AE_BENCH_DATA to a data root"
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """No test reads or writes the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("AE_BENCH_CACHE", str(folder))
    return folder


def part_of(values, shape=(1, 1, 1), labels=None):
    """One constant image of each value."""
    pixels = torch.tensor(values, dtype=torch.uint8).reshape(-1, 1, 1, 1).expand(-1, *shape).contiguous()
    return Split(pixels, None if labels is None else torch.tensor(labels))


def idx(array):
    """An array of bytes in the IDX format."""
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + array.astype(np.uint8).tobytes()


def write_mnist(root, folder="MNIST", size=28, zipped=True):
    """A tiny MNIST: 6 training and 3 test images."""
    rng = np.random.default_rng(0)
    raw = root / folder / "raw"
    raw.mkdir(parents=True)
    written = {}
    for prefix, n in (("train", 6), ("t10k", 3)):
        written[prefix] = rng.integers(0, 256, (n, size, size))
        for kind, array in (("images-idx3", written[prefix]), ("labels-idx1", np.arange(n))):
            data = idx(array)
            name = f"{prefix}-{kind}-ubyte" + (".gz" if zipped else "")
            (raw / name).write_bytes(gzip.compress(data) if zipped else data)
    return written


def write_image(path, seed=0, size=(8, 8), mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = size[::-1] if mode == "L" else (*size[::-1], 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def write_celeba(root, parts="002"):
    """Faces 000001.jpg ... in the parts given by one character each."""
    folder = root / "celeba" / "img_align_celeba"
    for number, _ in enumerate(parts, 1):
        write_image(folder / f"{number:06}.jpg", number, (178, 218), "RGB")
    lines = [f"{number:06}.jpg {part}\n" for number, part in enumerate(parts, 1)]
    (root / "celeba" / "list_eval_partition.txt").write_text("".join(lines))
    return folder


# Part --------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 255), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_fingerprint_and_canonical_ignore_the_order_of_images(values, random):
    shuffled = random.sample(values, len(values))
    assert part_of(values).fingerprint == part_of(shuffled).fingerprint
    assert torch.equal(part_of(values).canonical().images, part_of(shuffled).canonical().images)


@given(st.lists(st.integers(0, 255), max_size=6), st.lists(st.integers(0, 255), max_size=6))
def test_fingerprint_tells_different_collections_apart(first, second):
    same = sorted(first) == sorted(second)
    assert (part_of(first).fingerprint == part_of(second).fingerprint) == same


def test_fingerprint_depends_on_the_shape():
    assert part_of([7], (1, 2, 3)).fingerprint != part_of([7], (1, 3, 2)).fingerprint
    assert part_of([7], (3, 1, 2)).fingerprint != part_of([7], (1, 3, 2)).fingerprint


def test_fingerprint_ignores_the_layout_in_memory():
    pixels = torch.arange(24, dtype=torch.uint8).reshape(2, 3, 2, 2)
    assert Split(pixels).fingerprint == Split(pixels.contiguous(memory_format=torch.channels_last)).fingerprint


def test_canonical_takes_labels_along_and_at_most_n():
    part = part_of([10, 20, 30, 40], labels=[1, 2, 3, 4])
    first = part.canonical(3)
    assert len(first) == 3
    assert torch.equal(first.images.flatten(), first.labels * 10)
    assert torch.equal(first.images, part.canonical().images[:3])
    assert len(part.canonical(99)) == 4


def test_labels_decide_between_equal_images():
    first, second = part_of([5, 5, 5], labels=[2, 0, 1]), part_of([5, 5, 5], labels=[1, 2, 0])
    assert first.canonical(2).labels.tolist() == second.canonical(2).labels.tolist() == [0, 1]


def test_part_refuses_floats_and_too_few_labels():
    with pytest.raises(ValueError, match="must be uint8"):
        Split(torch.zeros(2, 1, 1, 1))
    with pytest.raises(ValueError, match=r"labels must be int64 \(2,\)"):
        part_of([1, 2], labels=[1])


# The table ---------------------------------------------------------------------------------------------------


def test_sizes_of_latents_and_flows_are_the_papers():
    ours = ("digits", "celeba-hq")
    sizes = {name: (spec.shape, spec.nz, spec.k) for name, spec in DATASETS.items() if name not in ours}
    assert sizes == {
        "mnist": ((1, 28, 28), 20, 64),
        "fashion": ((1, 28, 28), 20, 64),
        "cifar10": ((3, 32, 32), 64, 256),
        "celeba": ((3, 64, 64), 64, 256),
    }


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown data set 'minst' .*. Known: digits, .*folder:PATH \(benchmarks/"):
        datasets.load("minst", None)
    assert "unknown data set 'minst'" in datasets.find_errors("minst", None)[0]


def test_every_row_can_be_pickled(tmp_path):
    for dataset in (*DATASETS, ImageFolder(tmp_path, "mine", "mnist")):
        copy = pickle.loads(pickle.dumps(datasets.dataset_spec(dataset)))  # noqa: S301 - made on this line
        assert copy.label == datasets.dataset_spec(dataset).label


def test_default_root_is_in_the_users_cache(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert data_root(None) == Path("/somewhere/ae-bench/data")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert data_root(None) == Path.home() / ".cache/ae-bench/data"


@pytest.mark.parametrize("name", [name for name in DATASETS if name != "digits"])
def test_missing_data_are_named_before_and_while_loading(name, tmp_path):
    problems = datasets.find_errors(name, tmp_path)
    assert problems
    assert all("<data root>/" in line and "Get it: " in line and DATASETS[name].get in line for line in problems)
    with pytest.raises(DataError, match="<data root>/") as error:
        datasets.load(name, tmp_path)
    assert DATASETS[name].get in str(error.value)


# Digits ------------------------------------------------------------------------------------------------------


def test_digits_split_is_stratified_and_known():
    digits = datasets.load("digits", None)
    assert digits.warnings == ()
    assert (len(digits.train), len(digits.test)) == (1297, 500)
    assert torch.bincount(digits.test.labels).tolist() == [50] * 10
    assert digits.train.images.shape[1:] == digits.spec.shape
    assert digits.train.images.max() == 255
    assert datasets.find_errors("digits", None) == []


def test_digits_test_images_have_the_smallest_digests_of_their_class():
    digits = datasets.load("digits", None)
    for label in range(10):
        test, train = (
            [d.tobytes() for d in part.digests[(part.labels == label).numpy()]] for part in (digits.test, digits.train)
        )
        assert max(test) < min(train)


# MNIST -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [True, False])
def test_idx_files_are_read_gzipped_or_not(zipped, tmp_path):
    written = write_mnist(tmp_path, zipped=zipped)
    assert datasets.find_errors("mnist", tmp_path) == []
    mnist = datasets.load("mnist", tmp_path)
    assert (mnist.train.images[:, 0].numpy() == written["train"]).all()
    assert (mnist.test.images[:, 0].numpy() == written["t10k"]).all()
    assert mnist.test.labels.tolist() == [0, 1, 2]


def test_unpublished_pixels_are_a_warning(tmp_path):
    write_mnist(tmp_path, "FashionMNIST")
    fashion = datasets.load("fashion", tmp_path)
    assert (
        f"pixels of the train split are not the published ones: fingerprint {fashion.train.fingerprint}"
        in (fashion.warnings[0])
    )
    assert any("the test split has 3 images, the published one 10,000" in line for line in fashion.warnings)


def damage(kind, data):
    """A broken copy of a gzipped IDX file."""
    plain = gzip.decompress(data)
    return {
        "truncated gzip": lambda: data[: len(data) // 2],
        "flipped byte": lambda: data[:-9] + bytes([data[-9] ^ 255]) + data[-8:],
        "not gzip": lambda: b"<html>not found</html>",
        "empty": lambda: b"",
        "short": lambda: gzip.compress(plain[:-1]),
        "long": lambda: gzip.compress(plain + b"x"),
        "signed": lambda: gzip.compress(bytes([0, 0, 9]) + plain[3:]),
        "one dimension": lambda: gzip.compress(plain[:3] + b"\1" + plain[4:]),
        "no header": lambda: gzip.compress(plain[:7]),
    }[kind]()


@pytest.mark.parametrize(
    "kind",
    ["truncated gzip", "flipped byte", "not gzip", "empty", "short", "long", "signed", "one dimension", "no header"],
)
def test_corrupt_gzip_names_the_file(kind, tmp_path):
    write_mnist(tmp_path)
    path = tmp_path / "MNIST/raw/t10k-images-idx3-ubyte.gz"
    path.write_bytes(damage(kind, path.read_bytes()))
    with pytest.raises(DataError, match=r"<data root>/MNIST/raw/t10k-images-idx3-ubyte\.gz.*run fetch mnist"):
        datasets.load("mnist", tmp_path)


def test_images_of_another_size_are_an_error(tmp_path):
    write_mnist(tmp_path, size=32)
    with pytest.raises(DataError, match="train-images-idx3-ubyte has images of 32x32, not 28x28"):
        datasets.load("mnist", tmp_path)


def test_labels_that_do_not_match_are_an_error(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / "MNIST/raw/train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.arange(5))))
    with pytest.raises(DataError, match="6 images but 5 labels"):
        datasets.load("mnist", tmp_path)


@needs_data
@pytest.mark.parametrize("name", ["mnist", "fashion"])
def test_published_pixels_are_recognised(name):
    root = Path(os.environ["AE_BENCH_DATA"])
    if datasets.find_errors(name, root):
        pytest.skip(datasets.find_errors(name, root)[0])
    data = datasets.load(name, root)
    assert data.warnings == ()
    assert (data.train.images.shape, data.test.images.shape) == ((60_000, 1, 28, 28), (10_000, 1, 28, 28))
    assert len(torch.bincount(data.train.labels)) == 10


# CIFAR-10 ----------------------------------------------------------------------------------------------------


def test_cifar10_batches_with_a_wrong_checksum_are_never_unpickled(tmp_path):
    opened = tmp_path / "opened"

    class Trap:
        def __reduce__(self):
            return Path.touch, (opened,)

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch", "batches.meta"]:
        (folder / name).write_bytes(pickle.dumps(Trap()))
    assert datasets.find_errors("cifar10", tmp_path) == []
    with pytest.raises(DataError, match=r"<data root>/cifar-10-batches-py is missing or corrupt .*run fetch cifar10"):
        datasets.load("cifar10", tmp_path)
    assert not opened.exists()


def test_torchvisions_array_becomes_channels_first():
    data = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    part = published.channels_first(data, [1, 2])
    assert part.images.shape == (2, 3, 4, 5)
    assert part.images[1, 2, 3, 4] == data[1, 3, 4, 2]
    assert part.labels.tolist() == [1, 2]


# CelebA ------------------------------------------------------------------------------------------------------


def test_celeba_follows_the_partition_file_in_the_order_of_names(tmp_path):
    write_celeba(tmp_path, "02102")
    listing = tmp_path / "celeba/list_eval_partition.txt"
    listing.write_text("".join(reversed(listing.read_text().splitlines(keepends=True))))
    faces = datasets.load("celeba", tmp_path)
    assert datasets.find_errors("celeba", tmp_path) == []
    assert (len(faces.train), len(faces.test)) == (2, 2)
    with Image.open(tmp_path / "celeba/img_align_celeba/000002.jpg") as image:
        expected = np.asarray(celeba.crop_celeba(image.convert("RGB")))
    assert (faces.test.images[0].permute(1, 2, 0).numpy() == expected).all()
    assert any("the published one 162,770" in line for line in faces.warnings)


def test_celeba_crop_is_central_and_antialiased():
    white = np.zeros((218, 178), np.uint8)
    white[29:189, 9:169] = 255  # 160x160, (218 - 160) / 2 and (178 - 160) / 2 inside
    assert np.asarray(celeba.crop_celeba(Image.fromarray(white))).min() == 255
    stripes = np.tile(np.array([0, 255], np.uint8), (218, 89))  # period 2 is finer than 64 of 160 pixels can show
    small = np.asarray(celeba.crop_celeba(Image.fromarray(stripes)), float)
    assert small.shape == (64, 64)
    assert small[:, 2:-2].std() < 0.2 * 127.5  # without antialiasing it stays near 127.5


def test_missing_celeba_images_are_counted_and_the_first_is_named(tmp_path):
    folder = write_celeba(tmp_path, "0022")
    (folder / "000002.jpg").unlink()
    (folder / "000003.jpg").unlink()
    with pytest.raises(DataError, match=r"2 of 4 listed images are missing; first: .*/000002.jpg.*fetch celeba"):
        datasets.load("celeba", tmp_path)


def test_celeba_images_of_another_crop_are_refused(tmp_path):
    write_image(write_celeba(tmp_path) / "000002.jpg", size=(128, 128), mode="RGB")
    with pytest.raises(DataError, match=r"<data root>/celeba/img_align_celeba/000002.jpg is 128x128, .*178x218"):
        datasets.load("celeba", tmp_path)


@pytest.mark.parametrize("line", ["000001.jpg", "000001.jpg 3", "../x.jpg 0", "000001.jpg 0 0", ""])
def test_broken_partition_line_is_named(line, tmp_path):
    write_celeba(tmp_path)
    (tmp_path / "celeba/list_eval_partition.txt").write_text(f"000001.jpg 0\n{line}\n000003.jpg 2\n")
    with pytest.raises(DataError, match=r"list_eval_partition.txt, line 2"):
        datasets.load("celeba", tmp_path)


# Folders -----------------------------------------------------------------------------------------------------


def digits_folder(path):
    return ImageFolder(path, "mine", "digits")


def test_folder_is_split_by_digest_whatever_the_names(tmp_path):
    for i in range(20):
        write_image(tmp_path / "a" / f"{i:02}.png", i)
        write_image(tmp_path / "b" / f"{19 - i}.PNG", i)
    first, second = (datasets.load(digits_folder(tmp_path / name), None) for name in "ab")
    assert (len(first.train), len(first.test)) == (18, 2)
    assert first.train.fingerprint == second.train.fingerprint
    assert first.test.fingerprint == second.test.fingerprint
    assert (first.name, first.row, first.spec.label, first.warnings) == ("mine", "digits", "mine", ())
    assert "smallest digests" in first.spec.split


def test_folder_pixels_come_in_the_order_of_names(tmp_path):
    pixels = [write_image(tmp_path / f"{half}/{i}.png", i) for half, i in (("train", 0), ("train", 1), ("test", 2))]
    data = datasets.load(digits_folder(tmp_path), None)
    assert (data.train.images[:, 0].numpy() == pixels[:2]).all()
    assert (data.test.images[:, 0].numpy() == pixels[2:]).all()
    assert data.train.labels is None
    assert "train/ and test/" in data.spec.split


def test_class_folders_give_labels_in_the_order_of_their_names(tmp_path):
    for i, name in enumerate(["train/dog", "train/cat", "test/dog", "test/ant"]):
        write_image(tmp_path / name / "x.png", i)
    data = datasets.load(digits_folder(tmp_path), None)
    assert data.train.labels.tolist() == [1, 2]  # ant 0, cat 1, dog 2: both parts share the numbers
    assert data.test.labels.tolist() == [0, 2]


def test_folder_is_converted_to_the_channels_of_its_row(tmp_path):
    for i in range(3):
        write_image(tmp_path / "grey" / f"{i}.png", i, (32, 32))
        write_image(tmp_path / "rgb" / f"{i}.png", i, (8, 8), "RGB")
    grey = datasets.load(ImageFolder(tmp_path / "grey", "mine", "cifar10"), None)
    assert grey.train.images.shape == (2, 3, 32, 32)
    assert torch.equal(grey.train.images[:, 0], grey.train.images[:, 2])
    assert datasets.load(digits_folder(tmp_path / "rgb"), None).train.images.shape == (2, 1, 8, 8)


def test_image_of_another_size_is_named_with_both_sizes(tmp_path):
    write_image(tmp_path / "a/0.png")
    write_image(tmp_path / "a/1.png", size=(9, 7))
    write_image(tmp_path / "a/2.png", size=(5, 5))
    with pytest.raises(DataError, match=r"^a/1.png is 9x7 \(width x height\), needed is 8x8$"):
        datasets.load(digits_folder(tmp_path), None)


@pytest.mark.parametrize("data", [b"", b"no image", "half"])
def test_unreadable_image_is_named_without_the_path_of_the_machine(data, tmp_path):
    write_image(tmp_path / "a/0.png")
    write_image(tmp_path / "a/1.png", size=(8, 8))
    broken = tmp_path / "a/1.png"
    broken.write_bytes(broken.read_bytes()[:60] if data == "half" else data)
    with pytest.raises(DataError, match=r"cannot read a/1.png") as error:
        datasets.load(digits_folder(tmp_path), None)
    assert str(tmp_path) not in str(error.value)


def test_sixteen_bits_are_refused_not_clipped(tmp_path):
    write_image(tmp_path / "0.png")
    Image.fromarray(np.full((8, 8), 1000, np.uint16)).save(tmp_path / "1.png")
    with pytest.raises(DataError, match=r"1\.png has pixels of mode I;16, needed are 8 bits"):
        datasets.load(digits_folder(tmp_path), None)


def test_hidden_and_other_files_are_left_out_and_links_do_not_loop(tmp_path):
    for i in range(2):
        write_image(tmp_path / f"a/{i}.png", i)
    write_image(tmp_path / ".hidden/0.png", 5)
    (tmp_path / "a/._0.png").write_bytes(b"no image")
    (tmp_path / "a/readme.txt").write_text("no image")
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert sorted(folders.find_images(tmp_path)) == ["a/0.png", "a/1.png"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "is missing: it must be a folder of images"),
        (["x.txt"], "no images in .*supported are .bmp"),
        (["x.png"], "one image in .*needed are two"),
        (["train/x.png"], "has train/ alone"),
        (["train/x.png", "test/x.txt"], "no images in .*/test"),
    ],
)
def test_unusable_folder_is_a_problem_and_an_error(files, message, tmp_path):
    folder = digits_folder(tmp_path / "mine")
    for path in (folder.path / name for name in files):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".png":
            write_image(path)
        else:
            path.touch()
    with pytest.raises(DataError, match=message):
        datasets.load(folder, None)
    assert len(datasets.find_errors(folder, None)) == 1


@pytest.mark.parametrize(("name", "like", "message"), [
    ("cifar10", "digits", "'cifar10' belongs to a published data set"),
    ("a/b", "digits", "--name takes letters"),
    ("mine", "minst", "unknown data set 'minst' in --like. Known: digits"),
])  # fmt: skip
def test_folder_cannot_take_a_published_name(name, like, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        datasets.load(ImageFolder(tmp_path, name, like), None)
    assert datasets.find_errors(ImageFolder(tmp_path, name, like), None)


def test_celeba_hq_is_a_folder_under_the_data_root(tmp_path):
    for i in range(2):
        write_image(tmp_path / f"celeba-hq/{i}.png", i, (256, 256), "RGB")
    data = datasets.load("celeba-hq", tmp_path)
    assert data.train.images.shape == data.test.images.shape == (1, 3, 256, 256)
    assert datasets.find_errors("celeba-hq", tmp_path) == []
    write_image(tmp_path / "celeba-hq/2.png", 2, (64, 64))
    with pytest.raises(DataError, match=r"<data root>/celeba-hq/2\.png is 64x64"):
        datasets.load("celeba-hq", tmp_path)


# Prepared images ---------------------------------------------------------------------------------------------


def four_images(path):
    for i in range(4):
        write_image(path / f"{i}.png", i)
    return digits_folder(path)


def prepared(cache):
    return sorted((cache / "prepared").iterdir())


def test_prepared_images_equal_decoded_ones(tmp_path, own_cache):
    folder = four_images(tmp_path)
    decoded = datasets.load(folder, None)
    (saved,) = prepared(own_cache)
    before = saved.stat().st_mtime_ns
    again = datasets.load(folder, None)
    assert torch.equal(decoded.train.images, again.train.images)
    assert saved.stat().st_mtime_ns == before


def test_changed_image_is_decoded_again(tmp_path, own_cache):
    folder = four_images(tmp_path)
    before = datasets.load(folder, None)
    for i in range(4):
        write_image(tmp_path / f"{i}.png", 10 + i)
    assert datasets.load(folder, None).train.fingerprint != before.train.fingerprint


def test_writing_into_loaded_images_leaves_the_prepared_file_alone(tmp_path):
    write_image(tmp_path / "train/0.png")
    write_image(tmp_path / "test/0.png")
    first = datasets.load(digits_folder(tmp_path), None)
    expected = first.train.images.clone()
    first.train.images.zero_()
    assert torch.equal(datasets.load(digits_folder(tmp_path), None).train.images, expected)


@pytest.mark.parametrize("broken", [b"", b"junk", "half", "pickle", "shape"])
def test_broken_prepared_file_is_made_again(broken, tmp_path, own_cache):
    folder = four_images(tmp_path)
    expected = datasets.load(folder, None)
    (saved,) = prepared(own_cache)
    good = saved.read_bytes()
    if broken == "pickle":
        np.save(saved, np.array([{}], dtype=object))
    elif broken == "shape":
        np.save(saved, np.zeros((4, 1, 8, 9), np.uint8))
    else:
        saved.write_bytes(good[: len(good) // 2] if broken == "half" else broken)
    assert torch.equal(datasets.load(folder, None).train.images, expected.train.images)
    assert saved.read_bytes() == good


def test_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    folder = four_images(tmp_path / "images")
    (tmp_path / "file").touch()
    monkeypatch.setenv("AE_BENCH_CACHE", str(tmp_path / "file"))  # a file where the folder should be
    assert len(datasets.load(folder, None).train) == 3


def test_twin_folders_do_not_share_prepared_images(tmp_path):
    for i in range(4):  # other pixels, same names, sizes and times
        for folder, seed in (("a", i), ("b", 20 + i)):
            path = tmp_path / folder / f"{i}.bmp"
            write_image(path, seed)
            os.utime(path, (0, 0))
    first, second = (datasets.load(digits_folder(tmp_path / name), None) for name in "ab")
    assert first.train.fingerprint != second.train.fingerprint
