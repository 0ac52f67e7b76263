"""Folders of images: splits, classes, and unusable files."""

import numpy as np
import pytest
import torch
from image_files import digits_folder, huge_png, write_image, write_special_file
from PIL import Image

from benchmarks.data import datasets, folders
from benchmarks.data.datasets import DataError, ImageFolder


def test_the_split_of_a_folder_depends_on_digests_and_not_on_names(tmp_path):
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
    assert data.train.labels.tolist() == [1, 2]  # ant 0, cat 1, dog 2: the same numbers in both splits
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
    with pytest.raises(DataError, match=r"^a/1.png is 9x7 \(width x height\), expected 8x8\. Resize the files"):
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


@pytest.mark.parametrize(
    ("pixels", "words"),
    [(np.full((8, 8), 1000, np.uint16), r"more than 8 bits .* Convert the images to 8 bits per channel"),
     (np.full((8, 8, 4), 128, np.uint8), r"transparent pixels\. Put the images on a background, and save them")],
    ids=["16 bits", "transparent"],
)  # fmt: skip
def test_images_to_train_on_that_need_a_conversion_are_refused_with_what_to_do(pixels, words, tmp_path):
    write_image(tmp_path / "0.png")
    Image.fromarray(pixels).save(tmp_path / "1.png")
    with pytest.raises(DataError, match=rf"^1\.png has {words}") as error:
        datasets.load(digits_folder(tmp_path), None)
    assert "--" not in str(error.value)  # training has no such options


def test_images_to_train_on_are_turned_as_their_exif_data_say(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    pixels = [write_image(tmp_path / f"plain/{i}.png", i) for i in range(4)]
    (tmp_path / "turned").mkdir()
    for i, image in enumerate(pixels):
        Image.fromarray(np.rot90(image)).save(tmp_path / f"turned/{i}.png", exif=turned)
    plain, again = (datasets.load(digits_folder(tmp_path / name), None) for name in ("plain", "turned"))
    assert plain.train.fingerprint == again.train.fingerprint


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_a_special_file_with_the_name_of_an_image_is_named_and_never_waited_for(kind, tmp_path):
    for i in range(3):
        write_image(tmp_path / f"a/{i}.png", i)
    write_special_file(tmp_path / "a/x.png", kind)
    with pytest.raises(DataError, match=r"cannot read .*a/x\.png: it is a (FIFO|device|folder)"):
        datasets.load(digits_folder(tmp_path), None)


def test_a_header_of_a_large_image_allocates_nothing(tmp_path):
    write_image(tmp_path / "0.png")
    (tmp_path / "1.png").write_bytes(huge_png(8000, 8000))
    with pytest.raises(DataError, match=r"^1\.png is 8000x8000 .*, expected 8x8"):
        datasets.load(digits_folder(tmp_path), None)


def test_hidden_and_other_files_are_skipped_and_loops_of_links_end(tmp_path):
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
        (["x.txt"], r"no images in .*supported extensions are \.bmp .*; found: \.txt \(1\)$"),
        (["a.txt", "b.NPY", "c/d.npy", "README"], r"found: \.npy \(2\), \.txt \(1\), no extension \(1\)$"),
        ([f"x.{i}" for i in range(9)], r"found: .* and 3 more kinds$"),
        (["x.png"], "only one image in .*need two"),
        (["train/x.png"], "has only train/"),
        (["train/x.png", "test/x.txt"], r"no images in .*/test: .*found: \.txt"),
    ],
)
def test_an_invalid_folder_is_reported_by_the_check_and_by_reading(files, message, tmp_path):
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
    with pytest.raises(DataError, match=rf"{tmp_path}/celeba-hq/2\.png is 64x64"):
        datasets.load("celeba-hq", tmp_path)
