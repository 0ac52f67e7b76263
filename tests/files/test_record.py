"""A record file is either read, or ignored with a warning that names it; the other records are always read."""

import copy
import json
import warnings
from functools import lru_cache
from pathlib import Path

import msgspec
import pytest
from fake_records import KEY, OTHER, record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.experiments import records
from benchmarks.experiments.schema import upgrade
from benchmarks.files import reading
from benchmarks.files.json_schema import FOLDER, schemas
from benchmarks.files.record import Record
from benchmarks.run import main

MEASURED = Path(__file__).resolve().parents[2] / "results" / "measured"
DEEP: list = []
for _ in range(200):
    DEEP = [DEEP]
HOSTILE = st.sampled_from(
    [None, True, -1, 1.5, 1e30, 10**400, 2**63, "x", "", "9" * 5000, "\0", "\x1b[31m", "../../x", "a/b", "a\nb", "=1+1",
     [], {}, [1], ["x"], {"a": 1}, {"": None}, [None], [{}], DEEP]
)  # fmt: skip


@lru_cache
def real_record():
    path = sorted((MEASURED / "digits-demo" / "records").glob("*.json"))[0]
    return upgrade(json.loads(path.read_text(encoding="utf-8"))) | {"key": KEY}


def places(value, place=()):
    """The places of a JSON value: the keys that lead to each of its parts, of lists the first three."""
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for name, part in items:
        yield from places(part, (*place, name))


@st.composite
def altered_records(draw):
    """A real record in which one part, often a whole section, has another value or is absent."""
    changed = copy.deepcopy(real_record())
    section = draw(st.sampled_from(sorted(changed)))
    place = draw(st.sampled_from([place for place in places(changed) if place[:1] == (section,)]))
    parent = changed
    for name in place[:-1]:
        parent = parent[name]
    if draw(st.integers(0, 6)):
        parent[place[-1]] = draw(HOSTILE)
    else:
        del parent[place[-1]]
    return changed


@given(altered_records())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_altered_record_never_hides_another(tmp_path, changed):
    records.write(tmp_path, record(OTHER))
    (tmp_path / "records" / f"{KEY}.json").write_text(json.dumps(changed), encoding="utf-8")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        evaluations, epochs = records.read(tmp_path)
    assert OTHER in {*evaluations["key"]} & {*epochs["key"]}
    is_read = KEY in {*evaluations["key"]}
    assert is_read or any(f"{KEY}.json: " in str(warning.message) for warning in caught)


CHANGES = [
    {"seed": "x"}, {"model": []}, {"revision": 1.5}, {"seed": None}, {"preset": True}, {"dataset": 1.5},
    {"preset": "x/../../victim"}, {"preset": "a\0b"}, {"status": "lost"}, {"status": "failed", "error": None},
    {"evaluations": {}}, {"epochs": [1]}, {"epochs": [{"stage": "train", "epoch": 0, "steps": 1, "seconds": "1"}]},
    {"epochs": [{"stage": "train", "epoch": 0, "steps": 1, "seconds": 1.0, "recon": "a lot"}]},
    {"diagnostics": []}, {"diagnostics": {"recon_sse": "x"}}, {"provenance": "x"}, {"settings": None},
    {"settings": {"hyper": DEEP, "images": 1}}, {"data": {"warnings": "text"}}, {"learning_curve": {"protocol": {}}},
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: ", ".join(change))
def test_a_field_of_another_type_is_named(tmp_path, change):
    records.write(tmp_path, record(OTHER))
    records.write(tmp_path, record() | change)
    with pytest.warns(
        UserWarning, match=rf"{KEY}\.json: not a valid record, so it is ignored \(.*(`\$|`error` is missing)"
    ):
        assert records.find(tmp_path, KEY) is None
    with pytest.warns(UserWarning, match=KEY):
        assert {*records.read(tmp_path)[0]["key"]} == {OTHER}


@pytest.mark.parametrize("text", ["[" * 100_000, '{"schema": 1e400}', '{"schema": 3, "key": 1}', '"\\ud800"', "\0"])
@pytest.mark.parametrize("command", ["status", "report", "retry"])
def test_commands_name_a_broken_record_once_and_go_on(tmp_path, capsys, command, text):
    records.write(tmp_path, record(OTHER))
    path = tmp_path / "records" / f"{KEY}.json"
    path.write_text(text, encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main([command, "--results", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert printed.err.count(f"{path}: not a valid record") == (command != "retry")
    assert "Traceback" not in printed.err


def test_a_name_in_a_record_reaches_no_path_outside_the_results_folder(tmp_path):
    """A preset is a part of the names of the report's figures."""
    victim, results = tmp_path / "victim", tmp_path / "results"
    victim.mkdir()
    (victim / "README.md").write_text("mine")
    for preset in ("x/../../../victim/README", "/README", "..", "x\\..\\..\\victim"):
        records.write(results, record(preset=preset, learning_curve={"protocol_id": "a", "protocol": {"metric": "fd"}}))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert main(["report", "--results", str(results)]) == 0
    assert [path.name for path in victim.iterdir()] == ["README.md"]
    assert (victim / "README.md").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"victim", "results"}


def test_an_unreadable_folder_is_an_error_and_the_report_is_kept(tmp_path, capsys):
    """A file in the place of the folder causes the same kind of error as a folder without permission, for root too."""
    (tmp_path / "records").touch()
    (tmp_path / "report.html").write_text("a good page")
    assert main(["status", "--results", str(tmp_path)]) != 0
    assert main(["report", "--results", str(tmp_path)]) != 0
    assert "records" in capsys.readouterr().err
    assert (tmp_path / "report.html").read_text() == "a good page"


def test_every_committed_record_is_valid():
    paths = [*MEASURED.glob("*/records/*.json")]
    assert len(paths) > 200
    for path in paths:
        reading.check(upgrade(reading.read_json(path)), Record)


def test_a_record_keeps_fields_that_the_schema_does_not_know(tmp_path):
    records.write(tmp_path, record(note={"mine": [1, 2]}))
    assert records.find(tmp_path, KEY) == record(note={"mine": [1, 2]})


def test_the_exported_schemas_are_those_of_the_code():
    """If this fails: python -m benchmarks.files.json_schema."""
    for name, schema in schemas().items():
        assert json.loads((FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")) == schema
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.schema.json" for name in schemas()}


def test_the_patterns_of_the_schema_have_no_syntax_that_only_python_has():
    text = msgspec.json.encode(schemas()).decode()
    assert r"\\A" not in text
    assert r"\\Z" not in text
