"""Several runs in one process are advanced in turn, and timed together."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.perf.baselines import Case
from benchmarks.perf.gpu.runs import advance, start_runs, time_runs
from benchmarks.perf.speed_measurement import load_images
from benchmarks.training import turns
from benchmarks.training.loop import Epoch

CASE = Case("rae-gmm", "digits", 1, 2, Path())


@pytest.fixture(scope="module")
def images():
    return load_images(CASE, None)[0]


def fake_run(number, waits, log):
    for turn in range(waits):
        log.append((number, turn))
        yield None
    yield Epoch({"number": number}, dict, "eager")
    yield Epoch({"number": 10 * number}, dict, "eager")
    return f"model {number}"


def test_runs_take_turns_until_each_has_finished_an_epoch():
    log = []
    runs = [fake_run(1, 3, log), fake_run(2, 1, log)]
    assert [item.row["number"] for item in advance(runs)] == [1, 2]
    assert log == [(1, 0), (2, 0), (1, 1), (1, 2)]
    assert [item.row["number"] for item in advance(runs)] == [10, 20]
    assert advance(runs) == ["model 1", "model 2"]


def test_a_block_has_one_epoch_of_each_run(images):
    (times,) = time_runs(replace(CASE, laps=3), images, 3)
    assert (times.stage, times.steps, len(times.seconds), times.setup_seconds) == ("train", 1, 2, [])
    assert turns.count_runs() == 0


def test_runs_share_the_process_and_have_different_seeds(images):
    runs = start_runs(CASE, images, 2)
    advance(runs)
    assert turns.count_runs() == 2
    advance(runs)
    first, second = advance(runs)
    assert not any(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True) if a.dim() > 1
    )


def test_a_run_that_fails_frees_the_places_of_all(images):
    with pytest.raises(ValueError, match="batches of 64"):
        time_runs(CASE, images[:10], 2)
    assert turns.count_runs() == 0
