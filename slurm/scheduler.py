"""What SLURM's own commands say, for people whose cluster may have no accounting and whose controller may be away.

Every call has a time limit, and "no answer" is an answer of its own: never a reason to believe a job dead.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable

ANSWER = 10.0                 # seconds within which a command must have answered


def answers() -> bool:
    """Whether jobs can be submitted here: sbatch is there, a controller responds, and this is no job itself."""
    if "SLURM_JOB_ID" in os.environ or shutil.which("sbatch") is None:
        return False
    return listed() is not None


def listed() -> dict[str, str] | None:
    """This user's waiting and running jobs: id (12, or 12_3 in an array) -> state or reason; None for no answer."""
    found = _said("squeue", "-h", "-r", "-u", str(os.getuid()), "-o", "%i|%T|%r")
    if found is None:
        return None
    jobs = {}
    for line in found.splitlines():
        job, state, reason = line.split("|", 2)
        jobs[job] = f"{state.lower()}, {reason}" if state == "PENDING" else state.lower()
    return jobs


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
