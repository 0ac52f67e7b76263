"""Only regular files of bounded size are read. Anything else is named, and nothing waits for it."""

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.files import reading
from benchmarks.files.names import MAX_PART, file_name
from benchmarks.files.reading import InvalidFile, NotRegularFile, check, decode_json, list_files, read_bytes, read_json
from benchmarks.files.writing import appending, replacing, write_json, write_text


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))


def link_to_zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


SPECIAL = {"a FIFO": make_fifo, "a socket": make_socket, "a folder": Path.mkdir, "a device": link_to_zeros}


@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_no_file_is_named_and_never_waited_for(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    path = tmp_path / "x.json"
    SPECIAL[kind](path)
    with pytest.raises(NotRegularFile, match=f"it is {kind}, expected a file"):
        read_json(path)


@pytest.mark.parametrize("kind", ["a FIFO", "a folder", "a device"])
def test_a_log_that_is_no_file_is_an_error_and_never_waited_for(tmp_path, kind):
    path = tmp_path / "log.txt"
    SPECIAL[kind](path)
    with pytest.raises(OSError, match=r".+"), appending(path) as file:
        file.write("line")


def test_an_absent_file_is_absent_and_a_link_is_followed(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "absent.json")
    (tmp_path / "file.json").write_text("[1]")
    (tmp_path / "link.json").symlink_to("file.json")
    assert read_json(tmp_path / "link.json") == [1]
    (tmp_path / "dangling.json").symlink_to("nowhere")
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "dangling.json")


def test_a_file_larger_than_its_bound_is_not_read_whole(tmp_path):
    path = tmp_path / "sparse.json"
    with path.open("wb") as file:
        file.truncate(10 * 2**30)  # takes no space on disk
    with pytest.raises(InvalidFile, match="larger than 64 MiB"):
        read_json(path)
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(InvalidFile, match="larger"):
        read_bytes(path, 4)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe{\x00}\x00",
        b"\x00" * 100,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1e400",
        b"NaN",
        b"Infinity",
        b"9" * 5000,
        b'"\\ud800"',
        b'{"a": 1} x',
        b"\xef\xbb\xbf{}",
        b"'a'",
    ],
)
def test_what_is_no_json_raises_one_kind_of_error(content):
    with pytest.raises(InvalidFile, match=r".+"):
        decode_json(content)


def test_the_reason_names_the_field_and_no_regular_expression():
    from benchmarks.files.launch import Cell

    with pytest.raises(InvalidFile, match=r"^Expected `int`, got `str` - at `\$\.seed`$"):
        check({"model": "glf", "dataset": "digits", "preset": "demo", "seed": "x", "steps": 1}, Cell)
    with pytest.raises(InvalidFile, match=r"^Expected a name of the allowed form - at `\$\.preset`$"):
        check({"model": "glf", "dataset": "digits", "preset": "x/../../y", "seed": 0, "steps": 1}, Cell)


def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path):
    assert list_files(tmp_path / "absent", ".json") == []
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        list_files(tmp_path / "file", ".json")
    for name in ("b.json", "a.json", ".hidden.json", "c.txt"):
        (tmp_path / name).touch()
    assert list_files(tmp_path, ".json") == ["a.json", "b.json"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every folder")
def test_a_folder_without_permission_is_not_taken_for_an_empty_one(tmp_path):
    (tmp_path / "records").mkdir(mode=0)
    with pytest.raises(PermissionError):
        list_files(tmp_path / "records", ".json")


@given(st.text() | st.text("\U00010400", min_size=100, max_size=300))
def test_any_text_becomes_one_part_of_a_path(text):
    name = file_name(text)
    assert Path("folder", f"x{name}").parent == Path("folder")
    assert not name.startswith(".")
    assert len(name.encode()) <= MAX_PART
    assert name.isprintable()


@given(st.text("abcXYZ019._+-", max_size=20))
def test_plain_names_stay_as_they_are(name):
    assert file_name(f"a{name}") == f"a{name}"


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = write_text(tmp_path / "folder" / "a.txt", "old\r\né\n")
    assert path.read_bytes() == "old\r\né\n".encode()
    with pytest.raises(UnicodeEncodeError), replacing(path) as temporary:
        temporary.write_text("half \ud800", encoding="utf-8")
    assert [*path.parent.iterdir()] == [path]
    assert path.read_bytes() == "old\r\né\n".encode()


def test_two_writers_of_one_file_never_share_a_temporary_file(tmp_path):
    """Two hosts or containers may have the same process number, so it must not be what makes the name unique."""
    path = tmp_path / "a.txt"
    with replacing(path) as one, replacing(path) as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"
    assert [*tmp_path.iterdir()] == [path]


def test_no_source_file_names_a_temporary_file_by_its_process_number():
    root = Path(reading.__file__).resolve().parents[2]
    sources = [path for package in ("zoo", "benchmarks", "slurm") for path in (root / package).rglob("*.py")]
    assert len(sources) > 100
    offenders = [path.name for path in sources for line in path.read_text(encoding="utf-8").splitlines()
                 if "getpid()" in line and "tmp" in line]  # fmt: skip
    assert not offenders


def test_numbers_that_are_not_finite_are_written_as_null(tmp_path):
    path = write_json(tmp_path / "a.json", {"a": [float("nan"), float("inf"), 1.5]})
    assert read_json(path) == {"a": [None, None, 1.5]}
