"""Fixtures of the tests of experiments."""

import shutil

import pytest
from shared import make_once
from trials import job, trial

from benchmarks.experiments import records
from benchmarks.experiments.run_trial import run_trial


@pytest.fixture
def done(shared_folder, tmp_path_factory):
    """A results folder with one finished run, and its record; a copy for each test."""
    source = make_once(shared_folder / "finished-trial", lambda folder: run_trial(job(folder, trial())))
    folder = shutil.copytree(source, tmp_path_factory.mktemp("finished") / "results")
    return folder, records.find(folder, trial().key)
