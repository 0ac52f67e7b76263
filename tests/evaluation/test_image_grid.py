"""Grids of images as PNG files."""

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from benchmarks.evaluation.image_grid import Pairs, draw_image, save_grid, save_grids_side_by_side, save_pairs


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


def test_a_broken_grid_among_others_is_named_in_its_place(tmp_path):
    grids = {label: save_grid(torch.rand(4, 1, 8, 8), tmp_path / f"{label}.png") for label in ("VAE", "GLF")}
    grids["VAE"].write_bytes(grids["VAE"].read_bytes()[:100])
    assert save_grids_side_by_side(grids, tmp_path / "both.png").is_file()
    axis = Figure().subplots()
    draw_image(axis, grids["VAE"])
    assert axis.texts[0].get_text().startswith("cannot read VAE.png: ")


def test_pairs_stand_side_by_side_under_their_titles(tmp_path):
    """Red images at the left of blue ones, in two blocks of different sizes; a gray block fits beside a color one."""
    red, blue = torch.zeros(9, 3, 8, 8), torch.zeros(9, 3, 8, 8)
    red[:, 0], blue[:, 2] = 1, 1
    gray = torch.full((2, 1, 8, 8), 0.5)
    blocks = {"samples": Pairs(red, blue, ("0.1",) * 9), "test": Pairs(gray, gray, ("1", "2"))}
    pixels = np.asarray(Image.open(save_pairs(blocks, tmp_path / "pairs.png"))).astype(int)
    is_red, is_blue = (np.argwhere((pixels == color).all(axis=2)) for color in ([255, 0, 0], [0, 0, 255]))
    assert len(is_red) == len(is_blue) > 9 * 64
    assert is_red[:, 1].min() < is_blue[:, 1].min()
    assert np.unique(is_red[:, 0]).tolist() == np.unique(is_blue[:, 0]).tolist()
