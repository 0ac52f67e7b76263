"""The tables of commands and options agree with each other and with the registries that they name."""

import dataclasses
import importlib
import subprocess
import sys

import pytest

from benchmarks.cli import options
from benchmarks.cli.commands import COMMANDS, GROUPS
from benchmarks.cli.options import FIGURE_OPTIONS, OPTIONS, TABLE_OPTIONS
from benchmarks.data.download import FETCH
from benchmarks.evaluation.metrics import METRICS
from benchmarks.evaluation.names import FEATURE_FORMS
from benchmarks.execution.options import Options
from benchmarks.experiments import job
from benchmarks.presets import PRESETS
from benchmarks.reporting.registry import FORMATS, REQUIREMENTS
from benchmarks.training import engine
from slurm import CLUSTERS
from zoo.registry import RECON_LABELS


def test_every_table_and_figure_of_the_registry_has_a_command():
    runnable = {name for name, command in COMMANDS.items() if command.function == "tables:run"}
    assert runnable == {*REQUIREMENTS}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_a_function_and_only_known_options(name):
    module, _, function = COMMANDS[name].function.partition(":")
    assert callable(getattr(importlib.import_module(f"benchmarks.cli.{module}"), function))
    assert {*COMMANDS[name].options} <= {*OPTIONS}
    assert {*COMMANDS[name].help} <= {*COMMANDS[name].options}
    assert COMMANDS[name].example.split()[0] == name


def test_no_command_and_no_option_stands_in_two_groups():
    assert sum(map(len, GROUPS.values())) == len(COMMANDS)
    assert sum(map(len, options.GROUPS.values())) == len(OPTIONS)


def test_every_option_belongs_to_a_command():
    assert {option for command in COMMANDS.values() for option in command.options} == {*OPTIONS}


def test_the_options_that_plan_runs_are_those_of_the_command_line():
    requested = {"force", "dry-run", "existing", "no-wait", "yes"}  # how a command runs, not what it plans
    assert {options.parameter(name) for name in {*TABLE_OPTIONS} - requested} == {
        field.name for field in dataclasses.fields(Options)
    }
    assert {*FIGURE_OPTIONS} < {*TABLE_OPTIONS}


def test_defaults_are_those_of_the_options():
    defaults = {field.name: field.default for field in dataclasses.fields(Options)}
    for name in TABLE_OPTIONS:
        if OPTIONS[name].default is not None:
            assert defaults[options.parameter(name)] == OPTIONS[name].default, name


@pytest.mark.parametrize(
    ("option", "names"),
    [("metrics", METRICS), ("format", FORMATS), ("recon", RECON_LABELS), ("preset", PRESETS)],
    ids=["metrics", "format", "recon", "preset"],
)
def test_the_help_of_an_option_lists_what_its_registry_has(option, names):
    assert all(name in OPTIONS[option].help for name in names)


def test_the_help_of_features_lists_every_form():
    listed = {word.partition("[")[0].partition(":")[0] for word in OPTIONS["features"].help.split(", ")}
    assert listed == {form.partition(":")[0] for form in FEATURE_FORMS}


def test_choices_are_those_of_the_code_that_checks_them():
    assert options.PRECISIONS == engine.PRECISIONS
    assert {*options.ENGINES} == {*engine.ENGINES}
    assert {*options.CLUSTERS} == {"auto", *CLUSTERS}
    assert OPTIONS["keep"].choices == job.KEEP


def test_the_example_of_fetch_names_what_can_be_fetched():
    assert {*COMMANDS["fetch"].example.split()[1:]} <= {*FETCH}


HEAVY = ("torch", "pandas", "matplotlib", "sklearn", "scipy", "torchvision")


@pytest.mark.parametrize("words", [["--help"], ["table1", "--help"], ["list"], ["tabel1"], ["status"], ["--version"]])
def test_a_quick_answer_imports_nothing_heavy(words, tmp_path):
    code = (
        "import sys\nfrom benchmarks.run import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    expected = "['pandas']" if words == ["status"] else "[]"  # status reads records
    assert done.stderr.splitlines()[-1] == expected
