"""Grids of images as PNG files."""

import numpy as np
import torch
from PIL import Image

from benchmarks.evaluation.image_grid import save_grid, save_grids_side_by_side


def test_a_grid_shows_every_image_and_hides_no_nan(tmp_path):
    images = torch.ones(6, 1, 8, 8)
    images[0], images[1] = 0.0, float("nan")
    path = save_grid(images, tmp_path / "new" / "grid.png", columns=3)
    pixels = np.asarray(Image.open(path))
    assert pixels.shape == (4 * 19, 4 * 28, 3)  # 2 x 3 images of 8 with a border of 1, enlarged four times
    middle = [pixels[4 * (1 + 9 * r) + 16, 4 * (1 + 9 * c) + 16, 0] for r in range(2) for c in range(3)]
    assert middle == [0, 0, 255, 255, 255, 255]
    assert [p.name for p in path.parent.iterdir()] == ["grid.png"]  # written by rename


def test_color_images_keep_their_colors(tmp_path):
    images = torch.zeros(1, 3, 32, 32)
    images[:, 0] = 1
    pixels = np.asarray(Image.open(save_grid(images, tmp_path / "red.png")))
    assert pixels[16, 16].tolist() == [255, 0, 0]


def test_grids_are_put_side_by_side(tmp_path):
    grids = {label: save_grid(torch.rand(4, 1, 8, 8), tmp_path / f"{label}.png") for label in ("VAE", "GLF")}
    with Image.open(save_grids_side_by_side(grids, tmp_path / "both.png")) as image:
        assert image.width > 1.5 * image.height


def test_many_grids_take_several_rows(tmp_path):
    grids = {str(i): save_grid(torch.rand(4, 1, 8, 8), tmp_path / f"{i}.png") for i in range(7)}
    with Image.open(save_grids_side_by_side(grids, tmp_path / "all.png")) as image:
        assert image.width < 3 * image.height
