# PYTHON_ARGCOMPLETE_OK
"""The command line: `python -m benchmarks.run COMMAND [options]`, or `ae-bench COMMAND [options]`.

It parses, calls the command's function, and turns errors into messages and exit codes; nothing else.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

PACKAGES = ("benchmarks", "slurm", "zoo")  # at the top level, where a folder of the user's may have the same name


def find_shadowing() -> list[str]:
    """One message for each folder with modules that Python imports in place of packages of this program."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    found: dict[str, list[str]] = {}
    for name in PACKAGES:
        spec, own = find_spec(name), os.path.join(root, name)
        if spec is not None and os.path.isdir(own):
            location = os.path.abspath(next(iter(spec.submodule_search_locations or [str(spec.origin)])))
            if os.path.exists(location) and not os.path.samefile(location, own):
                found.setdefault(os.path.dirname(location), []).append(os.path.basename(location))
    return [f"{folder}: {' and '.join(names)} here would be imported in place of this program's own, which is in "
            f"{root}. {_advice(folder)}" for folder, names in found.items()]  # fmt: skip


def _advice(folder: str) -> str:
    path = os.environ.get("PYTHONPATH")
    if path and os.path.realpath(folder) in map(os.path.realpath, path.split(os.pathsep)):
        return f"Rename it, or remove {folder} from PYTHONPATH"
    command = shlex.join(["ae-bench", *sys.argv[1:]])
    return f"Run the command from another folder, or as `{command}`, which does not import from the current folder"


if _shadowing := find_shadowing():  # before these packages are imported
    for _message in _shadowing:
        _printable = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in _message)
        print(f"error: {_printable}", file=sys.stderr)
    sys.exit(2)

from benchmarks.cli.commands import COMMANDS, FAILED, INTERRUPTED, USER_ERROR
from benchmarks.cli.parser import is_default, parse
from benchmarks.execution.options import UserErrors
from benchmarks.printing import prepare_output


def _warn_once() -> Callable[..., None]:
    """A function that prints each warning once: a file that is left aside may be read by several parts of a command."""
    printed: set[str] = set()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        if str(message) not in printed:
            printed.add(str(message))
            print(f"warning: {message}", file=sys.stderr)

    return show


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        0 done, 1 some runs failed, 2 an error in the command (nothing started), 130 interrupted.
    """
    prepare_output()
    warnings.showwarning = _warn_once()
    argument_list = sys.argv[1:] if arguments is None else [*arguments]
    try:
        args, errors = parse(argument_list)
        command = COMMANDS[args.command]
        # Only the commands that plan runs have more to check, and report their errors with these.
        if errors and (command.function.partition(":")[0] != "tables" or (not args.is_known and is_default(args))):
            raise UserErrors(errors)
        args.errors, args.arguments = errors, argument_list
        return command.run(args)
    except UserErrors as error:
        for message in error.errors:
            print(f"error: {message}", file=sys.stderr)
        return USER_ERROR
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader of the output is gone: print no error at exit
        return FAILED
    except OSError as error:  # a full disk: what was finished is written
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("interrupted: finished runs are kept; run the same command again to continue", file=sys.stderr)
        return INTERRUPTED


def start() -> int:
    """Run the command that this process was started with."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: workers save before they end
    return main()


if __name__ == "__main__":
    sys.exit(start())
