"""Two models at several budgets: what a budget is, which runs count, and when a model is ahead."""

import math
import shutil

import pytest
from budget_cases import BATCH, FULL_EPOCHS, turning_folders, write_run, write_runs
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.analysis.budgets import (
    budget_runs,
    compare_budgets,
    find_turns,
    is_shortened,
    mean_points,
    read_sources,
    run_size,
)
from benchmarks.analysis.statistics import welch_t_test
from benchmarks.data.datasets import DATASETS
from benchmarks.experiments.trial import Trial

MODELS = ("glf", "rae-gmm")


def compare(*folders):
    runs, _ = budget_runs(read_sources(folders), MODELS)
    return compare_budgets(runs, MODELS)


def budget_of(model, dataset, preset, changes, n):
    """The budget of a run, from a record that has the settings of a trial."""
    spec = DATASETS[dataset]
    trial = Trial.for_images(model, dataset, dataset, spec, n, "f", preset, 0, "fp32", changes)
    record = {"settings": trial.settings, "protocol_row": trial.protocol_row, "data": {"n_train": n}}
    return run_size(record, model)


@pytest.mark.parametrize("model", ["glf", "rae-gmm", "wae-gan", "two-stage-vae", "glf-two-stage"])
@given(n=st.integers(1000, 70_000))
def test_the_papers_schedule_on_all_images_is_budget_1(model, n):
    assert budget_of(model, "mnist", "paper", {}, n)["budget"] == 1


@given(epochs=st.integers(1, 100))
def test_the_budget_of_a_share_of_the_epochs_is_that_share(epochs):
    size = budget_of("glf", "mnist", "paper", {"budget": str(epochs / 100)}, 60_000)
    assert size["budget"] == pytest.approx(epochs / 100)
    assert size["images_seen"] == epochs * (60_000 // 256) * 256


def test_a_preset_with_fewer_images_and_steps_has_the_share_of_images_that_it_sees():
    size = budget_of("glf", "mnist", "quick", {}, 60_000)
    assert size["images"] == 10_000
    assert size["images_seen"] == 975 * 256
    assert size["budget"] == pytest.approx(975 / 23_400)
    assert (size["schedule"], budget_of("glf", "digits", "paper", {}, 1297)["schedule"]) == ("B.1", "ours")


@pytest.mark.parametrize(
    ("name", "counts"),
    [("glf", True), ("glf[budget=0.1]", True), ("glf[lr=0.1]", False), ("glf[budget=0.1,lr=0.1]", False),
     ("glf-two-stage", False)],
)  # fmt: skip
def test_only_a_changed_budget_makes_a_run_one_of_the_model(name, counts):
    assert is_shortened(name, "glf") is counts


def test_a_model_is_ahead_only_where_the_runs_show_it(tmp_path):
    tenth, half, full = compare(*turning_folders(tmp_path))
    assert [item.leader for item in (tenth, half, full)] == [1, None, 0]
    assert [item.folder for item in (tenth, half, full)] == ["tenth", "half", "full"]
    assert [item.budget for item in (tenth, half, full)] == [0.1, 0.5, 1]
    assert not half.has_enough_runs
    assert find_turns([tenth, half, full]) == [(0.1, 1)]
    assert tenth.difference.value == pytest.approx(2)
    raw = [welch_t_test(*item.values).p for item in (tenth, full)]  # two tests on one data set, the first one smaller
    assert tenth.difference.p == pytest.approx(2 * raw[0])  # Holm's correction
    assert full.difference.p == pytest.approx(max(2 * raw[0], raw[1]))


@given(
    glf=st.lists(st.floats(1, 10), min_size=1, max_size=5),
    rae=st.lists(st.floats(1, 10), min_size=1, max_size=5),
)
def test_the_order_of_the_models_does_not_decide_which_is_ahead(tmp_path_factory, glf, rae):
    folder = tmp_path_factory.mktemp("runs")
    one = compare(write_runs(folder / "a", glf, rae))[0]
    other = compare(write_runs(folder / "b", rae, glf))[0]
    assert (one.leader is None) == (other.leader is None)
    assert one.leader is None or one.leader == 1 - other.leader
    if min(len(glf), len(rae)) < 3:
        assert one.leader is None


def test_a_model_that_lost_a_run_is_neither_ahead_nor_behind(tmp_path):
    (item,) = compare(write_runs(tmp_path / "a", [3.0, 3.1, 3.2, None], [4.0, 4.1, 4.2]))
    assert item.lost == (1, 0)
    assert item.leader is None
    assert len(item.values[0]) == 3


def test_distances_under_another_protocol_are_left_out_and_named(tmp_path):
    folders = [write_runs(tmp_path / "a", [3.0, 3.1, 3.2], [4.0, 4.1, 4.2]), tmp_path / "b"]
    write_run(folders[1], "glf", 0, 1.0, epochs=10, name="glf[budget=0.1]", protocol_id="q" * 16)
    runs, left_out = budget_runs(read_sources(folders), MODELS)
    assert {*runs["folder"]} == {"a"}
    assert left_out == ["1 runs on digits in b, whose distances are under another metric protocol"]


def test_a_run_that_is_in_two_folders_counts_once(tmp_path):
    first = write_runs(tmp_path / "a", [3.0, 3.1], [4.0])
    shutil.copytree(first, tmp_path / "b")
    runs, _ = budget_runs(read_sources([first, tmp_path / "b"]), MODELS)
    assert len(runs) == 3
    assert {*runs["folder"]} == {"a"}


def test_means_and_deviations_are_over_the_finished_runs(tmp_path):
    folder = write_runs(tmp_path / "a", [2.0, 4.0, None], [5.0], 50)
    points = mean_points(budget_runs(read_sources([folder]), MODELS)[0]).set_index("model")
    assert points.loc["glf", ["mean", "runs", "budget"]].tolist() == [3.0, 2, 0.5]
    assert points.loc["glf", "sd"] == pytest.approx(math.sqrt(2))
    assert math.isnan(points.loc["rae-gmm", "sd"])


def test_the_fake_schedule_is_that_of_digits():
    """The other tests rely on it."""
    size = budget_of("glf", "digits", "paper", {}, 1297)
    assert size["images_seen"] == FULL_EPOCHS * (1297 // BATCH) * BATCH
