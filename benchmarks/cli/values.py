"""Checks of option values that need no torch, so that a wrong value is reported at once.

A command that plans runs checks these values again, together with values that need torch: names, data and devices.
"""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable

from benchmarks import environment
from benchmarks.cli.commands import COMMANDS, Command
from benchmarks.cli.options import OPTIONS, parameter
from benchmarks.execution.options import (
    LIMITS,
    Options,
    find_device_error,
    find_folder_errors,
    find_path_problem,
    find_results_errors,
    parse_count,
    parse_seeds,
    shown,
)

MAX_LENGTH = 4096  # characters of a value
READ_ONLY_COMMANDS = ("status", "tensorboard")  # commands that also work on a results folder without write permission
FILE_COMMANDS = ("classifier",)  # commands whose --out is a file; they check it themselves
PATH_OPTIONS = ("results", "out", "json", "data-root", "real", "fake", "archive")
PATH_FORMS = {"on": "folder:", "features": ":"}  # option -> text before a path in its value
# Options whose values are checked completely here
COMPLETE = {"results", "seeds", "draws", "eval-every", "workers", "decimals", "margin", "notes", "format", "keep",
            "preset"}  # fmt: skip


def find_value_errors(args: Namespace) -> list[str]:
    """What is wrong with the values of a command line, and with the environment of a command that trains or scores.

    An unusable text is replaced by the default, so that no other check uses it.
    """
    command = COMMANDS[args.command]
    errors = []
    for name in command.options:
        if OPTIONS[name].metavar and (error := _find_text_error(name, getattr(args, parameter(name)))):
            errors.append(error)
            setattr(args, parameter(name), OPTIONS[name].default)
    for index, word in enumerate(getattr(args, "names", ())):
        if problem := _find_character_problem(word) or find_path_problem(word):
            errors.append(f"{args.command}: {shown(word)} {problem}")
            args.names[index] = "?"
    for name in command.options:
        text = getattr(args, parameter(name))
        is_filter = name == "preset" and not command.computes  # of records, whose presets may be of another version
        is_file = name == "out" and args.command in FILE_COMMANDS
        if name in CHECKS and text is not None and not is_filter and not is_file:
            errors += CHECKS[name](text)
    if "results" in command.options:
        errors += find_results_errors(args.results, args.command not in READ_ONLY_COMMANDS)
    if args.command == "fetch" and (root := args.data_root or environment.data_folder()):
        errors += find_folder_errors("--data-root" if args.data_root else environment.DATA_VARIABLE, str(root))
    errors += _find_style_errors(args, command)
    return errors + _find_variable_errors(command)


def may_have_more_errors(args: Namespace) -> bool:
    """Whether a command may have errors that only its own checks find: those of an option that is not `COMPLETE`."""
    return COMMANDS[args.command].collects_errors and any(
        getattr(args, parameter(name), option.default) not in (option.default, False)
        for name, option in OPTIONS.items()
        if name not in COMPLETE
    )


def _find_text_error(name: str, value: object) -> str | None:
    """Why the value of an option is no usable text; None if it is, or if the option is not given."""
    if value is None:
        return None
    if not isinstance(value, str):  # argparse of Python 3.11 makes [] of `--OPTION=--`
        return f"--{name} needs a value, got '--'"
    if problem := _find_character_problem(value):
        return f"--{name} {shown(value)} {problem}"
    path = value if name in PATH_OPTIONS else ""
    for form in PATH_FORMS.get(name, ()):
        path = path or value.partition(form)[2]
    problem = find_path_problem(path) if path else None
    return f"--{name} {shown(value)} {problem}" if problem else None


def _find_character_problem(text: str) -> str | None:
    """Why a text can be no value of an option; None if it can."""
    if not text:
        return "is empty"
    if len(text) > MAX_LENGTH:
        return f"is longer than {MAX_LENGTH:,} characters"
    if "\0" in text:
        return "contains the character NUL"
    try:
        os.fsencode(text).decode("utf-8")  # in a locale that is not UTF-8, é arrives as two lone surrogates
    except UnicodeError:
        return "is not valid UTF-8"
    return None


def _find_variable_errors(command: Command) -> list[str]:
    """What is wrong with the environment variables that a command reads."""
    folders = {environment.DATA_VARIABLE: environment.data_folder()} if "data-root" in command.options else {}
    folders |= {environment.CACHE_VARIABLE: environment.cache_folder()} if command.computes else {}
    errors = []
    for name, folder in folders.items():
        text = "" if folder is None else str(folder)
        if text and (problem := _find_character_problem(text) or find_path_problem(text)):
            errors.append(f"the environment variable {name}={shown(text)} {problem}. Set it to another value, or unset "
                          "it")  # fmt: skip
    return errors + (environment.find_errors() if command.computes else [])


def _collect(parse: Callable[[list[str]], object]) -> list[str]:
    """The errors that a parser adds to the list that it is given."""
    errors: list[str] = []
    parse(errors)
    return errors


def _check_count(option: str) -> Callable[[str], list[str]]:
    """A check that a value is a number within the limit of its option."""
    return lambda text: _collect(lambda errors: parse_count(option, text, 1, errors))


def _check_choice(name: str) -> Callable[[str], list[str]]:
    """A check that a value is one of the choices of its option."""

    def check(text: str) -> list[str]:
        from zoo.registry import did_you_mean

        choices = OPTIONS[name].choices
        where = {"preset": " (benchmarks/presets.py)", "keep": " (benchmarks/experiments/job.py)"}[name]
        kind = "preset" if name == "preset" else f"--{name}"
        known = f"Known: {', '.join(choices)}{where}"
        return [] if text in choices else [f"unknown {kind} {text!r}{did_you_mean(text, choices)}. {known}"]

    return check


def _find_style_errors(args: Namespace, command: Command) -> list[str]:
    """What is wrong with the options that say how a table is printed."""
    from benchmarks.reporting.style import TableStyle

    style = {name: getattr(args, name) for name in ("format", "decimals", "margin", "notes") if name in command.options}
    return _collect(lambda errors: TableStyle.from_options(Options(**style), errors))


# Option -> function(value): its errors, in the words in which the planner reports them
CHECKS: dict[str, Callable[[str], list[str]]] = {
    **{option.removeprefix("--"): _check_count(option) for option in LIMITS},
    "seeds": lambda text: _collect(lambda errors: parse_seeds(text, 1, errors)),
    "preset": _check_choice("preset"),
    "keep": _check_choice("keep"),
    "device": lambda text: [error] if (error := find_device_error(text)) else [],
    "out": lambda text: find_folder_errors("--out", text),
}
