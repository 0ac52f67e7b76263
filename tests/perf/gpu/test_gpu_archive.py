"""The archive of records and tables, and which files are read as records."""

import json
import zipfile

import msgspec
import pytest
from gpu_records import measured

from benchmarks.files.writing import write_json
from benchmarks.perf.gpu.archive import write_archive
from benchmarks.perf.gpu.reading import read_record, read_records


def test_the_archive_has_all_records_and_tables_and_no_times(tmp_path):
    for name in ("a.json", "speed_gpu.md", "blocks.csv", "notes.txt", ".hidden.json"):
        (tmp_path / name).write_text(name)
    path = write_archive(tmp_path)
    with zipfile.ZipFile(path) as archive:
        assert {name: archive.read(name).decode() for name in archive.namelist()} == {
            name: name for name in ("a.json", "speed_gpu.md", "blocks.csv")
        }
    before = path.read_bytes()
    (tmp_path / "a.json").touch()
    assert write_archive(tmp_path).read_bytes() == before


def test_an_archive_that_is_too_large_is_not_written(tmp_path):
    (tmp_path / "a.json").write_text("".join(map(chr, range(40, 120))))
    with pytest.raises(ValueError, match="larger than 0 MiB"):
        write_archive(tmp_path, 150)
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_record_is_read_as_it_was_written(tmp_path):
    record = measured("runs", runs=8)
    write_json(tmp_path / "a.json", msgspec.to_builtins(record))
    assert read_records(tmp_path) == [record]


@pytest.mark.parametrize("change", [{"schema": 2}, {"status": "lost"}, {"runs": 0}, {"stages": [{"stage": "train"}]}])
def test_a_file_that_is_no_valid_record_is_ignored_with_a_warning(tmp_path, change):
    value = {**msgspec.to_builtins(measured()), **change}
    (tmp_path / "a.json").write_text(json.dumps(value))
    with pytest.warns(UserWarning, match=r"a\.json: not a valid record"):
        assert read_records(tmp_path) == []
    assert read_record(tmp_path / "absent.json") is None
