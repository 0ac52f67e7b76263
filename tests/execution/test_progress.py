"""The line of a run that has ended."""

import re
from dataclasses import replace

import pytest
import torch
from trials import DIGITS, job, trial

from benchmarks.evaluation.extractors import make_extractor
from benchmarks.evaluation.scoring import Scorer
from benchmarks.execution.progress import describe_outcome
from benchmarks.execution.worker import run_job
from slurm import Outcome


def described(this):
    """The line of a job's outcome, and the means of its record's metrics by column."""
    extractor = make_extractor(this.features, "digits", (1, 8, 8), torch.device("cpu"))
    scorer = Scorer(DIGITS, extractor, this.images, this.allow_few)
    record = run_job(this)
    return describe_outcome(Outcome(this, record, None), scorer), record


def value(record, column, draw=0):
    return next(e["values"][column] for e in record["evaluations"]
                if e["source"] == "prior" and e["draw"] == draw and column in e["values"])  # fmt: skip


@pytest.fixture
def run(tmp_path):
    return job(tmp_path, trial(epochs=1))


def test_it_shows_the_metric_that_this_command_asks_for(run):
    """The first metric in the record is that of another command."""
    first_line, record = described(run)
    assert first_line.startswith(f"fd_classifier {value(record, 'fd_classifier'):.2f} (")
    line, record = described(replace(run, features="pixels"))
    assert record["evaluations"][0]["metric"] == "fd_classifier"
    assert re.fullmatch(rf"fd_pixels {value(record, 'fd_pixels'):.2f} \(\d+ s of training\)", line)
    assert described(run)[0] == first_line


def test_it_shows_only_the_metrics_that_this_command_asks_for(run):
    assert described(replace(run, metrics=("kid",)))[0].startswith("kid_mean ")
    line, record = described(run)
    assert "kid_mean" in record["evaluations"][0]["values"]
    assert "kid" not in line


def test_it_shows_the_value_at_this_commands_number_of_images(run):
    described(run)
    line, record = described(replace(run, images=400))
    (few,) = [e for e in record["evaluations"] if e["source"] == "prior" and e["n"] == 400]
    assert line.startswith(f"fd_classifier {few['values']['fd_classifier']:.2f} (")


def test_it_shows_the_mean_of_all_sample_sets(run):
    line, record = described(replace(run, draws=2))
    mean = (value(record, "fd_classifier") + value(record, "fd_classifier", draw=1)) / 2
    assert line.startswith(f"fd_classifier {mean:.2f} (")
