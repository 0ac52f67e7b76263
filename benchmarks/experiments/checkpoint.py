"""What a trial keeps in runs/KEY while it runs, and what it asks of its process."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import torch

import zoo
from benchmarks.experiments.process import whoami
from benchmarks.training.loop import STATE, Epoch, State


def kept(weights: Path) -> zoo.LatentModel | None:
    """The model of a weights file, or None where there is none that can be read: it is then trained again."""
    try:
        check_whole(weights)
        return zoo.load(weights)
    except Exception:  # torch raises many kinds for a broken file
        return None


def check_whole(path: Path) -> None:
    """Raise an error unless all parts of a file by torch.save have their checksums, which torch does not look at."""
    with zipfile.ZipFile(path) as file:
        broken = file.testzip()
    if broken is not None:
        raise ValueError(f"{broken} in {path} is broken")


def stamp(path: Path) -> int | None:
    """When a file was last written, or None where there is none."""
    return path.stat().st_mtime_ns if path.is_file() else None


def write_state(path: Path, epoch: Epoch, record: dict[str, Any]) -> None:
    """Save where training stands, by rename."""
    state = {
        "training": epoch.state(),
        "epochs": json.dumps(record["epochs"]),
        "curve": json.dumps(record.get("curve")),
        "provenance": json.dumps(
            {k: record["provenance"][k] for k in ("started", "resumed", "before")}
            | {"place": {k: record["provenance"][k] for k in ("device", "torch", "commit")}}
        ),
    }
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        torch.save(state, temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())  # or a power cut may leave a renamed file with holes
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_state(path: Path) -> State | None:
    """What `write_state` saved, or None where there is nothing that can be read."""
    if not path.is_file():
        return None
    try:
        check_whole(path)
        state: State = torch.load(path, map_location="cpu", weights_only=True)
        complete = {"training", "epochs", "provenance"} <= state.keys() and state["training"].keys() >= STATE
    except Exception:  # torch raises many kinds for a broken file; training from scratch gives the same result
        complete = False
    if not complete:
        warnings.warn(f"{path}: not a readable state; the training starts from scratch", stacklevel=2)
    return state if complete else None


HURRY = 60.0  # seconds after which a signal is obeyed although no epoch has ended: SLURM's patience is not long
SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)]


class Heed:
    """A signal that asks this process to end is obeyed when the epoch has ended and its state is saved.

    What obeying means is for those to say who set a handler before: the default, which is to die, or submitit's,
    which has SLURM requeue the job.
    """

    def __init__(self) -> None:
        self.asked: int | None = None  # the signal
        self.before: dict[int, Any] = {}

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Remember a signal, and set an alarm in case the epoch is long."""
        self.asked = number
        signal.setitimer(signal.ITIMER_REAL, HURRY)

    def obey(self, *_: object) -> None:
        """Do what the remembered signal would have done."""
        number, self.asked = self.asked, None
        signal.setitimer(signal.ITIMER_REAL, 0)
        if number is None:
            return
        before = self.before[number]
        if callable(before):
            before(number, None)
        elif before == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


@contextmanager
def heeding() -> Iterator[Heed]:
    """Hold signals back while the block runs; see `Heed`.  Only a process's main thread can."""
    heed = Heed()
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield heed
        return
    alarm = signal.signal(signal.SIGALRM, heed.obey)
    heed.before = {number: signal.signal(number, heed.ask) for number in SIGNALS}
    try:
        yield heed
    finally:
        for number, handler in heed.before.items():
            signal.signal(number, handler)
        heed.obey()
        signal.signal(signal.SIGALRM, alarm)


FORCE = "force.txt"  # in runs/KEY: every --force that has begun there, and whether it has come to its end


def forced(folder: Path, word: str) -> bool:
    """Whether a trial is still to be trained anew, as the `--force` of this word wants it."""
    return bool(word) and f"{word} done" not in _forces(folder)


def begin_anew(folder: Path, word: str) -> None:
    """Forget weights and state, once for each `--force`: a requeued job goes on where it was."""
    if f"{word} begun" not in _forces(folder):
        for name in ("weights.pt", "state.pt"):
            (folder / name).unlink(missing_ok=True)
        _append(folder / FORCE, f"{word} begun")


def end_anew(folder: Path, word: str) -> None:
    """Note that a forced training has been recorded."""
    if word:
        _append(folder / FORCE, f"{word} done")


def _forces(folder: Path) -> list[str]:
    try:
        return (folder / FORCE).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def note(folder: Path, what: str) -> None:
    """Keep count of who was at a trial, what was begun there and when, beside its log."""
    me = whoami()
    with suppress(OSError):
        _append(folder / "attempts.txt", f"{time.time():.3f} {what} {me['host']} {me['pid']} {me['job']}")


def _append(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


class Log:
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
