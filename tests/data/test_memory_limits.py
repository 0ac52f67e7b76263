"""Opening files of strangers, and the memory that is left."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from image_files import write_control_groups, write_special_file

from benchmarks.data import limits
from benchmarks.data.limits import available_memory, open_regular, require_memory
from benchmarks.data.paths import DataError


@pytest.mark.parametrize(
    ("kind", "words"), [("pipe", "FIFO"), ("socket", "socket"), ("device", "device"), ("folder", "folder")]
)
def test_a_file_that_is_not_regular_is_named_and_never_waited_for(kind, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    write_special_file(Path("x"), kind)
    Path("link").symlink_to("x")
    for name in ("x", "link"):
        with pytest.raises(DataError, match=rf"^cannot read {name}: it is a {words}, expected a file$"):
            open_regular(Path(name))


@pytest.mark.parametrize(("name", "words"), [("missing", "No such file"), ("a\0b", "null"), ("n" * 300, "too long")])
def test_a_path_that_cannot_be_opened_is_named(name, words, tmp_path):
    with pytest.raises(DataError, match=rf"^cannot read shown: .*{words}"):
        open_regular(tmp_path / name, "shown")


def test_a_regular_file_is_opened_for_reading_bytes(tmp_path):
    (tmp_path / "x").write_bytes(b"data")
    with open_regular(tmp_path / "x") as file:
        assert file.read() == b"data"


def test_an_array_must_fit_in_the_memory_that_is_left():
    available = available_memory()
    assert available is not None
    assert 0 < available < 1 << 50
    require_memory(1 << 20, "x")
    with pytest.raises(DataError, match=r"^x needs .* GB of memory, but .* GB are available$"):
        require_memory(2**70, "x")


def test_a_limit_of_the_process_counts_as_its_memory():
    code = """
import resource
from benchmarks.data.limits import available_memory
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 50_000_000, used + 50_000_000))
print(available_memory())
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0 <= int(run.stdout) <= 50_000_000


def test_the_smallest_limit_of_the_control_groups_counts(tmp_path, monkeypatch):
    write_control_groups(tmp_path, outer=1000, inner=5000, used=400)
    monkeypatch.setattr(limits, "CGROUPS", tmp_path)
    assert available_memory() == 600


def test_no_limit_means_the_memory_of_the_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "CGROUPS", tmp_path)
    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        pytest.skip("this process has a limit")
    meminfo = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    total = int(meminfo["MemTotal"].split()[0]) * 1024
    assert 0 < available_memory() <= total
