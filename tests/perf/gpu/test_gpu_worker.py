"""What the process that measures puts into a record."""

from dataclasses import replace

import msgspec
import pytest
import torch

from benchmarks.data.datasets import load_cached
from benchmarks.files.gpu_speed import GpuSpeedRecord
from benchmarks.files.reading import check
from benchmarks.perf.gpu.items import Item
from benchmarks.perf.gpu.worker import Settings, describe, load, measure

CPU = Item("steps", "rae-gmm", "digits", "fp32", "eager")


@pytest.fixture
def settings(tmp_path):
    return Settings("cpu", tmp_path, str(tmp_path))


def test_a_record_has_origin_data_preset_and_seed(settings):
    origin = describe(torch.device("cpu"))
    record = measure(CPU, settings, origin)
    assert record.status == "measured"
    assert (record.preset, record.seed, record.provenance) == ("paper", 0, origin)
    assert origin.device.startswith("cpu: ")
    assert (origin.cudnn, origin.torch) == (None, torch.__version__)
    assert record.images.count == 128
    assert not record.images.synthetic
    assert len(record.images.fingerprint) == 64
    assert record.seconds > sum(record.stages[0].seconds)
    assert record.memory.peak > 1e8
    check(msgspec.to_builtins(record), GpuSpeedRecord)


def test_an_error_becomes_a_record_with_its_message(settings):
    record = measure(replace(CPU, precision="tf32"), settings, describe(torch.device("cpu")))
    assert (record.status, record.stages) == ("failed", [])
    assert record.reason.startswith("ValueError: --precision tf32 needs a GPU (engine.py:")


def test_images_are_those_of_the_data_set_or_random(tmp_path):
    train = load_cached("digits", tmp_path).train
    _, real = load("digits", len(train), tmp_path)
    assert (real.synthetic, real.fingerprint) == (False, train.fingerprint)
    images, random = load("digits", 2000, tmp_path)
    assert (random.synthetic, random.count, images.shape) == (True, 2000, (2000, 1, 8, 8))
