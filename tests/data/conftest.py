"""Fixtures of the tests of data."""

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """A cache folder per test, so that no test uses the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("AE_BENCH_CACHE", str(folder))
    return folder
