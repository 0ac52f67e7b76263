"""Stopping what was launched."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.execution import launches
from slurm import cancel_jobs, cluster_name, list_jobs


def cancel_launches(results: Path) -> int:
    """Tell everything that runs for a results folder to stop, wherever it runs; 1 where SLURM did not answer."""
    code, count = 0, 0
    queue: Mapping[str, str] | None = None
    name: str | None = None
    for path, launched in launches.launches(results).items():
        if launched["jobs"] and queue is None:
            queue, name = list_jobs(), cluster_name()
        # Without an answer from SLURM the jobs may still be there.
        jobs = [*launched["jobs"]] if queue is None else [j for j in launches.jobs(launched, name) if j in queue]
        # A cancelled launch may still have jobs: SLURM may not have answered then.
        if not jobs and (launched["cancelled"] or not launches.is_launcher_alive(path, launched)):
            continue
        launches.cancel(path)
        count += 1
        # Read again: the launcher may have submitted more before it saw that it was cancelled.
        later = launches.launches(results)[path]
        jobs += [job for job in later["jobs"] if job not in launched["jobs"]]
        # Without an answer the job numbers may belong to others by now: they are not reported as cancelled.
        if jobs and (queue is None or not cancel_jobs(jobs)):
            print(f"error: SLURM did not answer: its jobs {', '.join(jobs[:5])} may still run; cancel again where it "
                  "answers", file=sys.stderr)  # fmt: skip
            code = 1
        where = f"{len(jobs)} SLURM jobs" if jobs else f"the launcher on {launched['owner']['host']}"
        print(f"cancelled: {where}, started {time.strftime('%Y-%m-%d %H:%M', time.localtime(launched['at']))}")
    print("finished runs are kept; `retry` goes on with the rest" if count else "nothing is running")
    return code
