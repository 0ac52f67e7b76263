"""Grids of images as PNG files.  They are made here because a run writes one of its samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks import environment
from benchmarks.data.image_files import read_pixels
from benchmarks.data.paths import DataError
from benchmarks.files.writing import replacing
from benchmarks.printing import escape_figure_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MIN_SIDE = 32  # least side of one image in a grid, in pixels


def save_grid(images: Tensor, path: Path, columns: int = 8) -> Path:
    """Write images (N, C, H, W) in [0, 1] as one PNG, by rename; small ones enlarged without smoothing.

    Pixels that are not finite are drawn black: a diverged model has a grid too.
    """
    from torchvision.utils import make_grid  # here: importing it takes a second

    scale = max(1, -(-MIN_SIDE // images.shape[2]))
    grid = make_grid(images.nan_to_num(0, 0, 0).clamp(0, 1), nrow=columns, padding=1, pad_value=0.5)
    pixels = grid.mul(255).round().byte().permute(1, 2, 0).numpy()
    return _write_png(Image.fromarray(np.kron(pixels, np.ones((scale, scale, 1), np.uint8))), path)


def save_grids_side_by_side(grids: Mapping[str, Path], path: Path, columns: int = 5) -> Path:
    """Put grids next to each other, each under its label, in rows of `columns`, as one PNG."""
    pyplot = environment.import_pyplot()
    columns = min(columns, len(grids))
    rows = -(-len(grids) // columns)
    size = (2.6 * columns, 2.9 * rows)
    figure, axes = pyplot.subplots(rows, columns, figsize=size, squeeze=False, layout="compressed")
    for axis in axes.flat:
        axis.axis("off")
    for axis, (label, grid) in zip(axes.flat, grids.items(), strict=False):
        draw_image(axis, grid)
        axis.set_title(escape_figure_text(label), fontsize=10)
    figure.canvas.draw()
    image = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3].copy())
    pyplot.close(figure)
    return _write_png(image, path)


def draw_image(axis: Axes, path: Path | None, reason: str = "") -> None:
    """Draw an image file on matplotlib's axis; where there is none, or a broken one, write the reason."""
    pixels = None
    if path is not None:
        try:
            pixels = read_pixels(path, path.name, "RGB")
        except DataError as error:
            reason = str(error)
    if pixels is None:
        axis.text(0.5, 0.5, escape_figure_text(reason), transform=axis.transAxes, ha="center", color="0.4", wrap=True)
    else:
        axis.imshow(pixels, interpolation="nearest")


def _write_png(image: Image.Image, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, suffix=".png") as temporary:
        image.save(temporary)
    return path


@dataclass(frozen=True)
class Pairs:
    """Pairs of images, drawn side by side under a label.

    Attributes:
        left: (N, C, H, W) in [0, 1].
        right: likewise.
        labels: one for each pair.
    """

    left: Tensor
    right: Tensor
    labels: tuple[str, ...]


def save_pairs(blocks: Mapping[str, Pairs], path: Path, columns: int = 8) -> Path:
    """Write blocks of labeled pairs below each other, each under its title, as one PNG, by rename."""
    pyplot = environment.import_pyplot()
    rows = [-(-len(pairs.labels) // columns) for pairs in blocks.values()]
    figure = pyplot.figure(figsize=(1.5 * columns, sum(1.05 * n + 0.45 for n in rows)), layout="constrained")
    parts = figure.subfigures(len(blocks), 1, squeeze=False, height_ratios=rows)[:, 0]
    for part, n_rows, (title, pairs) in zip(parts, rows, blocks.items(), strict=True):
        part.suptitle(escape_figure_text(title), fontsize=11)
        axes = [*part.subplots(n_rows, columns, squeeze=False).flat]
        for axis in axes:
            axis.axis("off")
        both = torch.cat([pairs.left, pairs.right], dim=3).expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
        for axis, image, label in zip(axes, both.numpy(), pairs.labels, strict=False):
            axis.imshow(image, interpolation="nearest", vmin=0, vmax=1)
            axis.set_title(escape_figure_text(label), fontsize=8, pad=2)
    figure.canvas.draw()
    image = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3].copy())
    pyplot.close(figure)
    return _write_png(image, path)
