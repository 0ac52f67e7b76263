"""Environment variables: each is read in one module, and a wrong value is an error before anything starts."""

import ast
import functools
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import environment
from benchmarks.data.paths import cache_folder, data_root, find_cache_problem
from benchmarks.execution.options import LIMITS
from benchmarks.experiments.changes import MAX_BUDGET, MAX_INTEGER
from benchmarks.experiments.process import process_identity
from benchmarks.run import main

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(path for package in ("zoo", "benchmarks", "slurm") for path in (ROOT / package).rglob("*.py"))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_variable_of_ours_is_read_in_one_module():
    readers = {}
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if not any(isinstance(node, ast.Attribute) and node.attr == "environ" for node in ast.walk(tree)):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and str(node.value).startswith("AE_BENCH_") and " " not in node.value:
                readers.setdefault(node.value, set()).add(path.relative_to(ROOT).as_posix())
    assert readers.pop("AE_BENCH_RESOURCES") >= {"slurm/resources.py"}
    by_module = {name: {file for file in files if not file.startswith("benchmarks/perf/")}
                 for name, files in readers.items()}  # fmt: skip
    assert by_module == {
        "AE_BENCH_DATA": {"zoo/environment.py"},
        "AE_BENCH_CACHE": {"benchmarks/environment.py"},
        "AE_BENCH_SAVE_SECONDS": {"benchmarks/environment.py"},
    }


def test_the_documentation_lists_every_variable_and_every_limit():
    text = " ".join((ROOT / "docs/running.md").read_text(encoding="utf-8").split())
    names = {name for path in FILES for name in re.findall(r"AE_BENCH_[A-Z_]+", path.read_text(encoding="utf-8"))}
    assert {*re.findall(r"\| `(AE_BENCH_[A-Z_]+)`", text)} == names
    for option, limit in LIMITS.items():
        assert f"| `{option}` | {limit:,} " in text
    assert f"| an integer hyper-parameter in `--set` | {MAX_INTEGER:,} |" in text
    assert f"| `--budget` | {MAX_BUDGET:.0f} |" in text


@pytest.mark.parametrize("text", ["abc", "1,5", "nan", "-1", "inf", "-inf", " ", "1e999", "60 s", "²"])
@pytest.mark.parametrize("words", [["table1", "--preset", "demo"], ["all"], ["figure2", "--dry-run"], ["retry"],
                                   ["evaluate"]], ids=" ".join)  # fmt: skip
def test_a_wrong_number_of_seconds_is_an_error_of_commands_that_compute(monkeypatch, capsys, words, text):
    monkeypatch.setenv(environment.SAVE_VARIABLE, text)
    assert main(words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert sum("AE_BENCH_SAVE_SECONDS must be a number of seconds from 0 on" in line for line in lines) == 1
    assert all(line.startswith("error: ") for line in lines)
    assert not [*Path().iterdir()]


def test_it_is_reported_with_all_other_errors(monkeypatch, capsys):
    monkeypatch.setenv(environment.SAVE_VARIABLE, "abc")
    assert main(["table1", "--seeds", "0", "--only", "glff"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_commands_that_do_not_compute_ignore_it(monkeypatch, capsys):
    monkeypatch.setenv(environment.SAVE_VARIABLE, "abc")
    assert main(["list"]) == 0
    assert main(["status"]) == 0


@given(st.floats(0, 1e300))
def test_every_number_of_seconds_from_zero_on_is_taken(seconds):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(environment.SAVE_VARIABLE, repr(seconds))
        assert environment.save_seconds() == seconds


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20))
def test_every_other_text_is_one_clear_error(text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(environment.SAVE_VARIABLE, text)
        try:
            is_right = not text or 0 <= float(text) < float("inf")
        except ValueError:
            is_right = False
        assert len(environment.find_errors()) == (not is_right)


def test_an_empty_variable_counts_as_not_set(monkeypatch):
    monkeypatch.delenv(environment.CACHE_VARIABLE, raising=False)
    default = cache_folder()
    for name in (environment.SAVE_VARIABLE, environment.CACHE_VARIABLE, environment.DATA_VARIABLE):
        monkeypatch.setenv(name, "")
    assert environment.save_seconds() == 60
    assert environment.data_folder() is None
    assert cache_folder() == default
    assert data_root(None) == default / "data"


@pytest.mark.parametrize("text", ["\udcff", "x" * 300, "/x" * 3000])
@pytest.mark.parametrize(("name", "words"), [
    (environment.DATA_VARIABLE, ["table1"]), (environment.DATA_VARIABLE, ["fetch", "mnist"]),
    (environment.DATA_VARIABLE, ["sample", "glf", "mnist"]), (environment.CACHE_VARIABLE, ["all", "--yes"]),
    (environment.CACHE_VARIABLE, ["evaluate"]),
], ids=str)  # fmt: skip
def test_a_variable_that_can_be_no_path_is_an_error(monkeypatch, capsys, name, words, text):
    monkeypatch.setenv(name, text)
    assert main(words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith(f"error: the environment variable {name}=") for line in lines) == 1


@pytest.mark.parametrize("text", ["", "x", "-1", "²", "1.5", "None"])
def test_an_odd_restart_count_of_slurm_counts_as_none(monkeypatch, text):
    monkeypatch.setenv("SLURM_RESTART_COUNT", text)
    assert process_identity()["restart"] == 0
    monkeypatch.setenv("SLURM_RESTART_COUNT", "3")
    assert process_identity()["restart"] == 3


@pytest.mark.parametrize("words", [
    ["table1", "--preset", "demo", "--only", "rae-gmm", "--seeds", "1", "--cluster", "inline", "--images", "200"],
    ["evaluate", "--real", "digits", "--fake", "digits:train", "--features", "pixels"],
], ids=["table1", "evaluate"])  # fmt: skip
def test_a_cache_that_cannot_be_written_is_said_once_and_worked_without(monkeypatch, capsys, short_demo, words):
    Path("file").touch()
    monkeypatch.setenv(environment.CACHE_VARIABLE, str(Path("file/cache").absolute()))
    assert main(words) == 0
    printed = capsys.readouterr()
    assert printed.err.count("warning: ") == 1
    assert "file/cache cannot be written: " in printed.err
    assert "Set AE_BENCH_CACHE to another folder" in printed.err


def test_a_cache_that_can_be_made_is_no_problem_and_is_not_made_by_asking(monkeypatch):
    monkeypatch.setenv(environment.CACHE_VARIABLE, "new/cache")
    assert find_cache_problem() is None
    assert not Path("new").exists()


def test_figures_are_drawn_whatever_the_backend_of_matplotlib_is():
    code = "from benchmarks import environment; environment.import_pyplot().figure().savefig('x.png')"
    variables = {**os.environ, "MPLBACKEND": "garbage", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], env=variables, check=True)
    assert Path("x.png").stat().st_size


def test_no_module_but_one_imports_pyplot():
    """Otherwise, an unknown backend would be an error after the training."""
    found = {path.relative_to(ROOT).as_posix() for path in FILES
             if "from matplotlib import pyplot" in path.read_text(encoding="utf-8")
             or "import matplotlib\n" in path.read_text(encoding="utf-8")}  # fmt: skip
    assert found == {"benchmarks/environment.py"}


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(line.split()[1], 16) >> (number - 1) & 1)


@pytest.mark.kill
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the signals of a process are read from /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay", [0, 0.3, 1])
def test_a_signal_during_the_imports_ends_the_command_as_interrupted(number, delay):
    words = ["table1", "--preset", "demo", "--seeds", "1000", "--dry-run"]
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    restore = functools.partial(signal.signal, number, signal.SIG_DFL)  # a shell's background job ignores SIGINT
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.run", *words], env=variables, text=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=restore)  # fmt: skip
    while process.poll() is None and not catches(process.pid, signal.SIGTERM):  # Python itself is starting
        time.sleep(0.001)
    time.sleep(delay)
    process.send_signal(number)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert errors.splitlines() == ["interrupted: finished runs are kept; run the same command again to continue"]
