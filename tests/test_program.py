"""Commands that messages suggest: they start the program as it was started."""

import os
import shlex
import signal
import subprocess
import sys

import pytest
from console_script import environment, write_script

from benchmarks import program
from benchmarks.cli.options import OPTIONS
from benchmarks.cli.parser import parse


@pytest.mark.slow
@pytest.mark.parametrize("is_script", [True, False])
def test_help_and_errors_name_the_program_that_was_started(tmp_path, is_script):
    words = [str(write_script(tmp_path))] if is_script else ["-m", "benchmarks.run"]
    name, other = ("ae-bench", "benchmarks.run") if is_script else ("python -m benchmarks.run", "ae-bench")

    def output(*arguments):
        done = subprocess.run([sys.executable, *words, *arguments], capture_output=True, text=True, cwd=tmp_path,
                              env=environment() | {"TORCH_HOME": str(tmp_path)})  # fmt: skip
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    shown = [output("--help"), output("table1", "--help"), output("list", "--nope"), output("list"), output("report"),
             output("table1", "--on", "cifar10", "--data-root", str(tmp_path))]  # fmt: skip
    assert all(f"{name} " in text for text in shown)
    assert not any(other in text for text in shown)
    assert f"usage: {name} COMMAND" in shown[0]
    assert f"usage: {name} table1" in shown[1]


@pytest.mark.parametrize("argument", ["ae-bench", "/usr/bin/ae-bench", "ae-bench.exe", "ae-bench-notes.py", "run.py"])
def test_only_the_script_is_named_ae_bench(monkeypatch, argument):
    monkeypatch.setattr(sys, "argv", [argument])
    is_script = os.path.basename(argument) in ("ae-bench", "ae-bench.exe")
    assert program.program() == ("ae-bench" if is_script else "python -m benchmarks.run")
    assert program.program_words()[1:] == ([os.path.abspath(argument)] if is_script else ["-m", "benchmarks.run"])


@pytest.mark.parametrize("results", ["results/local", "results/local/", "my results", "/elsewhere"])
def test_a_suggested_command_works_on_the_same_results(results):
    words = shlex.split(program.suggest("retry --only a:B", results).removeprefix(program.program()))
    args, errors = parse(words)
    assert not errors
    assert os.path.normpath(args.results) == os.path.normpath(results)
    assert ("--results" in words) == (os.path.normpath(results) != OPTIONS["results"].default)


@pytest.mark.slow
def test_both_programs_end_as_interrupted_when_they_are_terminated(tmp_path):
    """So that workers save: `--no-wait` and schedulers end a launcher by SIGTERM."""
    for words in ([str(write_script(tmp_path))], ["-m", "benchmarks.run"]):
        process = subprocess.Popen(
            [sys.executable, *words, "table1", "--preset", "demo", "--on", "digits", "--only", "rae-gmm", "--cluster",
             "local", "--workers", "1", "--results", str(tmp_path / "results"), "--force"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())  # fmt: skip
        assert "runs to do" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=60)[1]
        assert process.returncode == 130, errors
        assert "interrupted: finished runs are kept" in errors
