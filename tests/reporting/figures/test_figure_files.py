"""Figures are pure functions of records and kept images, and they show what is missing or diverged."""

import numpy as np
import pandas as pd
import pytest
from curve_cases import curves_evidence
from fake_evidence import fake_evaluation, make_evidence
from PIL import Image

import zoo
from benchmarks.printing import escape_figure_text, escape_terminal_line
from benchmarks.reporting.figures.writer import write_figure
from benchmarks.reporting.registry import FIGURES

DIGITS = {"digits": "digits"}


def test_a_figure_is_written_with_its_numbers_and_says_what_is_missing(tmp_path):
    records = curves_evidence()
    models = {m: zoo.MODELS[m].label for m in ("glf", "glf-regularized-1", "glf-regularized", "glf-regularized-400")}
    paths = write_figure("figure4", records, models, DIGITS, tmp_path)
    assert [path.name for path in paths] == ["figure4.png", "figure4.pdf", "figure4.md", "figure4.csv"]
    assert np.asarray(Image.open(paths[0])).std() > 5
    assert paths[1].read_bytes().startswith(b"%PDF")
    caption = paths[2].read_text(encoding="utf-8")
    assert "Missing: No runs: Regularized GLF, β = 400 on digits." in caption
    assert "Metric protocol: digits: c (fid)." in caption
    frame = pd.read_csv(paths[3])
    assert set(frame["dataset"]) == {"digits"}
    before = [path.read_bytes() for path in paths]
    again = write_figure("figure4", records, models, DIGITS, tmp_path)
    assert [path.read_bytes() for path in again] == before


@pytest.mark.parametrize("name", [name for name, spec in FIGURES.items() if spec.available_models])
def test_a_figure_without_records_says_so(name, tmp_path):
    models = {model: model for model in FIGURES[name].available_models}
    paths = write_figure(name, make_evidence([]), models, DIGITS, tmp_path)
    assert "No runs: " in paths[2].read_text(encoding="utf-8")


def test_a_figure_shows_the_image_grids_that_were_kept(tmp_path):
    records = make_evidence([fake_evaluation("glf", "digits", 0, 1.0), fake_evaluation("glf", "mnist", 0, 1.0)])
    (tmp_path / "figures").mkdir()
    Image.fromarray(np.full((8, 8), 200, np.uint8)).save(tmp_path / "figures" / "samples-digits-glf.png")
    paths = write_figure("figure2", records, {"glf": "GLF"}, {"digits": "digits", "mnist": "MNIST"}, tmp_path)
    caption = paths[2].read_text(encoding="utf-8")
    assert "GLF, MNIST: samples: its weights were not kept" in caption
    assert "GLF, digits: samples" not in caption.split("Not shown")[1]


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("text", ["$\\frac$", "$x", "\\$", "$$", "\ud800", "\x1b[2J\n\0", "a^b_c", "\u202e中"])
def test_any_label_can_be_drawn(text):
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    title = axes.set_title(escape_figure_text(text))
    figure.canvas.draw()
    assert not title._preprocess_math(title.get_text())[1]  # it is no formula
    assert title._preprocess_math(title.get_text())[0] == escape_terminal_line(text)
    pyplot.close(figure)
