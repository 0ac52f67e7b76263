"""The examples run as printed, on models that have been trained for a moment."""

import runpy
import sys
from pathlib import Path

import pytest
import torch

import zoo
from benchmarks.data import datasets
from benchmarks.protocols import protocol
from benchmarks.training.loop import train

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "trained.py"


@pytest.mark.parametrize(
    ("name", "said", "pictures"),
    [("glf", "log-density of these images' latents", {"samples-64", "lines", "reconstructions"}),
     ("two-stage-vae", "no densities: TwoStageVAE has no density", {"samples-64", "lines", "reconstructions"}),
     ("glann-mse", "no latents of images: GLANN has no encoder", {"samples-64", "lines"})],
)  # fmt: skip
def test_a_trained_model_shows_what_it_can(name, said, pictures, tmp_path, monkeypatch, capsys):
    torch.manual_seed(0)
    x = datasets.load("digits", None).train.canonical(256).images
    found = protocol(name, "digits", "demo", 256)
    model = zoo.build(name, image_shape=(1, 8, 8), nz=8, k=8, **found.resolve(name).hyper)
    for _ in train(model, x, {stage: type(s)(1, 64, s.lr, betas=s.betas) for stage, s in found.stages.items()}):
        pass
    zoo.save(model, tmp_path / "weights.pt")
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(tmp_path / "weights.pt"), "digits"])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    printed = capsys.readouterr().out
    assert said in printed
    assert {path.stem for path in tmp_path.glob("*.png")} == pictures
    assert len(printed.splitlines()) == len(pictures) + (2 if "reconstructions" in pictures else 1)
