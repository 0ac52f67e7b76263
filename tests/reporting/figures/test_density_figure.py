"""The points that the figure of densities draws, and the files that it writes."""

from density_cases import FITS, density_grid, failed_fit, fit_row
from pandas import DataFrame

from benchmarks.experiments.densities.records import COLUMNS
from benchmarks.reporting.figures.densities import draw_densities, figure_points, write_density_figure


def test_there_is_one_point_per_fit_with_a_distance_and_a_likelihood():
    rows = [*FITS.to_dict("records"), fit_row("gmm:10", 0, 3.0, draw=1, held_out_nll=12.0), failed_fit("flow", 1)]
    points = figure_points(DataFrame(rows[:3] + rows[4:], columns=[*COLUMNS]), density_grid())
    found = {(row.density, row.seed): (row.held_out_nll, row.distance) for row in points.itertuples()}
    assert found == {("gmm:10", 0): (12.0, 2.0), ("gmm:10", 1): (13.0, 2.0), ("flow", 0): (15.0, 4.0)}


def test_the_same_fits_give_the_same_bytes(tmp_path):
    written = [write_density_figure(FITS, density_grid(), tmp_path / name) for name in ("a", "b")]
    assert [path.name for path in written[0]] == [f"densities{s}" for s in (".png", ".pdf", ".md", ".csv")]
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(*written, strict=True))
    assert "2 seeds" in written[0][2].read_text(encoding="utf-8")


def test_a_density_without_a_point_is_in_the_caption_and_not_in_the_legend(tmp_path):
    labels = {"second-stage": "second-stage VAE", "flow": "coupling flow"}
    rows = [fit_row("flow", 0, 4.0), fit_row("second-stage", 0, 3.0, held_out_nll=None)]
    fits, grid = DataFrame(rows, columns=[*COLUMNS]), density_grid(1, labels)
    (legend,) = draw_densities(figure_points(fits, grid), grid, tmp_path).legends
    assert [text.get_text() for text in legend.get_texts()] == ["coupling flow"]
    caption = write_density_figure(fits, grid, tmp_path)[2].read_text(encoding="utf-8")
    assert "Left out, without a likelihood or a distance: second-stage VAE." in caption
    whole = write_density_figure(FITS, density_grid(), tmp_path / "whole")[2].read_text(encoding="utf-8")
    assert "Left out" not in whole


def test_a_density_keeps_its_color_when_another_has_no_point(tmp_path):
    labels = {"gmm:10": "GMM, 10 components", "flow": "coupling flow"}
    colors = []
    for fits in (FITS, FITS[FITS["density"] == "flow"]):
        grid = density_grid(2, labels)
        axis = draw_densities(figure_points(fits, grid), grid, tmp_path).axes[0]
        colors.append(axis.collections[-1].get_facecolor().tolist())
    assert colors[0] == colors[1]
