"""The parser: one subparser per command, made from the tables of commands and options."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any, NoReturn

from benchmarks.cli.commands import COMMANDS, GROUPS, Command
from benchmarks.cli.options import GROUPS as OPTION_GROUPS
from benchmarks.cli.options import OPTIONS, Option
from benchmarks.execution.options import UserErrors
from benchmarks.program import program
from zoo.registry import did_you_mean

DESCRIPTION = "Train what is missing, measure it, and write the paper's tables."
EXIT_CODES = "exit codes: 0 done · 1 some runs failed · 2 error, nothing started · 70 bug · 130 interrupted"
WIDTH = 100  # columns of the help, at most


class Parser(argparse.ArgumentParser):
    """A parser whose errors are exceptions, so that they are reported with all others."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print."""
        raise UserErrors([f"{message}; see {self.prog} --help"])


class Version(argparse.Action):
    """Prints the versions of this package and of torch, from their metadata: torch itself is not imported."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        """Print it and exit."""
        print(f"ae-bench {_version('ae-bench')}, torch {_version('torch')}")
        parser.exit()


class _AddToList(argparse.Action):
    """Joins with commas the values of an option that is given several times."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, *_: Any) -> None:
        """Add a value."""
        earlier = getattr(namespace, self.dest)
        joined = values if earlier is None or not isinstance(values, str) else f"{earlier},{values}"
        setattr(namespace, self.dest, joined)


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:  # a checkout on PYTHONPATH
        return "(not installed)"


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    prog = program()
    lines = []
    for title, commands in GROUPS.items():
        lines += ["", f"{title}:", *(f"  {name:12} {command.summary}" for name, command in commands.items())]
    parser = Parser(
        prog=prog,
        usage=f"{prog} COMMAND [options]",
        description=DESCRIPTION + "\n" + "\n".join(lines),
        epilog=f"`{prog} COMMAND --help` lists a command's options\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument("-h", "--help", action="help", help=argparse.SUPPRESS)
    parser.add_argument("--version", action=Version, nargs=0, help=argparse.SUPPRESS)
    commands_of = parser.add_subparsers(dest="command", metavar="COMMAND", help=argparse.SUPPRESS, prog=prog)
    for name, command in COMMANDS.items():
        _add_command(commands_of, prog, name, command)
    return parser


def _add_command(commands: Any, prog: str, name: str, command: Command) -> None:
    arguments = f" {command.arguments}" if command.arguments else ""
    parser = commands.add_parser(
        name,
        usage=f"{prog} {name}{arguments}" + (" [options]" if command.options else ""),
        description=f"{command.summary[0].upper()}{command.summary[1:]}.",
        epilog=f"example: {prog} {command.example}",
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=22, width=_width()),
        allow_abbrev=False,
        add_help=False,
    )
    if command.arguments:
        parser.add_argument("names", nargs="*", metavar=command.arguments, help=argparse.SUPPRESS)
    for title, options in OPTION_GROUPS.items():
        own_options = [option for option in options if option in command.options]
        group = parser.add_argument_group(title) if own_options else None
        for option in own_options:
            _add_option(group, option, command.help.get(option, OPTIONS[option].help))
    parser.add_argument_group("help").add_argument("-h", "--help", action="help", help="show this page and exit")


def _add_option(group: Any, name: str, text: str) -> None:
    option: Option = OPTIONS[name]
    if not option.metavar:
        group.add_argument(f"--{name}", action="store_true", help=text)
        return
    kind = _AddToList if option.is_list else "store"
    action = group.add_argument(f"--{name}", metavar=option.metavar, default=option.default, help=text, action=kind)
    if option.choices:
        action.completer = lambda **_: option.choices  # for argcomplete; the command checks the value itself


def _width() -> int:
    from shutil import get_terminal_size

    return min(WIDTH, get_terminal_size().columns) - 2


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The parsed command line, and its errors: an unknown command, and options that the command does not have.

    The rest of an unknown command is parsed as that of `table1`, so that all errors are reported at once.

    Raises:
        UserErrors: the command line cannot be parsed.
        SystemExit: `--help` or `--version` was printed.
    """
    parser = build_parser()
    if "_ARGCOMPLETE" in os.environ:  # the shell requests completions
        import argcomplete

        argcomplete.autocomplete(parser)
    words, errors = [*arguments], []
    if not words:
        parser.print_help()
        parser.exit()
    first = words[0]
    if first.startswith("-") and first not in ("-h", "--help", "--version"):
        raise UserErrors([f"expected a command first, got {first!r}. Usage: {program()} COMMAND [options]"])
    is_known = first in COMMANDS
    if not is_known and not first.startswith("-"):
        errors.append(f"unknown command {first!r}{did_you_mean(first, COMMANDS)}. Known: {', '.join(COMMANDS)}")
        words[0] = "table1"
    args, unknown = parser.parse_known_args(words)
    args.is_known = is_known
    if COMMANDS[args.command].arguments:  # argparse does not accept arguments after an option
        args.names += [word for word in unknown if not word.startswith("-")]
        unknown = [word for word in unknown if word.startswith("-")]
    errors += _unknown(args.command if is_known else first, COMMANDS[args.command], unknown)
    return args, errors


def _unknown(name: str, command: Command, words: Sequence[str]) -> list[str]:
    """One message for each option or argument that a command does not have; values of such options get none."""
    errors = []
    is_foreign_value = False  # whether this word may be the value of the option before it
    for word in words:
        option = word.removeprefix("--").partition("=")[0]
        commands_with_it = [other for other, row in COMMANDS.items() if option in row.options]
        if word.startswith("--") and commands_with_it:
            shown = ", ".join(commands_with_it[:4]) + (", ..." if len(commands_with_it) > 4 else "")
            errors.append(f"{name} has no option --{option}. Commands with it: {shown}")
            is_foreign_value = bool(OPTIONS[option].metavar) and "=" not in word
            continue
        if not (is_foreign_value and not word.startswith("-")):
            errors.append(f"{name} has no {_describe_unknown(word, command)}. See {program()} {name} --help")
            is_foreign_value = word.startswith("-") and "=" not in word
        else:
            is_foreign_value = False
    return errors


def _describe_unknown(word: str, command: Command) -> str:
    """An option or argument that no command has, with the nearest option of this command, or of another one."""
    if not word.startswith("-"):
        return f"argument {word!r}"
    own = did_you_mean(word, [f"--{option}" for option in command.options])
    nearest = did_you_mean(word, [f"--{option}" for option in OPTIONS])
    return f"option {word!r}{own if own == nearest else ''}"
