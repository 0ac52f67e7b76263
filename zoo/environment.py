"""The environment variable that names the data root. This module imports no torch."""

from __future__ import annotations

import os
from pathlib import Path

DATA_VARIABLE = "AE_BENCH_DATA"


def data_folder() -> Path | None:
    """The data root that the environment names; None if it names none. An empty variable names none."""
    folder = os.environ.get(DATA_VARIABLE)
    return Path(folder) if folder else None
