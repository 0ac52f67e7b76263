"""Published data sets: digits, MNIST and CIFAR-10, and broken files of them."""

import gzip
import os
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from image_files import write_special_file

from benchmarks.data import datasets, published
from benchmarks.data.datasets import DataError

needs_data = pytest.mark.skipif(
    not os.environ.get("AE_BENCH_DATA"), reason="needs the real files: set AE_BENCH_DATA to a data root"
)


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


def test_the_split_of_digits_is_stratified_and_has_the_known_fingerprint():
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
            [d.tobytes() for d in split.digests[(split.labels == label).numpy()]]
            for split in (digits.test, digits.train)
        )
        assert max(test) < min(train)


@pytest.mark.parametrize("zipped", [True, False])
def test_idx_files_are_read_gzipped_or_not(zipped, tmp_path):
    written = write_mnist(tmp_path, zipped=zipped)
    assert datasets.find_errors("mnist", tmp_path) == []
    mnist = datasets.load("mnist", tmp_path)
    assert (mnist.train.images[:, 0].numpy() == written["train"]).all()
    assert (mnist.test.images[:, 0].numpy() == written["t10k"]).all()
    assert mnist.test.labels.tolist() == [0, 1, 2]


def test_pixels_that_are_not_the_published_ones_give_a_warning(tmp_path):
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
        "header of 2^95": lambda: gzip.compress(plain[:4] + b"\x7f\xff\xff\xff" * 3 + plain[16:]),
        "bomb": lambda: gzip.compress(plain + bytes(10**8)),
    }[kind]()


@pytest.mark.parametrize(
    "kind",
    ["truncated gzip", "flipped byte", "not gzip", "empty", "short", "long", "signed", "one dimension", "no header",
     "header of 2^95", "bomb"],
)  # fmt: skip
def test_the_error_for_a_corrupt_file_names_it(kind, tmp_path):
    write_mnist(tmp_path)
    path = tmp_path / "MNIST/raw/t10k-images-idx3-ubyte.gz"
    path.write_bytes(damage(kind, path.read_bytes()))
    with pytest.raises(DataError, match=rf"{tmp_path}/MNIST/raw/t10k-images-idx3-ubyte\.gz.*run fetch mnist"):
        datasets.load("mnist", tmp_path)


def test_no_more_of_a_gzipped_file_is_unpacked_than_its_header_says(tmp_path):
    """A bomb is refused for one byte too many; its gigabytes are not unpacked."""
    write_mnist(tmp_path)
    path = tmp_path / "MNIST/raw/t10k-labels-idx1-ubyte.gz"
    path.write_bytes(damage("bomb", path.read_bytes()))
    tracemalloc.start()
    with pytest.raises(DataError, match="has more than 3 bytes of data, but its header says 3"):
        datasets.load("mnist", tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10**7


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_special_file_in_place_of_a_data_file_is_named_and_never_waited_for(kind, suffix, tmp_path):
    write_mnist(tmp_path)
    path = tmp_path / "MNIST/raw/t10k-images-idx3-ubyte.gz"
    path.unlink()
    write_special_file(path.with_suffix(suffix), kind)
    with pytest.raises(DataError, match=r"cannot read .*t10k-images-idx3-ubyte.*: it is a .*run fetch mnist"):
        datasets.load("mnist", tmp_path)


def test_a_pipe_in_place_of_a_cifar10_batch_is_named(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    write_special_file(tmp_path / "cifar-10-batches-py/data_batch_3", "pipe")
    with pytest.raises(DataError, match=r"cannot read .*data_batch_3: it is a FIFO.*run fetch cifar10"):
        datasets.load("cifar10", tmp_path)


def test_images_of_another_size_are_an_error(tmp_path):
    write_mnist(tmp_path, size=32)
    with pytest.raises(DataError, match="train-images-idx3-ubyte has images of 32x32, expected 28x28"):
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
    with pytest.raises(DataError, match=rf"{tmp_path}/cifar-10-batches-py is missing or corrupt .*run fetch cifar10"):
        datasets.load("cifar10", tmp_path)
    assert not opened.exists()


def test_the_array_of_torchvision_becomes_channels_first():
    data = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    split = published.channels_first(data, [1, 2])
    assert split.images.shape == (2, 3, 4, 5)
    assert split.images[1, 2, 3, 4] == data[1, 3, 4, 2]
    assert split.labels.tolist() == [1, 2]
