"""Calls of SLURM's commands, for clusters that may have no accounting, and controllers that may not answer.

Every call has a time limit. No answer never means that a job is dead.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable

TIMEOUT_SECONDS = 10.0  # seconds within which a command must have answered
JOB_NAME = "ae-bench"  # of all our jobs; job numbers alone are reused, also by other clusters
GONE = "gone"  # state of a job that SLURM does not list
IMPOSSIBLE_REASONS = {  # reasons, as squeue names them, why a pending job will never start
    "BadConstraints", "PartitionNodeLimit", "PartitionTimeLimit", "DependencyNeverSatisfied", "InvalidAccount",
    "InvalidQOS", "AccountNotAllowed", "QOSNotAllowed", "QOSMaxWallDurationPerJobLimit",
    "AssocMaxWallDurationPerJobLimit", "QOSMaxCpuPerJobLimit", "QOSMaxGRESPerJob", "QOSMaxMemoryPerJob",
    "AssocMaxCpuPerJobLimit", "AssocMaxGRESPerJob",
}  # fmt: skip


def is_available() -> bool | None:
    """Whether jobs can be submitted here: not inside a job, nor without sbatch; None if no controller answers."""
    if "SLURM_JOB_ID" in os.environ or shutil.which("sbatch") is None:
        return False
    return True if list_jobs() is not None else None


def cluster_name() -> str | None:
    """The name of the cluster whose controller answers here, or None."""
    match = re.search(r"^ClusterName\s*=\s*(\S+)", _output_of("scontrol", "show", "config") or "", re.MULTILINE)
    return match[1] if match else None


def list_jobs() -> dict[str, str] | None:
    """This user's waiting and running jobs: id (12, or 12_3 in an array) -> state or reason; None for no answer."""
    output = _output_of("squeue", "-h", "-r", "-u", str(os.getuid()), "--name", JOB_NAME, "-o", "%i|%T|%r")
    if output is None:
        return None
    jobs = {}
    for line in output.splitlines():
        job, state, reason = line.split("|", 2)
        jobs[job] = f"{state.lower()}, {reason}" if state == "PENDING" else state.lower()
    return jobs


def can_never_start(state: str) -> bool:
    """Whether a job, in a state of `list_jobs`, will never start."""
    return state.removeprefix("pending, ") in IMPOSSIBLE_REASONS


def was_requeued_and_held(state: str) -> bool:
    """Whether SLURM has requeued a job and holds it, as it does when a node could not start it."""
    text = state.lower().replace("_", " ")
    return "requeued" in text and "held" in text


def is_held(state: str) -> bool:
    """Whether a user or an administrator holds a job."""
    return "jobheld" in state.lower()


def cancel_jobs(jobs: Iterable[str]) -> bool:
    """Cancel jobs or arrays; False if SLURM did not answer."""
    return _output_of("scancel", "--quiet", *jobs) is not None


def describe_end(job: str) -> str:
    """How a job ended, from accounting or, without it, from the controller."""
    output = _output_of("sacct", "-n", "-X", "-P", "-j", job, "-o", "State,ExitCode")
    if output and output.strip():
        state, _, code = output.strip().splitlines()[-1].partition("|")
        return f"{state}, exit code {code}"
    match = re.search(r"JobState=(\S+).* ExitCode=(\S+)", _output_of("scontrol", "-o", "show", "job", job) or "")
    return f"{match[1]}, exit code {match[2]}" if match else "not known: SLURM keeps no accounts here"


def _output_of(*command: str) -> str | None:
    """The output of a command, or None if it does not exist, fails or does not answer."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
