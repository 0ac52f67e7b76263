"""The examples run as printed, on models after a few training steps."""

import re
import runpy
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

import zoo
from benchmarks.data import datasets
from benchmarks.protocols import protocol
from benchmarks.training.loop import train

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "trained.py"
RECORDS_SCRIPT = ROOT / "examples" / "records.py"


@pytest.mark.parametrize(
    ("name", "said", "pictures"),
    [("glf", "log-density of these images' latents", {"samples-64", "lines", "reconstructions"}),
     ("two-stage-vae", "no densities: TwoStageVAE has no density", {"samples-64", "lines", "reconstructions"}),
     ("glann-mse", "no latents of images: GLANN has no encoder", {"samples-64", "lines"})],
)  # fmt: skip
def test_an_example_prints_its_results_and_writes_its_pictures(name, said, pictures, tmp_path, monkeypatch, capsys):
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


def show_records(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", [str(RECORDS_SCRIPT), *map(str, arguments)])
    runpy.run_path(str(RECORDS_SCRIPT), run_name="__main__")


def test_the_means_of_records_are_those_of_table_1(monkeypatch, capsys):
    folder = ROOT / "results" / "measured" / "digits-demo"
    show_records(monkeypatch, folder, "fd_classifier")
    line = re.compile(r"digits +(\S+) +demo +(\w{16}) +(\S+) ± (\S+) +\(runs: 3\)")
    found = {
        (m[1], m[2]): (float(m[3]), float(m[4])) for m in map(line.fullmatch, capsys.readouterr().out.splitlines())
    }
    (protocol_id,) = re.findall(r"Metric protocol: digits: (\w{16})", (folder / "tables" / "table1.md").read_text())
    table = pd.read_csv(folder / "tables" / "table1.csv", index_col="model")["digits"]
    assert len(table) == 5
    labels = {zoo.entry(model).label: model for model, _ in found}
    for label, cell in table.items():
        mean, _, std = cell.partition(" ± ")
        assert found[labels[label], protocol_id] == pytest.approx((float(mean), float(std)), abs=0.056)  # of one digit


def test_an_absent_metric_is_named_with_the_columns_that_are_there(monkeypatch, tmp_path):
    with pytest.raises(SystemExit, match=r"has a column 'fid'; columns: key, model, .*, dirty"):
        show_records(monkeypatch, tmp_path, "fid")
