"""Values of options: a wrong one is one clear error, before torch is imported and before anything is made."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.cli.commands import COMMANDS
from benchmarks.cli.options import OPTIONS
from benchmarks.cli.parser import parse
from benchmarks.cli.values import CHECKS, MAX_LENGTH, may_have_more_errors
from benchmarks.execution.options import LIMITS, RESULT_FOLDERS, find_device_error, parse_count
from benchmarks.run import main

ROOT = Path(__file__).resolve().parents[2]
LINE = ("table1", "--preset", "demo", "--only", "glf", "--dry-run")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def errors_of(capsys, *words):
    """The errors of a command that must be refused, and must make nothing."""
    before = {*Path().rglob("*")}
    assert main([*words]) == 2
    printed = capsys.readouterr()
    assert {*Path().rglob("*")} == before
    lines = printed.err.strip().splitlines()
    assert all(line.startswith("error: ") for line in lines), lines
    assert all(len(line) < 2000 for line in lines)
    return lines


def line_with(option):
    """A command line to which an option may be added."""
    return LINE if option.removeprefix("--") in COMMANDS["table1"].options else ("evaluate",)


@pytest.mark.parametrize("option", LIMITS)
@pytest.mark.parametrize("text", ["0", "-1", "1.5", "1e3", "nan", "inf", "²", "١", "1_0", "+1", "1 2", "x" * 99])
def test_a_number_that_is_none_is_refused(capsys, option, text):
    line = errors_of(capsys, *line_with(option), f"{option}={text}")[0]
    assert line.startswith(f"error: {option} must be a ")


@pytest.mark.parametrize("option", LIMITS)
def test_a_number_above_its_limit_is_refused_with_the_limit(capsys, option):
    for number in (LIMITS[option] + 1, 10**12, int("9" * 4000)):
        line = errors_of(capsys, *line_with(option), option, str(number))[0]
        assert f"at most {LIMITS[option]:,}" in line or line.startswith("error: --seeds must be a number of runs")


@given(st.sampled_from([*LIMITS]), st.one_of(st.text(max_size=30), st.integers(-5, 10**9).map(str)))
def test_a_number_is_taken_if_and_only_if_it_is_within_its_limit(option, text):
    errors = []
    number = parse_count(option, text, 7, errors)
    is_right = text.isascii() and text.isdigit() and 1 <= int(text) <= LIMITS[option]
    assert (number, errors) == (int(text), []) if is_right else (number == 1 and len(errors) == 1)


@given(st.one_of(st.text(max_size=12), st.text("cuda:p0123456789²١", max_size=12)))
def test_a_device_is_known_or_refused(text):
    kind, _, index = text.partition(":")
    is_gpu = kind == "cuda" and index.isascii() and index.isdigit() and len(index) <= 5
    assert (find_device_error(text) is None) == (text in ("auto", "cpu", "cuda") or is_gpu)


@pytest.mark.parametrize("text", ["cuda:²", "cuda:", "cuda:" + "9" * 4000, "cpu:0", "cuda:-1", "cuda:0x1", "CUDA"])
def test_an_odd_device_is_refused(capsys, text):
    (line,) = errors_of(capsys, *LINE, f"--device={text}")
    assert "Known: auto, cpu, cuda, cuda:N" in line


@pytest.mark.parametrize("name", sorted(name for name, option in OPTIONS.items() if option.metavar))
@pytest.mark.parametrize(("text", "problem"), [
    ("--", "needs a value, got '--'"), ("", "is empty"), ("a\udcff", "is not valid UTF-8"),
    ("\ud800", "is not valid UTF-8"), ("a\0b", "contains the character NUL"),
    ("x" * (MAX_LENGTH + 1), "is longer than 4,096 characters"),
])  # fmt: skip
def test_a_text_that_can_be_no_value_is_refused_for_every_option(capsys, name, text, problem):
    command = next(command for command, row in COMMANDS.items() if name in row.options)
    lines = errors_of(capsys, command, f"--{name}={text}")
    assert lines[0].startswith(f"error: --{name} ")
    assert problem in lines[0]
    assert all(line.startswith("error: evaluate needs --") for line in lines[1:])


def test_an_option_of_a_list_that_is_given_twice_is_checked_too(capsys):
    (line,) = errors_of(capsys, *LINE, "--set", "lr=1", "--set=--")
    assert "--set needs a value" in line


@pytest.mark.parametrize("words", [["sample", "glf", "x\0y"], ["fetch", "\udcff"], ["sample", "glf", "x" * 5000],
                                   ["reconstruct", "x" * 300, "mnist"]])  # fmt: skip
def test_an_argument_that_can_be_no_name_is_refused(capsys, words):
    (line,) = errors_of(capsys, *words)
    assert line.startswith(f"error: {words[0]}: ")


@pytest.mark.parametrize("words", [
    ["table1", "--preset", "demo"], ["table3"], ["all", "--preset", "demo"], ["status"], ["retry"], ["cancel"],
    ["report"], ["tensorboard"], ["sample", "glf", "digits"],
], ids=" ".join)  # fmt: skip
class TestResultsFolder:
    """A results folder that cannot be one is found before anything starts, by every command."""

    def test_a_name_or_a_path_that_is_too_long_is_refused(self, capsys, words):
        for text in ("x" * 300, "a/" + "y" * 256 + "/b", "/".join(["z" * 200] * 20)):
            (line,) = errors_of(capsys, *words, "--results", text)
            assert "bytes" in line

    def test_a_file_a_link_without_target_and_a_circle_of_links_are_refused(self, capsys, words):
        Path("file").touch()
        os.symlink("nowhere", "dangling")
        os.symlink("circle", "circle")
        for text, problem in [("file", "is a file"), ("file/below", "which is a file"), ("/dev/null", "is a file"),
                              ("dangling", "is a link to nowhere, which does not exist"),
                              ("dangling/below", "is a link to nowhere, which does not exist"),
                              ("circle", "Too many levels of symbolic links")]:  # fmt: skip
            (line,) = errors_of(capsys, *words, "--results", text)
            assert problem in line

    @pytest.mark.parametrize("name", RESULT_FOLDERS)
    def test_a_file_or_a_link_without_target_in_place_of_a_folder_in_it_is_refused(self, capsys, words, name):
        Path("out").mkdir()
        (Path("out") / name).touch()
        (line,) = errors_of(capsys, *words, "--results", "out")
        assert line.startswith(f"error: out/{name} is a file, expected a folder")
        (Path("out") / name).unlink()
        os.symlink("nowhere", Path("out") / name)
        (line,) = errors_of(capsys, *words, "--results", "out")
        assert line.startswith(f"error: out/{name} is a link to nowhere, which does not exist")


@pytest.mark.parametrize("option", ["--out", "--json", "--real", "--fake", "--data-root"])
def test_a_path_that_is_too_long_is_refused(capsys, option):
    command = "tensorboard" if option == "--out" else "evaluate"
    assert f"{option} 'xxx" in errors_of(capsys, command, option, "x" * 300)[0]


def test_a_data_root_that_cannot_be_written_is_refused_before_a_download(capsys, monkeypatch):
    Path("file").touch()
    (line,) = errors_of(capsys, "fetch", "mnist", "--data-root", "file/below")
    assert line.startswith("error: --data-root file/below is below ")
    monkeypatch.setenv("AE_BENCH_DATA", "file")
    assert errors_of(capsys, "fetch", "mnist") == ["error: AE_BENCH_DATA file is a file, expected a folder"]


def test_every_error_of_values_is_reported_at_once(capsys):
    lines = errors_of(capsys, "table1", "--seeds", "0", "--draws=9999999", "--workers=-1", "--results=a\0", "--keep=x",
                      "--preset=y", "--decimals=z", "--device=--", "--margin=nan", "--notes=all")  # fmt: skip
    assert len(lines) == 10


def test_errors_that_need_torch_are_reported_after_those_that_do_not(capsys):
    lines = errors_of(capsys, "table1", "--seeds", "0", "--only", "glff", "--draws", "0")
    assert [line.split()[1] for line in lines] == ["--seeds", "--draws", "unknown"]


def test_a_command_may_have_more_errors_if_an_option_is_given_that_is_not_checked_in_full():
    for words, expected in [(["table1", "--results", "x", "--seeds", "3", "--keep", "logs"], False),
                            (["table1", "--only", "glf"], True), (["table1", "--yes"], True),
                            (["evaluate", "--real", "x"], True), (["status"], False)]:  # fmt: skip
        assert may_have_more_errors(parse(words)[0]) is expected, words


def test_every_check_belongs_to_an_option():
    assert {*CHECKS} <= {*OPTIONS}


TOLD = """
import os, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "pandas", "numpy"):
            os._exit(0)
sys.meta_path.insert(0, Finder())
from benchmarks.run import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("words", [
    ["table1", "--seeds", "1000000"], ["table1", "--seeds=0", "--only", "glff"], ["table1", "--device=--"],
    ["all", "--draws", "9" * 5000], ["status", "--results", "x" * 300], ["evaluate", "--images", "-1", "--real", "x"],
    ["table1", "--margin", "nan", "--preset", "quik"], ["retry", "--results", "/dev/null"],
])  # fmt: skip
@pytest.mark.parametrize("variables", [{}, {"AE_BENCH_SAVE_SECONDS": "abc"}], ids=["", "variable"])
def test_an_error_that_needs_no_torch_is_told_before_it_is_imported(words, variables):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run([sys.executable, "-c", TOLD, *words], capture_output=True, text=True, env=environment)
    assert done.stderr.startswith("error: ")
