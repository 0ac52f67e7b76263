"""The times of the steps of one run, and the number of its operations."""

from pathlib import Path

import pytest

from benchmarks.perf.baselines import Case
from benchmarks.perf.gpu.steps import Blocks, count_operations, time_steps
from benchmarks.perf.operators import count_model
from benchmarks.perf.speed_measurement import load_images
from benchmarks.training.loop import Epoch


def epoch(seconds):
    return Epoch({"stage": "train", "epoch": 0, "seconds": seconds, "steps": 7}, dict, "graph")


def test_the_first_epoch_is_the_setup_and_the_others_are_blocks():
    blocks = Blocks(64)
    for row, wall in ((3.0, 5.0), (1.0, 1.5), (1.0, 1.25)):
        blocks.add(epoch(row), wall, is_alone=True)
    assert blocks.setup_seconds == [2.0]
    assert blocks.seconds == [1.5, 1.25]
    assert (blocks.steps, blocks.engine_used) == (7, "graph")


def test_the_setup_of_a_run_beside_others_is_unknown():
    blocks = Blocks(64)
    blocks.add(epoch(3.0), 5.0, is_alone=False)
    blocks.add(epoch(3.0), 4.0, is_alone=False)
    assert (blocks.setup_seconds, blocks.seconds) == ([], [4.0])


def test_each_stage_is_timed():
    case = Case("two-stage-vae", "digits", 1, 3, Path())
    found = time_steps(case, load_images(case, None)[0], deterministic=False)
    assert [(times.stage, times.batch, times.steps, len(times.seconds)) for times in found] == [
        ("first", 64, 1, 2),
        ("second", 64, 1, 2),
    ]
    assert all(0 < seconds < 60 for times in found for seconds in times.seconds)
    assert {(times.engine_used, times.deterministic) for times in found} == {("eager", False)}


@pytest.mark.slow
def test_the_operators_of_a_step_are_those_of_the_committed_table():
    (part,) = count_operations(Case("glf", "digits", 1, 1, Path()))
    expected, _ = count_model("glf")
    assert expected["flow"] == "layer by layer"
    assert (part.stage, part.count, part.counted) == ("train", expected["operators"], "operators")


@pytest.mark.slow
def test_the_operators_of_each_stage_are_counted():
    found = count_operations(Case("two-stage-vae", "digits", 1, 1, Path()))
    expected = {row["stage"]: row["operators"] for row in count_model("two-stage-vae")}
    assert {part.stage: part.count for part in found} == expected
