"""What a run writes for people while it runs: log.txt, progress.json, attempts.txt."""

from __future__ import annotations

import json
import os
import stat
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.experiments.process import process_identity
from benchmarks.files import reading
from benchmarks.files.launch import Progress
from benchmarks.files.writing import appending, replacing
from benchmarks.printing import escape_terminal

LOG_FILE = "log.txt"
PROGRESS_FILE = "progress.json"


class RunLog:
    """Writes log.txt, one line per epoch, and progress.json, which `status` and progress bars read."""

    def __init__(self, folder: Path, title: str, total: int):
        self.folder, self.title, self.total = folder, title, total  # total: steps of all stages
        self.done, self.last_progress = 0, 0.0
        self.steps_before, self.started = 0, time.monotonic()  # steps of earlier processes; start of this one
        self.columns: list[str] = []
        self.stage = ""

    def begin(self, *, resumed: bool, epochs: list[dict[str, Any]]) -> None:
        """Write the title; the log of a resumed run is continued."""
        self.done = self.steps_before = sum(row["steps"] for row in epochs)
        self.started = time.monotonic()
        head = f"resumed after {len(epochs)} epochs: {self.title}\n" if resumed else f"{self.title}\n"
        with appending(self.folder / LOG_FILE, truncate=not resumed) as file:
            file.write(head)
        self._progress()

    def line(self, row: dict[str, Any]) -> None:
        """Write one epoch."""
        self.done += row["steps"]
        numbers = [name for name in row if name not in ("stage", "epoch")]
        # A column that some epochs do not have, such as those of a learning curve, keeps its place.
        columns = numbers if {*numbers} - {*self.columns} or row["stage"] != self.stage else self.columns
        cells = (f"{'-':>12}" if row.get(name) is None else f"{row[name]:12.5g}" for name in columns)
        text = f"{row['stage']:>10} {row['epoch']:5d} " + " ".join(cells)
        if columns != self.columns:
            self.columns, self.stage = columns, row["stage"]
            text = f"{'stage':>10} {'epoch':>5} " + " ".join(f"{name:>12}" for name in numbers) + "\n" + text
        with appending(self.folder / LOG_FILE) as file:
            file.write(text + "\n")
        if time.monotonic() - self.last_progress > 0.5:
            self._progress()

    def _progress(self) -> None:
        self.last_progress = time.monotonic()
        progress = {"done": self.done, "total": self.total,
                    "run": self.done - self.steps_before, "seconds": self.last_progress - self.started}  # fmt: skip
        # A run does not fail because its progress cannot be shown
        with suppress(OSError), replacing(self.folder / PROGRESS_FILE) as temporary:
            temporary.write_text(json.dumps(progress), encoding="utf-8")


def read_progress(folder: Path) -> dict[str, Any] | None:
    """The progress of a run, as `benchmarks.files.launch.Progress` describes it; None if there is no valid file."""
    try:
        progress = reading.read_json(folder / PROGRESS_FILE)
        reading.check(progress, Progress)
    except (OSError, reading.InvalidFile):
        return None
    return dict(progress)


def log_attempt(folder: Path, event: str) -> None:
    """Add a line to attempts.txt: when, what event, and which process."""
    process = process_identity()
    with suppress(OSError):
        append_line(
            folder / "attempts.txt", f"{time.time():.3f} {event} {process['host']} {process['pid']} {process['job']}"
        )


def log_failure(folder: Path, error: str) -> None:
    """Add a traceback, or how a process ended, to log.txt."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        append_line(folder / LOG_FILE, f"failed:\n{escape_terminal(error.strip())}")


def failure_log(results: Path, key: str) -> Path:
    """The file with the traceback of a failed run: its log, or its record where no log was kept."""
    log = results / "runs" / key / LOG_FILE
    return log if has_file(log) else results / "records" / f"{key}.json"


def has_file(path: Path) -> bool:
    """Whether a file of a run is there and can be read. A folder without read permission is ignored, with a warning."""
    try:
        is_file = stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        warnings.warn(f"{path.parent} cannot be read ({error.strerror}): its files are ignored", stacklevel=2)
        return False
    if is_file and not os.access(path, os.R_OK):
        warnings.warn(f"{path} cannot be read (no permission): it is ignored", stacklevel=2)
        return False
    return is_file


def append_line(path: Path, line: str) -> None:
    """Add a line to a text file."""
    with appending(path) as file:
        file.write(line + "\n")
