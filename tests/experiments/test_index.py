"""Reading many records is fast, and gives what reading them one by one gives."""

import json
import os

import numpy as np
import pandas as pd
import pytest
from fake_records import evaluation, record
from pandas.testing import assert_frame_equal

from benchmarks.experiments import index, records


@pytest.fixture(autouse=True)
def worth_it(monkeypatch):
    monkeypatch.setattr(index, "MIN_NEW_FILES", 3)


def key(number):
    return f"{number:064x}"


def fill(folder, numbers, **changes):
    for number in numbers:
        more = {"evaluations": [], "error": {"message": f"é {number}"}, "status": "failed"} if number % 3 == 0 else {}
        rows = [{"stage": "a", "epoch": 0, "seconds": 1.0, "steps": 3, "objective": None, f"part{number % 2}": 2.5}]
        records.write(folder, record(key(number), seed=number, epochs=rows) | more | changes)


def same(folder, monkeypatch):
    """What the index gives is what the files give."""
    found = records.read(folder)
    with monkeypatch.context() as m:
        m.setattr(index, "load_kind", lambda *_: None)
        m.setattr(index, "save_kind", lambda *_: False)
        expected = records.read(folder)
    for one, other in zip(found, expected, strict=True):
        assert_frame_equal(one, other)
    assert_frame_equal(records.read_evaluations(folder), expected[0])
    return found


def indices(folder):
    return sorted(path.name for path in (folder / "records").glob(".index-*"))


def test_frames_are_the_same_with_an_index(tmp_path, monkeypatch):
    fill(tmp_path, range(9))
    records.read(tmp_path)
    assert indices(tmp_path) == [".index-epochs.npz", ".index-evaluations.npz"]
    runs, epochs = same(tmp_path, monkeypatch)
    assert len(epochs) == 9
    assert len(runs) == 3 + 6 * 2


def test_an_index_is_used(tmp_path, monkeypatch):
    fill(tmp_path, range(5))
    records.read(tmp_path)
    monkeypatch.setattr(records, "_load", lambda path: pytest.fail(f"{path} was opened"))
    assert len(records.read_evaluations(tmp_path)) == len(records.read(tmp_path)[0])


@pytest.mark.parametrize("more", [1, 5])
def test_new_changed_and_removed_records_are_seen(tmp_path, monkeypatch, more):
    """A few new records are read beside the index; many are added to it."""
    fill(tmp_path, range(1, 9))
    records.read_evaluations(tmp_path)
    fill(tmp_path, [0, *range(20, 20 + more)])
    fill(tmp_path, [4], preset="quick", evaluations=[evaluation(0, kid=1.5)])
    (tmp_path / "records" / f"{key(5)}.json").unlink()
    runs, _ = same(tmp_path, monkeypatch)
    assert set(runs["key"]) == {key(n) for n in (0, 1, 2, 3, 4, 6, 7, 8, *range(20, 20 + more))}
    assert runs.set_index("key").loc[key(4), "kid"] == 1.5
    assert (runs["key"] == sorted(runs["key"])).all()
    same(tmp_path, monkeypatch)


def test_a_broken_index_is_no_error(tmp_path, monkeypatch):
    fill(tmp_path, range(5))
    records.read(tmp_path)
    for content in (b"", b"PK\x03\x04 half"):
        for name in indices(tmp_path):
            (tmp_path / "records" / name).write_bytes(content)
        assert len(same(tmp_path, monkeypatch)[1]) == 5


def altered(path, **changes):
    """Replace arrays of an index; its other arrays, and its version, stay."""
    with np.load(path) as arrays:
        content = {name: arrays[name] for name in arrays}
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **{**content, **changes})


@pytest.mark.parametrize("change", [
    {"counts": np.array([-1, 1, 1, 1, 1])}, {"counts": np.array([1])}, {"counts": np.ones((5, 1), dtype=np.int64)},
    {"counts": np.array([0.5] * 5)}, {"shared-0-values": np.full(5, 99)}, {"shared-0-values": np.full(5, -1)},
    {"shared-0-values": np.array(["a"] * 5)}, {"shared-0-uniques": np.frombuffer(b"[[]]", np.uint8)},
    {"head": np.frombuffer(b'{"version": 1}', np.uint8)}, {"own": np.frombuffer(b"[1]", np.uint8)},
    {"shared-0-known": np.array([255], np.uint8)},
])  # fmt: skip
def test_an_index_with_other_types_is_not_used(tmp_path, monkeypatch, change):
    fill(tmp_path, range(5))
    records.read(tmp_path)
    for name in indices(tmp_path):
        altered(tmp_path / "records" / name, **change)
    assert len(same(tmp_path, monkeypatch)[1]) == 5


def test_an_index_that_is_a_fifo_is_not_waited_for(tmp_path, monkeypatch):
    fill(tmp_path, range(5))
    records.read(tmp_path)
    for name in indices(tmp_path):
        (tmp_path / "records" / name).unlink()
        os.mkfifo(tmp_path / "records" / name)
    assert len(same(tmp_path, monkeypatch)[1]) == 5


def test_an_incomplete_index_is_completed(tmp_path, monkeypatch):
    fill(tmp_path, range(5))
    records.read(tmp_path)
    (tmp_path / "records" / ".index-evaluations.npz").unlink()
    same(tmp_path, monkeypatch)
    assert len(indices(tmp_path)) == 2


def test_an_index_of_another_schema_is_not_used(tmp_path, monkeypatch):
    fill(tmp_path, range(5))
    records.read(tmp_path)
    monkeypatch.setattr(records, "SCHEMA", records.SCHEMA + 1)
    loaded = []
    load = records._load
    monkeypatch.setattr(records, "_load", lambda path: loaded.append(path) or load(path))
    records.read_evaluations(tmp_path)
    assert len(loaded) == 5


def test_a_read_only_folder_is_read_without_an_index(tmp_path, monkeypatch):
    fill(tmp_path, range(5))

    def refuse(*_, **__):
        raise PermissionError("read-only")

    monkeypatch.setattr(index.storage.zipfile, "ZipFile", refuse)
    assert len(records.read(tmp_path)[1]) == 5
    assert indices(tmp_path) == []


def test_unreadable_records_are_reported_every_time_and_the_rest_is_read(tmp_path):
    fill(tmp_path, range(5))
    (tmp_path / "records" / f"{key(9)}.json").write_text("{")
    for _ in range(2):
        with pytest.warns(UserWarning, match=key(9)):
            assert len(records.read(tmp_path)[1]) == 5


def test_a_newer_record_is_reported_with_an_index_too_and_the_rest_is_read(tmp_path):
    fill(tmp_path, range(5))
    records.read(tmp_path)
    path = tmp_path / "records" / f"{key(2)}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 99}))
    with pytest.warns(UserWarning, match="newer version"):
        assert key(2) not in set(records.read_evaluations(tmp_path)["key"])
    with pytest.warns(UserWarning, match="newer version"):
        assert len(set(records.read(tmp_path)[0]["key"])) == 4


def test_no_index_is_written_into_a_small_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "MIN_NEW_FILES", 200)
    fill(tmp_path, range(5))
    before = sorted(os.listdir(tmp_path / "records"))
    assert isinstance(records.read(tmp_path)[0], pd.DataFrame)
    assert sorted(os.listdir(tmp_path / "records")) == before


def test_a_record_replaced_by_one_of_its_size_and_time_is_read_again(tmp_path, monkeypatch):
    """Unpacking and copying may cause this."""
    fill(tmp_path, range(5))
    records.read(tmp_path)
    path = tmp_path / "records" / f"{key(1)}.json"
    before = path.stat()
    path.write_text(path.read_text().replace('"digits"', '"digitz"'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    runs, _ = same(tmp_path, monkeypatch)
    assert [*runs.loc[runs["key"] == key(1), "dataset"].unique()] == ["digitz"]
