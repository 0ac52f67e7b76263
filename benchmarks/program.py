"""How this program was started: messages suggest commands that start it in the same way.

Files, such as tables, records and reports, name `MODULE_COMMAND`: their text does not depend on how they were made.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

SCRIPT = "ae-bench"
MODULE_COMMAND = "python -m benchmarks.run"
DEFAULT_RESULTS = "results/local"  # the results folder of a command without --results


def program() -> str:
    """The program as a user types it: "ae-bench", or "python -m benchmarks.run"."""
    return SCRIPT if _is_script() else MODULE_COMMAND


def suggest(command: str, results: Path | str) -> str:
    """A whole command line, to be copied, that works on the same results folder."""
    folder = "" if Path(results) == Path(DEFAULT_RESULTS) else f" --results {shlex.quote(str(results))}"
    return f"{program()} {command}{folder}"


def program_words() -> list[str]:
    """The words that start the program again, in the same Python: the script searches other folders than the module."""
    return [sys.executable, *([os.path.abspath(sys.argv[0])] if _is_script() else ["-m", "benchmarks.run"])]


def _is_script() -> bool:
    return os.path.basename(sys.argv[0]).removesuffix(".exe") == SCRIPT
