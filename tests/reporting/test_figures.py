"""Figures are pure functions of records and kept pictures; what is missing or diverged is shown as such."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from test_claims import evidence, row, trained

import zoo
from benchmarks.execution.options import Options
from benchmarks.execution.plan import plan
from benchmarks.experiments import records
from benchmarks.reporting import figures
from benchmarks.reporting.figures import FIGURES, curves
from benchmarks.reporting.figures.palette import COLOURS, colour
from benchmarks.reporting.registry import REQUIREMENTS
from benchmarks.run import main

DIGITS = {"digits": "digits"}


def training(level, ended=None):
    """An epoch's columns: a distance at every second epoch; diverged from an epoch on."""

    def columns(seed, epoch):
        gone = ended is not None and epoch >= ended
        value = np.nan if gone else level + seed + 1 / (1 + epoch)
        found = {"fid": value if epoch % 2 else np.nan, "recon": value, "nll": value, "entropy": value}
        return found | ({"status": "diverged"} if gone else {})

    return columns


@pytest.fixture
def sweep():
    cells = {("glf", "train"): training(1.0), ("glf-regularized-1", "train"): training(5.0, ended=3),
             ("glf-regularized", "train"): training(3.0)}  # fmt: skip
    return trained(cells, ("digits",), n=3, epochs=6)


def test_points_are_those_of_the_records(sweep):
    frame = curves.points(sweep, ["glf"], "digits", FIGURES["figure4"].panels)
    mine = frame[frame["quantity"] == "fid"]
    assert [*mine["epoch"]] == [2, 4, 6] * 3  # from 1
    assert mine["value"].iloc[0] == pytest.approx(1.5)
    assert {*frame["quantity"]} == {"fid", "recon", "nll"}
    assert not frame["ended"].any()


def test_where_a_training_diverged_is_a_point_of_its_own(sweep):
    frame = curves.points(sweep, ["glf-regularized-1"], "digits", FIGURES["figure4"].panels)
    ends = frame[frame["ended"] & (frame["quantity"] == "recon")]
    assert [*ends["epoch"]] == [6, 6, 6]
    assert ends["value"].iloc[0] == pytest.approx(5 + 1 / 3), "at its last finite value"


def test_a_training_that_ends_in_huge_numbers_does_not_squeeze_the_others():
    frame = pd.DataFrame({"model": ["glf", "glf", "vae", "vae"], "low": [1.0, 2.0, 1.5, 1e29], "trainings": 3,
                          "high": [3.0, 4.0, 2.0, 2e29]})  # fmt: skip
    low, high = curves.limits(frame, {"vae"})
    assert 0 < low < 1.0
    assert 4.0 < high < 5.0
    assert curves.limits(frame, set()) == (-np.inf, np.inf), "nobody diverged: all is shown"
    assert curves.limits(frame, {"glf", "vae"}) == (-np.inf, np.inf), "nobody is left to be squeezed"
    mild = frame.assign(high=[3.0, 4.0, 2.0, 5.0], low=[1.0, 2.0, 1.5, 4.5])
    assert curves.limits(mild, {"vae"}) == (-np.inf, np.inf), "there is room for all"


def test_on_a_logarithmic_axis_room_is_counted_in_logarithms():
    """A decade of calm curves and less than one above them share the panel half and half."""
    frame = pd.DataFrame({"model": ["glf", "glf", "vae"], "low": [1.0, 10.0, 20.0], "high": [1.0, 10.0, 100.0],
                          "trainings": 3})  # fmt: skip
    assert curves.limits(frame, {"vae"}, log=True) == (-np.inf, np.inf)
    assert curves.limits(frame, {"vae"}) < (1.0, 11.0), "on a linear one they have a tenth"
    low, high = curves.limits(frame.assign(high=[1.0, 10.0, 1e9]), {"vae"}, log=True)
    assert 0.5 < low < 1.0
    assert 10.0 < high < 20.0


@pytest.mark.parametrize("log", [False, True])
def test_curves_of_one_value_are_not_alone_in_their_panel(log):
    frame = pd.DataFrame({"model": ["glf", "vae"], "low": [2.0, 1.0], "high": [2.0, 50.0], "trainings": 3})
    assert curves.limits(frame, {"vae"}, log) == (-np.inf, np.inf)


def test_points_of_another_protocol_are_left_out(sweep):
    changed = sweep.epochs.copy()
    some = changed["key"].eq(sweep.keys("glf", "digits")[0])
    changed.loc[some, "protocol_id"] = "another"
    mixed = evidence(sweep.runs.to_dict("records"), changed.to_dict("records"))
    frame = curves.points(mixed, ["glf", "glf-regularized"], "digits", FIGURES["figure4"].panels)
    assert set(frame.loc[(frame["quantity"] == "fid") & (frame["model"] == "glf"), "seed"]) == {1, 2}


def test_a_figure_is_written_with_its_numbers_and_says_what_is_missing(tmp_path, sweep):
    models = {m: zoo.MODELS[m].label for m in ("glf", "glf-regularized-1", "glf-regularized", "glf-regularized-400")}
    paths = figures.write("figure4", sweep, models, DIGITS, tmp_path)
    assert [path.name for path in paths] == ["figure4.png", "figure4.pdf", "figure4.md", "figure4.csv"]
    assert np.asarray(Image.open(paths[0])).std() > 5
    assert paths[1].read_bytes().startswith(b"%PDF")
    caption = paths[2].read_text(encoding="utf-8")
    assert "Not trained: Regularized GLF, β = 400 on digits." in caption
    assert "fid, metric protocol c" in caption
    frame = pd.read_csv(paths[3])
    assert set(frame["dataset"]) == {"digits"}
    before = [path.read_bytes() for path in paths]
    again = figures.write("figure4", sweep, models, DIGITS, tmp_path)
    assert [path.read_bytes() for path in again] == before


def test_a_figure_of_nothing_is_a_figure_that_says_so(tmp_path):
    empty = evidence([])
    for name, kind in FIGURES.items():
        if kind.known:
            paths = figures.write(name, empty, {m: m for m in kind.known}, DIGITS, tmp_path)
            assert "Not trained" in paths[2].read_text(encoding="utf-8")


def test_pictures_are_those_that_are_kept(tmp_path):
    some = evidence([row("glf", "digits", 0, 1.0), row("glf", "mnist", 0, 1.0)])
    (tmp_path / "figures").mkdir()
    Image.fromarray(np.full((8, 8), 200, np.uint8)).save(tmp_path / "figures" / "samples-digits-glf.png")
    labels = {"glf": "GLF"}, {"digits": "digits", "mnist": "MNIST"}
    paths = figures.write("figure2", some, *labels, tmp_path)
    caption = paths[2].read_text(encoding="utf-8")
    assert "GLF, MNIST: samples: its weights were removed" in caption
    assert "GLF, digits: samples" not in caption.split("Not shown")[1]


def test_one_colour_per_model():
    assert set(COLOURS) >= set(zoo.MODELS) - {"glf-perceptual"}, "a model without a colour"
    assert len({*COLOURS.values()}) == len(COLOURS)
    assert all(re.fullmatch("#[0-9a-f]{6}", c) for c in COLOURS.values())
    assert colour("somebody's") not in COLOURS.values()


def contrast(a, b):
    def luminance(c):
        parts = [int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colours_stand_out_from_the_pages():
    for model, tint in COLOURS.items():
        assert contrast(tint, "#ffffff") > 1.4, model
        assert contrast(tint, "#14171a") > 1.9, model


def test_a_figure_measures_its_curve_and_a_table_does_not():
    options = Options(preset="demo", seeds="1")
    assert {job.progress for job in plan(options, ["auto"], REQUIREMENTS["figure3"]).jobs} == {1}
    assert {job.progress for job in plan(options, ["auto"], REQUIREMENTS["table1"]).jobs} == {0}
    jobs = plan(options, ["auto"], REQUIREMENTS["figure4"]).jobs
    assert {job.trial.model for job in jobs} == set(FIGURES["figure4"].known)


def test_a_figure_of_the_papers_setting_is_not_replaced_by_a_shorter_one(tmp_path, capsys):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "figure4.md").write_text("Curves. Preset paper; 10 trainings.", encoding="utf-8")
    assert main(["figure4", "--preset", "demo", "--dry-run", "--results", str(tmp_path)]) == 2
    assert "is of preset paper" in capsys.readouterr().err


@pytest.mark.slow
def test_a_figure_trains_what_is_missing_and_then_draws(tmp_path, capsys):
    command = ["figure4", "--preset", "demo", "--only", "glf", "--seeds", "1", "--images", "200", "--cluster", "inline",
               "--results", str(tmp_path)]  # fmt: skip
    assert main(command) == 0
    assert capsys.readouterr().out.strip().splitlines()[-1] == str(tmp_path / "figures" / "figure4.png")
    _, epochs = records.read(tmp_path)
    assert epochs["fd_classifier"].notna().all()
    before = (tmp_path / "figures" / "figure4.csv").read_bytes()
    shutil.rmtree(tmp_path / "figures")
    assert main(command) == 0
    assert "nothing to" in capsys.readouterr().out or (tmp_path / "figures" / "figure4.csv").read_bytes() == before


def test_all_draws_the_figures_of_the_models_asked_for(tmp_path, capsys):
    command = ["all", "--preset", "demo", "--seeds", "1", "--dry-run", "--results", str(tmp_path)]
    assert main([*command, "--only", "rae-gmm"]) == 0
    assert "figure" not in capsys.readouterr().out
    assert main([*command, "--only", "glf,vae"]) == 0
    printed = capsys.readouterr().out
    order = re.findall(r"^(?:figure|table)\d$", printed, re.M)
    assert order[:2] == ["figure3", "figure4"], "trainings with a curve come first"
    assert {"table1", "table6", "figure2"} <= {*order}


@pytest.mark.parametrize(("drawn", "named"), [
    ((1.5, 4.0), {"2", "3", "4"}),
    ((0.9, 80.0), {"1", "2", "5", "10", "20", "50"}),
    ((0.3, 5e4), {"0.5", "1", "10", "100", "1000", "10000"}),
])  # fmt: skip
def test_ticks_of_a_logarithmic_axis_are_named_as_far_as_there_is_room(drawn, named):
    figure, axes = curves.sheet(1, 1)
    axis = axes[0, 0]
    axis.plot([0, 1], drawn)
    axis.set_yscale("log")
    axis.set_ylim(*drawn)
    curves.name_ticks(axis, drawn)
    figure.canvas.draw()
    low, high = axis.get_ylim()
    there = {label.get_text() for major in (True, False) for tick in axis.yaxis.get_ticklocs(minor=not major)
             for label in axis.yaxis.get_ticklabels(minor=not major)
             if label.get_text() and low <= float(label.get_text()) <= high}  # fmt: skip
    assert named <= there
    if drawn[1] > 15 * drawn[0]:
        assert {text.lstrip("0.")[0] for text in there} <= {*"125"}
