"""The environment variables of this package. Each is read here only, and an empty one counts as not set.

The data root is read in `zoo.environment`, and the resources of SLURM jobs in `slurm.resources`, because these packages
do not know this one. This module imports no torch: a wrong value is reported at the start of a command.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from zoo.environment import DATA_VARIABLE, data_folder

__all__ = ["CACHE_VARIABLE", "DATA_VARIABLE", "SAVE_VARIABLE", "cache_folder", "data_folder", "find_errors",
           "import_pyplot", "save_seconds"]  # fmt: skip

CACHE_VARIABLE = "AE_BENCH_CACHE"
SAVE_VARIABLE = "AE_BENCH_SAVE_SECONDS"
DEFAULT_SAVE_SECONDS = 60.0


def cache_folder() -> Path | None:
    """The cache folder that the environment names; None if it names none."""
    folder = os.environ.get(CACHE_VARIABLE)
    return Path(folder) if folder else None


def save_seconds() -> float:
    """Seconds between two saved states of a run.

    Raises:
        ValueError: the variable is no number of seconds. The message says what it must be.
    """
    text = os.environ.get(SAVE_VARIABLE)
    if not text:
        return DEFAULT_SAVE_SECONDS
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ValueError(f"the environment variable {SAVE_VARIABLE} must be a number of seconds from 0 on, such as 60, "
                         f"got {text[:40]!r}. Set it to another value, or unset it")  # fmt: skip
    return seconds


def find_errors() -> list[str]:
    """What is wrong with the variables that decide how runs are trained."""
    try:
        save_seconds()
    except ValueError as error:
        return [str(error)]
    return []


def import_pyplot() -> Any:
    """Matplotlib's pyplot, which draws into files: nothing is ever shown, whatever `MPLBACKEND` says."""
    os.environ["MPLBACKEND"] = "Agg"  # matplotlib reads it when it is imported, and refuses an unknown name
    import matplotlib  # here: it takes a second to import

    matplotlib.use("Agg")  # also if somebody has imported it before
    from matplotlib import pyplot

    return pyplot
