"""The sentence on the order says what the runs show, and the table labels each verdict with its budget."""

import pytest
from budget_cases import turning_folders, write_runs

from benchmarks.analysis.budgets import budget_runs, compare_budgets, read_sources
from benchmarks.reporting.budget.text import AT_THIS_BUDGET, budget_table, format_distance, order_sentence

MODELS, LABELS = ("glf", "rae-gmm"), ("GLF", "RAE + GMM")


def compared(*folders):
    return compare_budgets(budget_runs(read_sources(folders), MODELS)[0], MODELS)


def test_a_turn_is_located_between_the_budgets_that_decide_the_order(tmp_path):
    assert order_sentence("digits", compared(*turning_folders(tmp_path)), LABELS) == (
        "On digits the order turns between 0.1 and 1 of the full budget: at 0.1 RAE + GMM is ahead (3 runs of each), "
        "at 0.5 there are not enough runs (one run of each) and at 1 GLF is ahead (3 runs of each)."
    )


AHEAD, BEHIND = [3.0, 3.1, 3.2], [4.0, 4.1, 4.2]


@pytest.mark.parametrize(
    ("tenth", "full", "start", "at_1"),
    [
        ((AHEAD, BEHIND), (AHEAD, BEHIND), "On digits the order is the same at all budgets that decide it: ",
         "at 1 GLF is ahead (3 runs of each)."),
        (([3.0], [4.0]), (AHEAD, BEHIND), "On digits only one budget decides the order: ", "at 1 GLF is ahead"),
        (([3.0], [4.0]), ([3.0, 3.1], [4.0]), "On digits no budget decides the order: ",
         "at 1 there are not enough runs (2 and 1 runs)."),
        ((AHEAD, BEHIND), (AHEAD, AHEAD), "On digits only one budget decides the order: ",
         "at 1 no difference is shown"),
        ((AHEAD, BEHIND), ([*AHEAD, None], BEHIND), "On digits only one budget decides the order: ",
         "at 1 it is undecided, as 1 run diverged or failed"),
    ],
    ids=["same order", "one decides", "none decides", "no difference", "lost"],
)  # fmt: skip
def test_without_a_turn_the_sentence_says_what_is_known(tmp_path, tenth, full, start, at_1):
    folders = write_runs(tmp_path / "a", *tenth, 10), write_runs(tmp_path / "b", *full)
    sentence = order_sentence("digits", compared(*folders), LABELS)
    assert sentence.startswith(start)
    assert at_1 in sentence


def test_models_without_a_common_budget_are_not_compared(tmp_path):
    folders = write_runs(tmp_path / "a", AHEAD, [], 10), write_runs(tmp_path / "b", [], BEHIND)
    assert order_sentence("digits", compared(*folders), LABELS) == "On digits the models have no budget in common."


def test_the_table_says_the_verdict_at_each_budget(tmp_path):
    table = budget_table(compared(*turning_folders(tmp_path)), LABELS, {"digits": "digits"})
    assert [*table["Budget"]] == ["0.1 of ours", "0.5 of ours", "1 of ours"]
    assert [*table["GLF"]] == ["9.10 ± 0.10", "5.00", "3.10 ± 0.10"]
    assert table[AT_THIS_BUDGET].str.partition(" (")[0].tolist() == [
        "RAE + GMM is ahead", "not enough runs", "GLF is ahead"]  # fmt: skip
    assert [*table["Records"]] == ["tenth", "half", "full"]
    assert {*table["Device"]} == {"CPU"}


def test_a_distance_of_one_run_has_no_spread_and_one_of_none_no_number():
    assert format_distance([2.5]) == "2.50"
    assert format_distance([12.0, 14.0]) == "13.0 ± 1.4"
    assert format_distance([]) == "—"
