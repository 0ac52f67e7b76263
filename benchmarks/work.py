"""What a trial keeps in runs/KEY while it runs, and what it asks of its process."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

import zoo
from benchmarks.training import STATE, Epoch, State


def kept(weights: Path) -> zoo.LatentModel | None:
    """The model of a weights file, or None where there is none that can be read: it is then trained again."""
    try:
        return zoo.load(weights)
    except Exception:  # torch raises many kinds for a broken file
        return None


def stamp(path: Path) -> int | None:
    """When a file was last written, or None where there is none."""
    return path.stat().st_mtime_ns if path.is_file() else None


def write_state(path: Path, epoch: Epoch, record: dict[str, Any]) -> None:
    """Save where training stands, by rename."""
    state = {
        "training": epoch.state(),
        "epochs": json.dumps(record["epochs"]),
        "provenance": json.dumps({k: record["provenance"][k] for k in ("started", "resumed", "before")}
                                 | {"place": {k: record["provenance"][k] for k in ("device", "torch", "commit")}}),
    }
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        torch.save(state, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_state(path: Path) -> State | None:
    """What `write_state` saved, or None where there is nothing that can be read."""
    if not path.is_file():
        return None
    try:
        state: State = torch.load(path, map_location="cpu", weights_only=True)
        complete = {"training", "epochs", "provenance"} <= state.keys() and state["training"].keys() >= STATE
    except Exception:  # torch raises many kinds for a broken file; training from scratch gives the same result
        return None
    return state if complete else None


class Log:
    """log.txt: one line per epoch, in columns; progress.json: how far, for the process that waits."""

    def __init__(self, folder: Path, title: str, total: int):
        self.folder, self.title, self.total = folder, title, total  # total: steps of all stages
        self.done, self.shown = 0, 0.0
        self.columns: list[str] = []

    def begin(self, *, resumed: bool, epochs: list[dict[str, Any]]) -> None:
        """Say what is being trained; a resumed log goes on where its state was saved."""
        self.done = sum(row["steps"] for row in epochs)
        head = f"resumed after {len(epochs)} epochs: {self.title}\n" if resumed else f"{self.title}\n"
        with (self.folder / "log.txt").open("a" if resumed else "w", encoding="utf-8") as file:
            file.write(head)
        self._progress()

    def line(self, row: dict[str, Any]) -> None:
        """Write one epoch."""
        self.done += row["steps"]
        numbers = [name for name in row if name not in ("stage", "epoch")]
        text = f"{row['stage']:>10} {row['epoch']:5d} " + " ".join(f"{row[name]:12.5g}" for name in numbers)
        if numbers != self.columns:
            self.columns = numbers
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
            temporary.write_text(json.dumps({"done": self.done, "total": self.total}), encoding="utf-8")
            temporary.replace(path)


@contextmanager
def one_thread(device: torch.device) -> Iterator[None]:
    """One thread for a CPU trial, no denormals, no TF32; all put back afterwards."""
    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)  # sums over more threads differ in their last bits
    torch.set_flush_denormal(True)
    try:
        with threadpool_limits(1), tf32("fp32"):
            yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)


@contextmanager
def tf32(precision: str) -> Iterator[None]:
    """TF32 on a GPU if `precision` says so, for training alone: measuring and inverting a flow need all digits."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
