"""One call: measure what has not been measured yet, keep the time limit, and write records, tables and an archive."""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import torch

from benchmarks.files.gpu_speed import GpuSpeedRecord, Origin
from benchmarks.files.writing import write_json
from benchmarks.perf.gpu.archive import write_archive
from benchmarks.perf.gpu.items import Item, find_skip_reason, items
from benchmarks.perf.gpu.reading import read_record
from benchmarks.perf.gpu.report import report_line, write_tables
from benchmarks.perf.gpu.worker import Settings, new_record, work

DEFAULT_LIMIT = 330.0  # seconds; with the start of the program and the last tables less than six minutes
RESERVE = 5.0  # seconds of the limit for ending processes and for the last tables and the archive
ITEM_LIMIT = 90.0  # seconds; an item that takes longer hangs
START_LIMIT = 120.0  # seconds for starting a process


class OutOfTime(Exception):
    """The time limit of the call is reached."""


class NotStarted(Exception):
    """The process that measures does not start."""


class Worker:
    """A process that measures items, started again if it ends or hangs.

    Args:
        settings: for all items.
        deadline: when everything ends, by `time.monotonic`.
        item_limit: seconds after which an item has failed.
    """

    def __init__(self, settings: Settings, deadline: float, item_limit: float = ITEM_LIMIT):
        self.settings, self.deadline, self.item_limit = settings, deadline, item_limit
        self.process: multiprocessing.process.BaseProcess | None = None
        self.connection: Connection
        self.origin: Origin

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.end()

    def start(self) -> Origin:
        """Start the process unless it runs; return where it measures.

        Raises:
            OutOfTime: there is no time left.
            NotStarted: the process does not start.
        """
        if self.process is None:
            context = multiprocessing.get_context("spawn")
            self.connection, end = context.Pipe()
            self.process = context.Process(target=work, args=(self.settings, end), daemon=True)
            self.process.start()
            end.close()
            try:
                self.origin = self.receive(START_LIMIT)
            except (EOFError, ConnectionResetError, TimeoutError) as error:
                self.end()
                raise NotStarted(f"the process that measures did not start: {type(error).__name__} {error}") from None
        return self.origin

    def measure(self, item: Item) -> GpuSpeedRecord:
        """Have an item measured. A process that ends or hangs gives a record with status "failed".

        Raises:
            OutOfTime: the time limit is reached first.
            NotStarted: the process does not start.
        """
        origin, started = self.start(), time.monotonic()
        try:
            self.connection.send(item)
            record, is_last = self.receive(self.item_limit)
        except (EOFError, ConnectionResetError, BrokenPipeError):
            reason = "the process ended during the measurement, perhaps because memory ran out"
        except TimeoutError:
            reason = f"no result in {self.item_limit:g} s"
        else:
            if is_last:
                self.end()
            assert isinstance(record, GpuSpeedRecord)
            return record
        self.end()
        failed = new_record(item, origin, "failed", reason)
        return msgspec.structs.replace(failed, seconds=time.monotonic() - started)

    def receive(self, limit: float) -> Any:
        """The next message. Raises TimeoutError after `limit` seconds, and OutOfTime after the deadline."""
        left = self.deadline - time.monotonic()
        if not self.connection.poll(max(0.0, min(limit, left))):
            self.end()
            raise OutOfTime if left <= limit else TimeoutError
        return self.connection.recv()

    def end(self) -> None:
        """End the process at once."""
        if self.process is not None:
            self.connection.close()
            self.process.kill()
            self.process.join(5)  # a GPU that hangs may hold it longer
            self.process = None


def measure_gpu(device: torch.device, folder: Path, root: Path | None, limit: float, only_report: bool = False) -> int:
    """Measure all items that have no valid record of this device, code and version of torch.

    Items without a record come first, then those that have failed before. Each record is written as soon as it is
    measured; tables and archive are written whenever the call ends, also by an error or a signal.

    Args:
        device: the GPU; on a CPU, a few small items are measured.
        folder: of the records.
        root: the data root.
        limit: of the whole call, in seconds.
        only_report: only write the tables and the archive again.

    Returns:
        The number of failures.
    """
    started = time.monotonic()
    failed = 0
    if only_report:
        with outputs(folder):
            return 0
    with ExitStack() as stack:
        # Processes of the compiler may still write there when it is removed.
        cache = stack.enter_context(tempfile.TemporaryDirectory(prefix="ae-bench-gpu-", ignore_cleanup_errors=True))
        stack.enter_context(outputs(folder))
        settings = Settings(str(device), root, cache)
        timing, counting = (stack.enter_context(Worker(settings, started + limit - RESERVE)) for _ in range(2))
        try:
            origin = timing.start()
            timing.settings = counting.settings = replace(settings, origin=origin)
            print(f"{origin.device}, torch {origin.torch}, commit {origin.commit}", flush=True)
            left = remaining(device, folder, origin)
            for number, item in enumerate(left):
                reason = find_skip_reason(item, device)
                if reason:
                    record = new_record(item, origin, "skipped", reason)
                else:  # a process that has used the profiler may be slower
                    record = (counting if item.kind == "operations" else timing).measure(item)
                write_json(folder / item.record_name(origin.device), msgspec.to_builtins(record))
                failed += record.status == "failed"
                seconds = time.monotonic() - started
                print(f"[{seconds:4.0f} s] {number + 1}/{len(left)} {item.name}: {report_line(record)}", flush=True)
        except OutOfTime:
            print(f"the limit of {limit:g} s is reached. Run the command again for the other items", flush=True)
        except NotStarted as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            failed += 1
    return failed


def remaining(device: torch.device, folder: Path, origin: Origin) -> list[Item]:
    """The items to measure: those without a record, then those whose record is a failure."""
    waiting: dict[bool, list[Item]] = {False: [], True: []}
    for item in items(device):
        record = read_record(folder / item.record_name(origin.device))
        is_current = record is not None and is_same_code(record.provenance, origin)
        if record is None or not is_current or record.status == "failed":
            waiting[record is not None and is_current].append(item)
        else:
            print(f"already {record.status}: {item.name}", flush=True)
    return waiting[False] + waiting[True]


def is_same_code(a: Origin, b: Origin) -> bool:
    """Whether two measurements were made on the same device by the same code and version of torch."""
    return (a.device, a.torch, a.commit, a.dirty) == (b.device, b.torch, b.commit, b.dirty)


@contextmanager
def outputs(folder: Path) -> Iterator[None]:
    """After the block, however it ends, write tables and archive of all records of a folder, and print the tables."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        paths = write_tables(folder)
        print(paths[0].read_text(encoding="utf-8"))
        for path in [*paths, write_archive(folder)]:
            print(path)
        sys.stdout.flush()
