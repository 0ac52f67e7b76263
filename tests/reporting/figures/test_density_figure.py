"""The points that the figure of densities draws, and the files that it writes."""

from density_cases import FITS, density_grid, failed_fit, fit_row
from pandas import DataFrame

from benchmarks.experiments.densities.records import COLUMNS
from benchmarks.reporting.figures.densities import figure_points, write_density_figure


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
