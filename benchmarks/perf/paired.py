"""Measure loops in paired rounds. Each loop has worker processes. They wait while another loop is measured.

The order of the loops alternates from round to round.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from math import nan
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import torch

from benchmarks.perf.baselines import LOOPS, Case
from benchmarks.training.memory import keep_freed_memory
from benchmarks.training.precision import matmul_precision, reproducible_arithmetic

LAP_TIMEOUT = 1200.0  # time limit of a lap in seconds


class LoopFailed(RuntimeError):
    """A process of a loop failed. The message contains its traceback."""

    def __init__(self, loop: str, reason: str):
        super().__init__(f"{loop}: {reason}")
        self.loop = loop


def rounds(
    cases: Mapping[str, Case], processes: int, count: int, warm: int, say: Any = print
) -> Iterator[dict[str, Any]]:
    """Yield a row per loop and round. The processes of one loop run together, and one loop runs at a time.

    Args:
        cases: loop -> its case. All cases have the same stages, with `count + warm` laps each.
        processes: number of processes per loop.
        count: number of rounds to return, per stage.
        warm: number of warm-up rounds before them, per stage.
        say: called with a line per row.

    Raises:
        LoopFailed: a process failed.
    """
    with _start_teams(cases, processes) as teams:
        laps: dict[str, int] = {}  # stage -> number of rounds
        number = 0
        while True:
            number += 1
            rows: dict[str, dict[str, Any]] = {}
            for loop in [*teams][:: 1 if number % 2 else -1]:
                row = _lap(loop, teams[loop])
                if row is None:
                    return
                rows[loop] = row
            stage = next((row["stage"] for row in rows.values() if row["stage"]), "")
            laps[stage] = laps.get(stage, 0) + 1
            for loop in cases:
                row = rows[loop]
                if laps[stage] > warm:
                    yield {"round": laps[stage] - warm - 1, **row, "stage": stage}
                    seconds = sum(row["seconds"]) / len(row["seconds"])
                    say(f"  round {laps[stage] - warm - 1}, {stage}, {loop}: {seconds:.3f} s, "
                        f"{row['steps']} {'GFLOP' if loop == 'ceiling' else 'steps'}")  # fmt: skip
            if [*laps.values()] == [count + warm] * len(next(iter(cases.values())).schedules()):
                return


def _lap(loop: str, team: list[Connection]) -> dict[str, Any] | None:
    before = cpu_seconds_used()
    for connection in team:
        connection.send("go")
    replies = []
    for connection in team:
        if not connection.poll(LAP_TIMEOUT):
            raise LoopFailed(loop, f"no answer in {LAP_TIMEOUT:.0f} s")
        try:
            replies.append(connection.recv())
        except (EOFError, ConnectionResetError):
            raise LoopFailed(loop, "a process died, perhaps because memory ran out") from None
    after = cpu_seconds_used()
    if any(isinstance(reply, str) for reply in replies):
        raise LoopFailed(loop, next(reply for reply in replies if isinstance(reply, str)))
    if any(reply is None for reply in replies):
        return None
    own = sum(reply["cpu"] for reply in replies)
    share = (after[0] - before[0] - own) / (after[1] - before[1]) / (os.cpu_count() or 1)
    return {
        "loop": loop,
        "stage": replies[0]["stage"],
        "steps": replies[0]["steps"],
        "how": replies[0]["engine_used"],
        **{name: [reply[name] for reply in replies] for name in ("seconds", "cpu", "memory")},
        "foreign": max(0.0, share) if share == share else nan,  # share of CPU cores that other processes used
    }


@contextmanager
def _start_teams(cases: Mapping[str, Case], processes: int) -> Iterator[dict[str, list[Connection]]]:
    """Start the processes; loop -> the connections to its processes."""
    context = multiprocessing.get_context("spawn")
    teams: dict[str, list[Connection]] = {}
    workers, barriers = [], []
    try:
        for loop, case in cases.items():
            barrier = context.Barrier(processes)
            barriers.append(barrier)  # keep it until all processes have started, as they need its semaphores
            teams[loop] = []
            for _ in range(processes):
                parent_end, worker_end = context.Pipe()
                worker = context.Process(target=_work, args=(loop, case, worker_end, barrier), daemon=False)
                worker.start()
                worker_end.close()
                teams[loop].append(parent_end)
                workers.append(worker)
        yield teams
    finally:
        for team in teams.values():
            for connection in team:
                connection.close()  # a waiting process then ends
        for worker in workers:
            worker.join(10)
            if worker.is_alive():
                worker.kill()
                worker.join()


def _work(loop: str, case: Case, connection: Connection, barrier: Barrier) -> None:
    """Main function of a worker process: measure one lap per message."""
    device = torch.device(case.device)
    torch.set_num_threads(1)
    is_ours = loop == "ours"
    try:
        # Flushing denormals and keeping freed memory are features of our loop, so only our loop has them.
        recipe = (
            (reproducible_arithmetic(device), keep_freed_memory(device)) if is_ours else (nullcontext(), nullcontext())
        )
        with recipe[0], recipe[1], matmul_precision(case.precision):
            laps = LOOPS[loop](case)
            while connection.recv():
                barrier.wait(LAP_TIMEOUT)
                cpu = time.process_time()
                lap = next(laps, None)
                used = time.process_time() - cpu
                connection.send(None if lap is None else {**asdict(lap), "cpu": used, "memory": _peak(device)})
    except (EOFError, KeyboardInterrupt, BrokenPipeError):
        return
    except Exception:
        barrier.abort()
        connection.send(traceback.format_exc())


def _peak(device: torch.device) -> float:
    """Peak memory in bytes: that of tensors on a GPU, that of the process on a CPU."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def cpu_seconds_used() -> tuple[float, float]:
    """CPU seconds that all processes of this machine have used (NaN if unknown), and the current time."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
        used = sum(int(f) for i, f in enumerate(fields) if i not in (3, 4)) / os.sysconf("SC_CLK_TCK")
    except OSError:
        used = float("nan")
    return used, time.perf_counter()
