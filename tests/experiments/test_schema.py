"""Records of older schemas are read as what they were."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks.data.datasets import load
from benchmarks.evaluation.extractors import extractor
from benchmarks.evaluation.scoring import Measure, Request, evaluation_key
from benchmarks.experiments import records
from benchmarks.experiments.schema import SCHEMA, upgrade

OLD = Path(__file__).parent / "record-schema-1.json"  # written by the code of schema 1, epochs cut


def test_a_record_of_schema_1_counts_in_todays_tables():
    """Its metric protocol is the one that today's code has for the same measurement, to the last digit of the id."""
    old = json.loads(OLD.read_text(encoding="utf-8"))
    assert old["schema"] == 1
    new = upgrade(old)
    assert new["schema"] == SCHEMA
    digits = load("digits", None)
    measure = Measure(digits, extractor("classifier", "digits", (1, 8, 8), torch.device("cpu")))
    (evaluation,) = new["evaluations"]
    assert evaluation["protocol"] == measure.base.plain()
    assert evaluation["protocol_id"] == measure.base.id
    assert evaluation["key"] == evaluation_key(old["key"], Request(), measure.base)
    assert (evaluation["source"], evaluation["n"]) == ("prior", 10_000)
    assert evaluation["values"] == old["evaluations"][0]["values"]
    assert measure.missing(new, [Request()], ["fd"]) == []
    assert measure.missing(new, [Request(draw=1)], ["fd"]) == [Request(draw=1)]


def test_reading_leaves_an_old_file_alone(tmp_path):
    text = OLD.read_text(encoding="utf-8")
    key = json.loads(text)["key"]
    (tmp_path / "records").mkdir()
    path = tmp_path / "records" / f"{key}.json"
    path.write_text(text, encoding="utf-8")
    found = records.find(tmp_path, key)
    runs, epochs = records.read(tmp_path)
    assert found["schema"] == SCHEMA
    assert [*runs["source"]] == ["prior"]
    assert len(epochs)
    assert path.read_text(encoding="utf-8") == text


def test_the_crop_of_old_celeba_records_is_found():
    old = json.loads(OLD.read_text(encoding="utf-8"))
    old["evaluations"][0]["protocol"]["preprocessing"] = "160x160 centre crop, 64x64 antialiased bilinear"
    protocol = upgrade(old)["evaluations"][0]["protocol"]
    assert (protocol["crop"], protocol["resize"]) == (160, "64x64 antialiased bilinear")


def test_a_mangled_old_record_is_absent_not_a_crash(tmp_path):
    old = json.loads(OLD.read_text(encoding="utf-8"))
    del old["evaluations"][0]["protocol"]["preprocessing"]
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / f"{old['key']}.json").write_text(json.dumps(old))
    with pytest.warns(UserWarning, match="not a readable record"):
        assert records.find(tmp_path, old["key"]) is None
