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
    """log.txt: one line per epoch, in columns; progress.json: how far and how fast, for those who wait."""

    def __init__(self, folder: Path, title: str, total: int):
        self.folder, self.title, self.total = folder, title, total  # total: steps of all stages
        self.done, self.shown = 0, 0.0
        self.first, self.since = 0, time.monotonic()  # steps that were there when this process began, and when
        self.columns: list[str] = []
        self.stage = ""

    def begin(self, *, resumed: bool, epochs: list[dict[str, Any]]) -> None:
        """Say what is being trained; a resumed log goes on where its state was saved."""
        self.done = self.first = sum(row["steps"] for row in epochs)
        self.since = time.monotonic()
        head = f"resumed after {len(epochs)} epochs: {self.title}\n" if resumed else f"{self.title}\n"
        with (self.folder / "log.txt").open("a" if resumed else "w", encoding="utf-8") as file:
            file.write(head)
        self._progress()

    def line(self, row: dict[str, Any]) -> None:
        """Write one epoch."""
        self.done += row["steps"]
        numbers = [name for name in row if name not in ("stage", "epoch")]
        # A column that some epochs lack, such as a curve's, stays where it is
        known = numbers if {*numbers} - {*self.columns} or row["stage"] != self.stage else self.columns
        shown = (f"{'-':>12}" if row.get(name) is None else f"{row[name]:12.5g}" for name in known)
        text = f"{row['stage']:>10} {row['epoch']:5d} " + " ".join(shown)
        if known != self.columns:
            self.columns, self.stage = known, row["stage"]
            text = f"{'stage':>10} {'epoch':>5} " + " ".join(f"{name:>12}" for name in numbers) + "\n" + text
        with (self.folder / "log.txt").open("a", encoding="utf-8") as file:
            file.write(text + "\n")
        if time.monotonic() - self.shown > 0.5:
            self._progress()

    def _progress(self) -> None:
        self.shown = time.monotonic()
        path = self.folder / "progress.json"
        temporary = path.with_name(f"progress.{os.getpid()}.tmp")
        with suppress(OSError):  # a bar that stands still is no reason to fail
            now = {"done": self.done, "total": self.total,
                   "run": self.done - self.first, "seconds": self.shown - self.since}  # fmt: skip
            temporary.write_text(json.dumps(now), encoding="utf-8")
            temporary.replace(path)


def log_attempt(folder: Path, what: str) -> None:
    """Keep count of who was at a trial, what was begun there and when, beside its log."""
    me = process_identity()
    with suppress(OSError):
        append_line(folder / "attempts.txt", f"{time.time():.3f} {what} {me['host']} {me['pid']} {me['job']}")


def append_line(path: Path, line: str) -> None:
    """Add a line to a text file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
