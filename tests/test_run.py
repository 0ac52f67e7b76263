"""How a command ends: its exit code, and what is printed where the output, the memory or this program fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.cli import data
from benchmarks.run import main

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)


def run(command: str) -> subprocess.CompletedProcess:
    """Run a line of the shell in which $RUN is this program."""
    # Unbuffered output would fail at another place.
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "RUN": f"{sys.executable} -m benchmarks.run"}
    variables.pop("PYTHONUNBUFFERED", None)
    return subprocess.run(["bash", "-c", command], env=variables, capture_output=True, text=True)


def failing(error):
    def show_names(args):
        raise error

    return show_names


def test_a_bug_in_this_program_is_named_as_one_with_its_traceback(monkeypatch, capsys):
    monkeypatch.setattr(data, "show_names", failing(AttributeError("'list' object has no attribute 'split'")))
    assert main(["list"]) == 70
    first, *lines = capsys.readouterr().err.splitlines()
    assert first.startswith("error: this is a bug in ae-bench, not an error in your command.")
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "AttributeError: 'list' object has no attribute 'split'"


def test_contributing_says_how_to_report_a_bug():
    assert "bug in ae-bench" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("error", "code", "text"), [
    (MemoryError(), 1, "error: there is not enough memory. Finished runs are kept"),
    (OSError(28, "No space left on device"), 1, "error: [Errno 28] No space left on device"),
    (KeyboardInterrupt(), 130, "interrupted: finished runs are kept; run the same command again to continue"),
])  # fmt: skip
def test_what_is_no_bug_in_this_program_is_one_line(monkeypatch, capsys, error, code, text):
    monkeypatch.setattr(data, "show_names", failing(error))
    assert main(["list"]) == code
    assert capsys.readouterr().err.splitlines() == [text]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", ["list", "status", "--help", "--version", "table1 --help"])
def test_an_output_that_is_full_is_one_line(words):
    done = run(f"$RUN {words} > /dev/full")
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["error: [Errno 28] No space left on device"]


@pytest.mark.parametrize("words", ["list", "status", "--help"])
def test_an_output_that_nobody_reads_is_no_error_that_is_printed(words):
    done = run(f"set -o pipefail; $RUN {words} | true")
    assert done.returncode in (0, 1)  # 0 if it was written before the reader had ended
    assert done.stderr == ""
