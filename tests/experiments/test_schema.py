"""Records of older schemas are read without loss."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks.data.datasets import load
from benchmarks.evaluation.extractors import make_extractor
from benchmarks.evaluation.requests import EvaluationRequest, evaluation_key
from benchmarks.evaluation.scoring import Scorer
from benchmarks.experiments import records
from benchmarks.experiments.new_record import new_record
from benchmarks.experiments.schema import SCHEMA, upgrade
from benchmarks.experiments.trial import Trial

# Written by the code of that schema; epochs cut, and of schema 2 some evaluations.
OLD = Path(__file__).parent / "record-schema-1.json"
SECOND = Path(__file__).parent / "record-schema-2.json"


def test_a_record_of_schema_1_is_used_in_current_tables():
    """Its metric protocol has the id that the current code gives the same measurement."""
    old = json.loads(OLD.read_text(encoding="utf-8"))
    assert old["schema"] == 1
    new = upgrade(old)
    assert new["schema"] == SCHEMA
    digits = load("digits", None)
    scorer = Scorer(digits, make_extractor("classifier", "digits", (1, 8, 8), torch.device("cpu")))
    (evaluation,) = new["evaluations"]
    assert evaluation["protocol"] == scorer.base_protocol.plain()
    assert evaluation["protocol_id"] == scorer.base_protocol.id
    assert evaluation["key"] == evaluation_key(old["key"], EvaluationRequest(), scorer.base_protocol)
    assert (evaluation["source"], evaluation["n"]) == ("prior", 10_000)
    assert evaluation["values"] == old["evaluations"][0]["values"]
    assert scorer.missing_requests(new, [EvaluationRequest()], ["fd"]) == []
    assert scorer.missing_requests(new, [EvaluationRequest(draw=1)], ["fd"]) == [EvaluationRequest(draw=1)]


def test_reading_does_not_change_an_old_file(tmp_path):
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


def test_a_broken_old_record_is_absent(tmp_path):
    old = json.loads(OLD.read_text(encoding="utf-8"))
    del old["evaluations"][0]["protocol"]["preprocessing"]
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / f"{old['key']}.json").write_text(json.dumps(old))
    with pytest.warns(UserWarning, match="not a valid record"):
        assert records.find(tmp_path, old["key"]) is None


def digits_scorer():
    return Scorer(load("digits", None), make_extractor("classifier", "digits", (1, 8, 8), torch.device("cpu")))


def test_a_record_of_schema_2_is_used_in_current_tables_under_standard_names():
    old = json.loads(SECOND.read_text(encoding="utf-8"))
    assert old["schema"] == 2
    new, scorer = upgrade(old), digits_scorer()
    assert new["schema"] == SCHEMA
    assert new["key"] == old["key"]
    assert (new["protocol_row"], new["data"]["train_fingerprint"]) == (old["row"], old["data"]["train"])
    assert new["provenance"]["engine"]["requested"] == old["provenance"]["engine"]["asked"]
    assert new["provenance"]["earlier"] == old["provenance"]["before"]
    assert new["learning_curve"]["protocol_id"] == old["curve"]["protocol_id"]
    for before, after in zip(old["evaluations"], new["evaluations"], strict=True):
        assert (after["key"], after["protocol_id"]) == (before["key"], before["protocol_id"])
        assert after["values"] == before["values"]
        assert after["protocol"] == scorer.base_protocol.plain()
        assert after["protocol_id"] == scorer.base_protocol.id
    assert scorer.missing_requests(new, [EvaluationRequest()], ["fd"]) == []


def test_a_trial_has_the_key_of_its_record_of_schema_2():
    old = json.loads(SECOND.read_text(encoding="utf-8"))
    trial = Trial.for_cell(old["model"], load("digits", None), old["preset"], old["seed"])
    assert trial.key == old["key"]


def test_no_field_of_a_current_record_has_an_old_name():
    """A record of an older schema has the same fields as a current one."""
    new = upgrade(json.loads(SECOND.read_text(encoding="utf-8")))
    job_record = new_record(
        Trial.for_cell("glf", load("digits", None), "demo", 0), load("digits", None), torch.device("cpu")
    )
    assert job_record.keys() - {"error"} <= new.keys()
    assert new["data"].keys() == job_record["data"].keys()
    assert job_record["settings"].keys() == new["settings"].keys()
    assert job_record["provenance"].keys() <= new["provenance"].keys()
