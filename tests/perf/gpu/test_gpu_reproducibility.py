"""Trainings that must give equal bits are compared, and a difference is found and named."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.perf.baselines import Case
from benchmarks.perf.gpu.reproducibility import (
    EAGER,
    REPEATED,
    RESUMED,
    TOGETHER,
    Outcome,
    compare,
    compare_trainings,
    train_alone,
    train_with_interruption,
)
from benchmarks.perf.speed_measurement import load_images

ROWS = [{"stage": "train", "epoch": n, "steps": 4, "objective": 1.0 / (n + 1)} for n in range(3)]


@pytest.mark.slow
def test_trainings_on_a_cpu_are_equal_and_have_no_graphs():
    case = Case("glann-mse", "digits", 1, 2, Path())
    found = {part.name: part for part in compare_trainings(case, load_images(case, None)[0])}
    assert {name: part.equal for name, part in found.items()} == {
        REPEATED: True,
        RESUMED: True,
        EAGER: None,
        TOGETHER: True,
    }
    assert found[EAGER].detail == "--engine graph needs a GPU"
    assert len({*found[REPEATED].weights}) == 1


def test_a_training_is_resumed_in_the_middle_of_all_epochs():
    case = Case("rae-gmm", "digits", 1, 3, Path())
    x = load_images(case, None)[0]
    alone, resumed = train_alone(case, x), train_with_interruption(case, x)
    assert [row["epoch"] for row in resumed.rows] == [0, 1, 2]
    assert resumed == alone
    other = train_alone(replace(case, seed=1), x)
    assert compare("seeds", alone, other).equal is False


@pytest.mark.parametrize(
    ("other", "detail"),
    [
        (Outcome("b", ROWS), "the weights differ"),
        (Outcome("a", ROWS[:2]), "3 epochs against 2"),
        (
            Outcome("b", [ROWS[0], {**ROWS[1], "objective": 0.25}, ROWS[2]]),
            "stage train, epoch 1: objective is 0.5 against 0.25",
        ),
    ],
)
def test_the_first_difference_is_named(other, detail):
    found = compare("two runs", Outcome("a", ROWS), other)
    assert (found.equal, found.detail, found.weights) == (False, detail, ["a", other.weights])


def test_a_difference_names_the_operations_without_a_deterministic_algorithm():
    one, other = (Outcome(weights, ROWS, frozenset({"scatter"})) for weights in "ab")
    assert compare("two runs", one, other).detail == "the weights differ; without a deterministic algorithm: scatter"
    assert compare("two runs", one, one).detail == ""
