"""What SLURM's own commands say, for people whose cluster may have no accounting and whose controller may be away.

Every call has a time limit, and "no answer" is an answer of its own: can_never_start a reason to believe a job dead.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable

TIMEOUT_SECONDS = 10.0  # seconds within which a command must have answered
JOB_NAME = "ae-bench"  # of all jobs of ours; numbers alone are used again, and by other clusters too
GONE = "gone"  # state of a job that SLURM does not list
IMPOSSIBLE_REASONS = {  # reasons of waiting jobs that no waiting ends, as squeue names them
    "BadConstraints", "PartitionNodeLimit", "PartitionTimeLimit", "DependencyNeverSatisfied", "InvalidAccount",
    "InvalidQOS", "AccountNotAllowed", "QOSNotAllowed", "QOSMaxWallDurationPerJobLimit",
    "AssocMaxWallDurationPerJobLimit", "QOSMaxCpuPerJobLimit", "QOSMaxGRESPerJob", "QOSMaxMemoryPerJob",
    "AssocMaxCpuPerJobLimit", "AssocMaxGRESPerJob",
}  # fmt: skip


def is_available() -> bool | None:
    """Whether jobs can be submitted here: not within one, nor without sbatch; None where no controller responds."""
    if "SLURM_JOB_ID" in os.environ or shutil.which("sbatch") is None:
        return False
    return True if list_jobs() is not None else None


def cluster_name() -> str | None:
    """The name of the cluster whose controller answers here, or None."""
    found = re.search(r"^ClusterName\s*=\s*(\S+)", _output_of("scontrol", "show", "config") or "", re.MULTILINE)
    return found[1] if found else None


def list_jobs() -> dict[str, str] | None:
    """This user's waiting and running jobs: id (12, or 12_3 in an array) -> state or reason; None for no answer."""
    found = _output_of("squeue", "-h", "-r", "-u", str(os.getuid()), "--name", JOB_NAME, "-o", "%i|%T|%r")
    if found is None:
        return None
    jobs = {}
    for line in found.splitlines():
        job, state, reason = line.split("|", 2)
        jobs[job] = f"{state.lower()}, {reason}" if state == "PENDING" else state.lower()
    return jobs


def can_never_start(state: str) -> bool:
    """Whether a job waits, by what `list_jobs` says of it, for what cannot come."""
    return state.removeprefix("pending, ") in IMPOSSIBLE_REASONS


def was_requeued_and_held(state: str) -> bool:
    """Whether SLURM has put a job back and holds it, as it does when a node could not start it."""
    words = state.lower().replace("_", " ")
    return "requeued" in words and "held" in words


def is_held(state: str) -> bool:
    """Whether somebody holds a job, which that one may let go."""
    return "jobheld" in state.lower()


def cancel_jobs(jobs: Iterable[str]) -> bool:
    """End jobs, whole arrays or single ones; False where SLURM did not answer."""
    return _output_of("scancel", "--quiet", *jobs) is not None


def how_it_ended(job: str) -> str:
    """How a job ended, in words, as far as accounting or the controller's memory knows."""
    found = _output_of("sacct", "-n", "-X", "-P", "-j", job, "-o", "State,ExitCode")
    if found and found.strip():
        state, _, code = found.strip().splitlines()[-1].partition("|")
        return f"{state}, exit code {code}"
    found = _output_of("scontrol", "-o", "show", "job", job)
    memory = re.search(r"JobState=(\S+).* ExitCode=(\S+)", found or "")
    return f"{memory[1]}, exit code {memory[2]}" if memory else "not known: SLURM keeps no accounts here"


def _output_of(*command: str) -> str | None:
    """What a command prints, or None where it is absent, fails or does not answer."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
