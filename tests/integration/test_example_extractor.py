"""The example of a feature extractor of one's own works with `evaluate`."""

import json
import runpy
from pathlib import Path

import pytest
import torch

from benchmarks.run import main

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_the_example_extractor_gives_the_distance_that_its_script_prints(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AE_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(EXAMPLES)
    runpy.run_path(str(EXAMPLES / "extractor.py"), run_name="__main__")
    printed = float(capsys.readouterr().out)
    path = tmp_path / "evaluation.json"
    command = "evaluate --real digits --fake digits:train --features extractor:Thumbnail --json"
    assert main([*command.split(), str(path)]) == 0
    result = json.loads(path.read_text(encoding="utf-8"))
    distance = result["values"]["fd_extractor_Thumbnail"]
    assert distance["value"] == pytest.approx(printed, rel=1e-6)
    assert (distance["n_real"], distance["n_fake"], result["protocol"]["dims"]) == (500, 1297, 16)
    assert len(result["weights"]) == 64  # of its source: it says that it has no weights


def test_the_extractor_takes_colors_and_gives_the_means_of_areas(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    from extractor import Thumbnail

    images = torch.randint(256, (5, 3, 32, 32), dtype=torch.uint8)
    features = Thumbnail((3, 32, 32), torch.device("cpu"))(images)
    means = images.double().reshape(5, 3, 4, 8, 4, 8).mean((3, 5)) / 255
    assert features.reshape(5, 3, 4, 4) == pytest.approx(means.numpy(), abs=1e-6)
