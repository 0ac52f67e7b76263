"""The command line is parsed as its help says, and what it lacks is said once, with what to type instead."""

import os
import re
import subprocess
import sys
from importlib.metadata import version

import pytest
from console_script import write_script

from benchmarks.cli.commands import COMMANDS
from benchmarks.cli.parser import build_parser, parse
from benchmarks.execution.options import UserErrors
from benchmarks.program import program
from benchmarks.run import main

SCREEN = 56  # lines


def page(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")


def test_the_first_page_lists_every_command_on_a_line_of_its_own(capsys):
    lines = page(capsys).splitlines()
    for name, command in COMMANDS.items():
        assert sum(line.split()[:1] == [name] and line.endswith(command.summary) for line in lines) == 1
    assert len(lines) <= SCREEN
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_of_a_command_fits_a_screen_and_has_its_options_alone(capsys, name):
    text = page(capsys, name)
    lines = text.splitlines()
    assert len(lines) <= SCREEN
    assert max(map(len, lines)) <= 100
    shown = {line.split()[0].removeprefix("--") for line in lines if line.startswith("  --")}
    assert shown == {*COMMANDS[name].options}
    assert f"example: {program()} {name}" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_of_a_command_is_a_command_line(name):
    args, errors = parse(COMMANDS[name].example.split())
    assert errors == []
    assert args.command == name
    assert args.is_known


def errors_of(*words):
    return parse(words)[1]


def test_an_option_of_another_command_is_named_with_those_that_have_it():
    (error,) = errors_of("table1", "--real", "mnist")
    assert error == "table1 has no option --real. Commands with it: evaluate"
    (error,) = errors_of("status", "--seeds", "3")
    assert error.startswith("status has no option --seeds. Commands with it: table1, ")


def test_a_misspelled_option_names_the_nearest():
    (error,) = errors_of("table1", "--sedes=3")
    assert "table1 has no option '--sedes=3' (did you mean '--seeds'?)" in error


def test_a_misspelled_option_of_another_command_suggests_no_option_of_this_one():
    (error,) = parse(["table1", "--reel", "x"])[1]  # evaluate has --real
    assert error == f"table1 has no option '--reel'. See {program()} table1 --help"


def test_all_errors_are_found_at_once_also_of_a_command_that_is_not_known():
    assert len(errors_of("tabel1", "--what", "--real", "x", "--preset", "demo")) == 3


def test_names_may_stand_before_and_after_options():
    for words in (
        ["fetch", "mnist", "--data-root", "x", "inception"],
        ["fetch", "--data-root", "x", "mnist", "inception"],
    ):
        args, errors = parse(words)
        assert (args.names, args.data_root, errors) == (["mnist", "inception"], "x", [])


def test_an_option_before_the_command_is_refused():
    with pytest.raises(UserErrors, match="expected a command first"):
        parse(["--preset", "demo", "table1"])


def test_an_option_without_its_value_is_refused():
    with pytest.raises(UserErrors, match="expected one argument"):
        parse(["table1", "--seeds"])


def test_options_are_not_abbreviated():
    assert errors_of("table1", "--pre", "demo")


def test_no_command_prints_the_first_page(capsys):
    with pytest.raises(SystemExit):
        main([])
    assert "usage: " in capsys.readouterr().out


def test_the_version_is_printed_with_that_of_torch(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert re.fullmatch(r"ae-bench \S.*, torch (\S+)\n", capsys.readouterr().out)[1] == version("torch")


def test_help_and_version_import_neither_torch_nor_other_slow_libraries():
    code = (
        "import contextlib, sys; from benchmarks.run import main\n"
        "with contextlib.suppress(SystemExit): main(sys.argv[1:])\n"
        "print(sorted({'torch', 'numpy', 'pandas', 'rich', 'submitit'} & {*sys.modules}))"
    )
    for option in ("--help", "--version"):
        done = subprocess.run([sys.executable, "-c", code, option], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]", option


def test_a_shell_completes_commands_options_and_values(tmp_path):
    pytest.importorskip("argcomplete")

    def completed(line, script=None):
        """What a shell is offered: for `python -m benchmarks.run`, or for the script."""
        program = ["-m", "benchmarks.run"] if script is None else [str(script)]
        answer = tmp_path / "answer"
        request = {
            "": "3" if script is None else "1",
            "_STDOUT_FILENAME": str(answer),
            "_IFS": "\n",
            "_SUPPRESS_SPACE": "1",
        }
        environment = {f"_ARGCOMPLETE{name}": value for name, value in request.items()}
        environment |= {**os.environ, "COMP_LINE": line, "COMP_POINT": str(len(line))}
        answer.write_text("")
        subprocess.run([sys.executable, *program], env=environment, timeout=60)
        return {word.strip() for word in answer.read_text().split("\n") if word}

    assert completed("python -m benchmarks.run tab") == {f"table{n}" for n in range(1, 7)}
    script = write_script(tmp_path)
    assert completed("ae-bench tab", script) == {f"table{n}" for n in range(1, 7)}
    assert completed("ae-bench table1 --pre", script) == {"--precision", "--preset"}
    assert completed("ae-bench table1 --preset ", script) >= {"paper", "quick", "demo"}


def test_every_command_has_a_subparser():
    assert build_parser().parse_known_args(["list"])[0].command == "list"
