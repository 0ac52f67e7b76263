"""CelebA's aligned faces: partition, crop, and broken files."""

import numpy as np
import pytest
from image_files import write_image
from PIL import Image

from benchmarks.data import celeba, datasets
from benchmarks.data.datasets import DataError


def write_celeba(root, splits="002"):
    """Write faces 000001.jpg, ...; each character of `splits` is the split of one face."""
    folder = root / "celeba" / "img_align_celeba"
    for number, _ in enumerate(splits, 1):
        write_image(folder / f"{number:06}.jpg", number, (178, 218), "RGB")
    lines = [f"{number:06}.jpg {split}\n" for number, split in enumerate(splits, 1)]
    (root / "celeba" / "list_eval_partition.txt").write_text("".join(lines))
    return folder


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


def test_celeba_images_of_another_size_are_rejected(tmp_path):
    write_image(write_celeba(tmp_path) / "000002.jpg", size=(128, 128), mode="RGB")
    with pytest.raises(
        DataError, match=rf"{tmp_path}/celeba/img_align_celeba/000002.jpg is 128x128 \(width x height\), but .* 178x218"
    ):
        datasets.load("celeba", tmp_path)


@pytest.mark.parametrize("line", ["000001.jpg", "000001.jpg 3", "../x.jpg 0", "000001.jpg 0 0", ""])
def test_the_error_for_a_broken_partition_line_gives_its_number(line, tmp_path):
    write_celeba(tmp_path)
    (tmp_path / "celeba/list_eval_partition.txt").write_text(f"000001.jpg 0\n{line}\n000003.jpg 2\n")
    with pytest.raises(DataError, match=r"list_eval_partition.txt, line 2"):
        datasets.load("celeba", tmp_path)
