"""The command writes the figure, its numbers, the learning curves and the table, and nothing if anything is wrong."""

import pandas as pd
import pytest
from budget_cases import turning_folders, write_run, write_runs

from benchmarks.run import main


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


FILES = [f"figures/budget.{suffix}" for suffix in ("csv", "md", "pdf", "png")]
TABLES = ["tables/budget.csv", "tables/budget.md"]


def test_the_same_records_give_the_same_bytes(tmp_path, capsys):
    folders = [str(folder) for folder in turning_folders(tmp_path)]
    for out in ("one", "two"):
        assert main(["budget", *folders, "--results", str(tmp_path / out)]) == 0
    assert names(tmp_path / "one") == [*FILES, *TABLES]
    for name in names(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "two" / "tables" / "budget.md")


def test_the_numbers_drawn_are_one_line_per_run(tmp_path):
    folders = [str(folder) for folder in turning_folders(tmp_path)]
    assert main(["budget", *folders, "--results", str(tmp_path / "out")]) == 0
    runs = pd.read_csv(tmp_path / "out" / "figures" / "budget.csv")
    assert len(runs) == 14
    assert [*runs.groupby(["budget", "model"])["distance"].mean().round(6)] == [9.1, 7.1, 5.0, 5.5, 3.1, 4.1]
    caption = (tmp_path / "out" / "figures" / "budget.md").read_text(encoding="utf-8")
    assert "the order turns between 0.1 and 1 of the full budget" in caption
    assert "not FID" in caption
    assert "A budget below 1 is not the paper’s setting" in caption


def test_a_lost_run_is_in_the_figure_and_in_the_caption(tmp_path):
    folder = write_runs(tmp_path / "a", [3.0, None], [4.0])
    assert main(["budget", str(folder), "--results", str(tmp_path / "out")]) == 0
    assert "1 diverged; a cross marks them" in (tmp_path / "out" / "figures" / "budget.md").read_text(encoding="utf-8")
    assert [*pd.read_csv(tmp_path / "out" / "figures" / "budget.csv")["status"]] == ["done", "diverged", "done"]


def test_learning_curves_have_the_nll_of_both_splits(tmp_path):
    """One row per data set and budget: the folder with curves of the most models; the NLL of flows alone."""
    curve = {"protocol": {"metric": "fd_classifier"}, "protocol_id": "c" * 16}
    epochs = [{"stage": "train", "epoch": epoch, "seconds": 1.0, "steps": 20, "recon": 1.0, "nll": 30.0 + epoch,
               "fd_classifier": 9.0 - epoch, "nll_train": 20.0 + epoch, "nll_test": 21.0 + epoch}
              for epoch in range(3)]  # fmt: skip
    for folder, models in (("a", ["glf"]), ("b", ["glf", "rae-gmm"])):
        for model in models:
            write_run(tmp_path / folder, model, 0, 3.0, learning_curve=curve, rows=epochs)
    write_run(tmp_path / "a", "rae-gmm", 0, 3.0)
    out = tmp_path / "out"
    assert main(["budget", str(tmp_path / "a"), str(tmp_path / "b"), "--results", str(out)]) == 0
    drawn = pd.read_csv(out / "figures" / "learning-curves.csv")
    assert {*drawn["folder"]} == {"b"}
    values = drawn.groupby(["model", "quantity"])["mean"].apply(list)
    assert values["glf", "nll_test"] == [21.0, 22.0, 23.0]
    assert values["glf", "nll_train"] == [20.0, 21.0, 22.0]
    assert values["rae-gmm", "fd_classifier"] == [9.0, 8.0, 7.0]
    assert ("rae-gmm", "nll_test") not in values.index
    assert names(out / "figures")[-4:] == [f"learning-curves.{suffix}" for suffix in ("csv", "md", "pdf", "png")]


def test_all_errors_are_reported_at_once_and_nothing_is_written(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["budget", str(tmp_path / "none"), "--only", "glff", "--results", str(out)]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3
    assert "there are no records in" in errors[0]
    assert "Choose another folder as an argument" in errors[0]
    assert "unknown model 'glff' (did you mean 'glf'?)" in errors[1]
    assert "--only must name two models" in errors[2]
    assert main(["budget", "--results", str(out)]) == 2
    assert "budget needs at least one results folder" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("only", ["glf,glf", "glf,rae-gmm,vae"])
def test_two_different_models_are_needed(tmp_path, capsys, only):
    folder = write_runs(tmp_path / "a", [3.0], [4.0])
    assert main(["budget", str(folder), "--only", only, "--results", str(tmp_path / "out")]) == 2
    assert "--only must name two models" in capsys.readouterr().err


def test_a_model_without_runs_is_named(tmp_path, capsys):
    folder = write_runs(tmp_path / "a", [3.0], [4.0])
    assert main(["budget", str(folder), "--only", "glf,vae", "--results", str(tmp_path / "out")]) == 2
    assert "no run of VAE is in these records" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
