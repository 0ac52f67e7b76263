"""Fixtures of the tests of models."""

import sys

import pytest
from external_models import MODEL

from zoo import registry


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The name of a module with external models, in the current folder, for this test only."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(registry, "ADOPTED", {})
    name = "stranger_" + str(abs(hash(str(tmp_path))))
    (tmp_path / f"{name}.py").write_text(MODEL)
    yield name
    sys.modules.pop(name, None)
