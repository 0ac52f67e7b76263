"""Fixtures of the integration tests: an empty home folder, and one finished run that many tests read."""

import shutil
from pathlib import Path

import pytest
from finished_run import COMMAND
from shared import make_once
from short_demo import SHORT_DEMO

from benchmarks.presets import PRESETS
from benchmarks.run import main


@pytest.fixture
def empty_home(tmp_path, monkeypatch):
    """An empty current folder, without data and without the user's cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AE_BENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def finished_run(shared_folder, tmp_path_factory) -> Path:
    """A results folder with one finished run of the short preset."""

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(PRESETS, "demo", SHORT_DEMO)
            assert main([*COMMAND, "--results", str(folder)]) == 0

    source = make_once(shared_folder / "finished-run", make)
    return shutil.copytree(source, tmp_path_factory.mktemp("finished") / "results")
