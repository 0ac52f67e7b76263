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
from contextlib import suppress
from importlib.util import find_spec
from types import FrameType
from typing import Any

PACKAGES = ("benchmarks", "slurm", "zoo")  # at the top level, where a folder of the user's may have the same name

INTERRUPTION = "interrupted: finished runs are kept; run the same command again to continue"
BUG = ("error: this is a bug in ae-bench, not an error in your command. Finished runs are kept. Please report it, with "
       "the command and the lines below (CONTRIBUTING.md)")  # fmt: skip


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


def _warn_once() -> Callable[..., None]:
    """A function that prints each warning once: several parts of a command may read the same invalid file."""
    printed: set[str] = set()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        if str(message) not in printed:
            printed.add(str(message))
            print(f"warning: {message}", file=sys.stderr)

    return show


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        0 done, 1 some runs failed, 2 an error in the command (nothing started), 70 a bug in this program, 130
        interrupted.
    """
    # Here, so that `start` can set its signal handlers before.
    from benchmarks.cli.commands import COMMANDS, FAILED, INTERRUPTED, OUR_MISTAKE, USER_ERROR
    from benchmarks.cli.parser import parse
    from benchmarks.cli.values import find_value_errors, may_have_more_errors
    from benchmarks.data.paths import find_cache_problem
    from benchmarks.execution.options import UserErrors
    from benchmarks.printing import prepare_output

    prepare_output()
    warnings.showwarning = _warn_once()
    argument_list = sys.argv[1:] if arguments is None else [*arguments]
    errors: list[str] = []
    printed = 0  # number of errors that were printed
    try:
        try:
            args, errors = parse(argument_list)
            errors = list(dict.fromkeys([*errors, *find_value_errors(args)]))
            if errors and not may_have_more_errors(args):
                raise UserErrors(errors)
            printed = _print_errors(errors)  # now: what finds the other errors takes seconds to import
            args.errors, args.arguments = errors, argument_list
            if COMMANDS[args.command].computes and (problem := find_cache_problem()):
                warnings.warn(problem, stacklevel=1)
            function = COMMANDS[args.command].load()
            _allow_to_save()
            return function(args)
        finally:
            _flush_output()  # here, so that a full disk is reported as other errors are
    except UserErrors as error:
        _print_errors([message for message in error.errors if message not in errors[:printed]])
        return USER_ERROR
    except BrokenPipeError:
        _discard_output()  # the reader of the output is gone
        return FAILED
    except OSError as error:  # a full disk: what was finished is written
        print(f"error: {error}", file=sys.stderr)
        _discard_output()
        return FAILED
    except MemoryError:
        print("error: there is not enough memory. Finished runs are kept", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(INTERRUPTION, file=sys.stderr)
        return INTERRUPTED
    except Exception:  # no error of the user's is of another type
        import traceback

        print(BUG, file=sys.stderr)
        traceback.print_exc()
        return OUR_MISTAKE


def _print_errors(errors: Sequence[str]) -> int:
    """Print errors; returns their number."""
    for message in errors:
        print(f"error: {message}", file=sys.stderr)
    return len(errors)


def _flush_output() -> None:
    if sys.stdout is not None:  # it is None where the caller has closed it
        sys.stdout.flush()


def _discard_output() -> None:
    """If the output cannot be written, send the rest nowhere, so that Python does not fail once more at its end."""
    try:
        _flush_output()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end_at_once(number: int, frame: FrameType | None) -> None:
    """End this process at a signal. There is nothing to save before a command has started.

    A KeyboardInterrupt would not do: modules that are being imported swallow it, or turn it into other errors.
    """
    with suppress(OSError):
        os.write(2, f"{INTERRUPTION}\n".encode())
    os._exit(130)


def _allow_to_save() -> None:
    """From now on signals raise KeyboardInterrupt, so that workers save before they end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is _end_at_once:
            signal.signal(number, signal.default_int_handler)


def start() -> int:
    """Run the command that this process was started with."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if number == signal.SIGTERM or signal.getsignal(number) != signal.SIG_IGN:  # ignored in the background
            signal.signal(number, _end_at_once)
    return main()


if __name__ == "__main__":
    sys.exit(start())
