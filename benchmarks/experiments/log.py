"""What a run writes for people while it runs: log.txt, progress.json, attempts.txt."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.experiments.process import process_identity


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
        with (self.folder / "log.txt").open(
            "a" if resumed else "w", encoding="utf-8", errors="backslashreplace"
        ) as file:
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
        with (self.folder / "log.txt").open("a", encoding="utf-8") as file:
            file.write(text + "\n")
        if time.monotonic() - self.last_progress > 0.5:
            self._progress()

    def _progress(self) -> None:
        self.last_progress = time.monotonic()
        path = self.folder / "progress.json"
        temporary = path.with_name(f"progress.{os.getpid()}.tmp")
        with suppress(OSError):  # a run does not fail because its progress cannot be shown
            progress = {"done": self.done, "total": self.total,
                   "run": self.done - self.steps_before, "seconds": self.last_progress - self.started}  # fmt: skip
            temporary.write_text(json.dumps(progress), encoding="utf-8")
            temporary.replace(path)


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
        append_line(folder / "log.txt", f"failed:\n{error.strip()}")


def failure_log(results: Path, key: str) -> Path:
    """The file with the traceback of a failed run: its log, or its record where no log was kept."""
    log = results / "runs" / key / "log.txt"
    return log if log.is_file() else results / "records" / f"{key}.json"


def append_line(path: Path, line: str) -> None:
    """Add a line to a text file."""
    with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(line + "\n")
