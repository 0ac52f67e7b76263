"""Text files and JSON can be written and read again, whatever characters they hold."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.experiments.log import log_failure
from benchmarks.files import reading
from benchmarks.files.names import file_name
from benchmarks.files.writing import write_json, write_text

ANY = st.text(st.characters())


def spelled(text):
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(ANY.map(spelled), ANY | st.lists(ANY)))
def test_json_keeps_every_text_except_lone_surrogates(tmp_path_factory, value):
    path = write_json(tmp_path_factory.mktemp("json") / "x.json", value)
    expected = {k: spelled(v) if isinstance(v, str) else [*map(spelled, v)] for k, v in value.items()}
    assert reading.read_json(path) == expected
    assert json.loads(path.read_text(encoding="utf-8")) == expected


@settings(deadline=None, max_examples=50)
@given(ANY)
def test_every_text_can_be_written(tmp_path_factory, text):
    path = write_text(tmp_path_factory.mktemp("text") / "x.txt", text)
    assert path.read_bytes().decode("utf-8") == spelled(text)


@given(ANY)
def test_a_file_name_is_ascii(text):
    assert file_name(text).isascii()
    assert file_name(text).isprintable()


def test_a_log_has_no_control_characters(tmp_path):
    log_failure(tmp_path, "Traceback:\n  x\nRuntimeError: \x1b[2J \u202e é \ud800")
    lines = (tmp_path / "log.txt").read_text(encoding="utf-8").splitlines()
    assert lines == ["failed:", "Traceback:", "  x", r"RuntimeError: \x1b[2J \u202e é \ud800"]
