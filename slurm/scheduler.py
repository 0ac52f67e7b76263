"""What SLURM's own commands say, for people whose cluster may have no accounting and whose controller may be away.

Every call has a time limit, and "no answer" is an answer of its own: never a reason to believe a job dead.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable

ANSWER = 10.0  # seconds within which a command must have answered
NAME = "ae-bench"  # of all jobs of ours; numbers alone are used again, and by other clusters too
GONE = "gone"  # state of a job that SLURM does not list
NEVER = {                     # reasons of waiting jobs that no waiting ends, as squeue names them
    "BadConstraints", "PartitionNodeLimit", "PartitionTimeLimit", "DependencyNeverSatisfied", "InvalidAccount",
    "InvalidQOS", "AccountNotAllowed", "QOSNotAllowed", "QOSMaxWallDurationPerJobLimit",
    "AssocMaxWallDurationPerJobLimit", "QOSMaxCpuPerJobLimit", "QOSMaxGRESPerJob", "QOSMaxMemoryPerJob",
    "AssocMaxCpuPerJobLimit", "AssocMaxGRESPerJob",
}  # fmt: skip


def answers() -> bool | None:
    """Whether jobs can be submitted here: not within one, nor without sbatch; None where no controller responds."""
    if "SLURM_JOB_ID" in os.environ or shutil.which("sbatch") is None:
        return False
    return True if listed() is not None else None


def cluster() -> str | None:
    """The name of the cluster that answers here, or None."""
    found = re.search(r"^ClusterName\s*=\s*(\S+)", _said("scontrol", "show", "config") or "", re.MULTILINE)
    return found[1] if found else None


def listed() -> dict[str, str] | None:
    """This user's waiting and running jobs: id (12, or 12_3 in an array) -> state or reason; None for no answer."""
    found = _said("squeue", "-h", "-r", "-u", str(os.getuid()), "--name", NAME, "-o", "%i|%T|%r")
    if found is None:
        return None
    jobs = {}
    for line in found.splitlines():
        job, state, reason = line.split("|", 2)
        jobs[job] = f"{state.lower()}, {reason}" if state == "PENDING" else state.lower()
    return jobs


def never(state: str) -> bool:
    """Whether a job waits, by what `listed` says of it, for what cannot come."""
    return state.removeprefix("pending, ") in NEVER


def fallen(state: str) -> bool:
    """Whether SLURM has put a job back and holds it, as it does when a node could not start it."""
    words = state.lower().replace("_", " ")
    return "requeued" in words and "held" in words


def held(state: str) -> bool:
    """Whether somebody holds a job, which that one may let go."""
    return "jobheld" in state.lower()


def cancel(jobs: Iterable[str]) -> bool:
    """End jobs, whole arrays or single ones; False where SLURM did not answer."""
    return _said("scancel", "--quiet", *jobs) is not None


def fate(job: str) -> str:
    """How a job ended, in words, as far as accounting or the controller's memory knows."""
    found = _said("sacct", "-n", "-X", "-P", "-j", job, "-o", "State,ExitCode")
    if found and found.strip():
        state, _, code = found.strip().splitlines()[-1].partition("|")
        return f"{state}, exit code {code}"
    found = _said("scontrol", "-o", "show", "job", job)
    memory = re.search(r"JobState=(\S+).* ExitCode=(\S+)", found or "")
    return f"{memory[1]}, exit code {memory[2]}" if memory else "not known: SLURM keeps no accounts here"


def _said(*command: str) -> str | None:
    """What a command prints, or None where it is absent, fails or does not answer."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
