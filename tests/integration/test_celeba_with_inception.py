"""From CelebA's files to tables of Inception features, with made-up images and random weights."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from benchmarks.evaluation import extractors
from benchmarks.evaluation.protocol import VARIANTS
from benchmarks.experiments import records
from benchmarks.perf.metric_cost import random_inception
from benchmarks.presets import PRESETS
from benchmarks.run import main

TRAIN, TEST, SEEN = 256, 8, 6  # one batch, and some to test with; images of each kind in a metric
# Variants whose distances differ: those that only CelebA or Inception has, and the others
OWN_VARIANTS = [("base", "crop128"), ("base", "resize-plain"), ("base", "input-bicubic")]
OTHER_VARIANTS = [("crop128", "crop140"), ("base", "jpeg75"), ("base", "stretched"), ("base", "train")]


@pytest.fixture
def celeba(tmp_path):
    """JPEG files of the size of CelebA's aligned faces, and the partition file."""
    folder = tmp_path / "data" / "celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    g = np.random.default_rng(0)
    y, x = np.mgrid[:218, :178]
    lines = []
    for i in range(TRAIN + TEST + 2):
        cx, cy, r = g.uniform(70, 110), g.uniform(90, 130), g.uniform(30, 70)
        face = ((x - cx) ** 2 + 0.7 * (y - cy) ** 2 < r**2)[..., None]
        pixels = np.where(face, g.uniform(120, 255, 3), g.uniform(0, 120, 3)) + g.normal(0, 12, (218, 178, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i:06d}.jpg", quality=90)
        part = 0 if i < TRAIN else 2 if i < TRAIN + TEST else 1
        lines.append(f"{i:06d}.jpg {part}\n")
    (folder.parent / "list_eval_partition.txt").write_text("".join(lines))
    return tmp_path / "data"


@pytest.fixture
def variants():
    """The variants of the metric protocol, to be removed by a test; afterwards they are back in their order."""
    saved = dict(VARIANTS)
    yield VARIANTS
    VARIANTS.clear()
    VARIANTS.update(saved)


@pytest.mark.slow
@pytest.mark.parametrize("every_variant", [False, pytest.param(True, marks=pytest.mark.full)])
def test_celeba_files_give_tables_of_inception_distances(
    celeba, variants, every_variant, tmp_path, monkeypatch, capsys
):
    # Each variant costs seconds: eigenvalues of matrices of 2,048 features.
    different = OWN_VARIANTS
    if every_variant:
        different = OWN_VARIANTS + OTHER_VARIANTS
    else:
        for name in set(variants) - {"5k"}.union(*different):
            del variants[name]
    monkeypatch.setenv("AE_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    random_inception(tmp_path / "hub" / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth")
    extractors.make_extractor.cache_clear()
    # One step instead of hundreds: the networks are CelebA's own.
    monkeypatch.setitem(PRESETS, "demo", replace(PRESETS["demo"], steps=1))
    out = tmp_path / "out"
    command = ["--preset", "demo", "--only", "glf", "--on", "celeba", "--seeds", "1", "--features", "inception",
               "--data-root", str(celeba), "--cluster", "inline", "--results", str(out)]  # fmt: skip

    assert main(["table1", *command, "--images", str(SEEN)]) == 2
    assert f"celeba has {SEEN} reference images, but inception has 2048 features" in capsys.readouterr().err
    command += ["--images", str(SEEN), "--allow-few"]
    assert main(["table1", *command]) == 0
    (path,) = (out / "records").iterdir()
    record = json.loads(path.read_text())
    assert {e["metric"] for e in record["evaluations"]} == {"fd_inception_unknown"}
    assert "fid" not in {name for e in record["evaluations"] for name in e["values"]}
    protocol = record["evaluations"][0]["protocol"]
    assert (protocol["crop"], protocol["resize"], protocol["n_real"]) == (160, "64x64 antialiased bilinear", SEEN)
    assert protocol["input"] == "gray replicated to 3 channels, 299x299 plain bilinear"
    caption = (out / "tables" / "table1.md").read_text()
    assert "(fd_inception_unknown, not FID)" in caption
    assert not re.search(r"(?<!not )\bFID\b", caption)

    # Crops and resize filters of the reference images and of Inception's input; none needs training.
    assert main(["sensitivity", *command]) == 0
    table = pd.read_csv(out / "tables" / "sensitivity-tidy.csv").set_index(["variant", "source"])
    values = table["mean"].xs("prior", level="source").drop("5k")  # fewer images than that
    assert values.notna().all()
    assert {*values.index} == set(variants) - {"5k"}
    for one, other in different:
        assert abs(values[one] - values[other]) > 1e-6 * values[one], (one, other)
    assert len(records.read(out)[0].drop_duplicates("key")) == 1
    extractors.make_extractor.cache_clear()
