"""Call SLURM's commands. A cluster may have no accounting, and its controller may not answer.

Every call has a time limit. If there is no answer, no job is taken for dead.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable

TIMEOUT_SECONDS = 10.0  # time limit of a command
JOB_NAME = "ae-bench"  # name of all our jobs; job ids alone may be reused, also by other clusters
GONE = "gone"  # the state of a job that SLURM does not list
IMPOSSIBLE_REASONS = {  # reasons of squeue for which a pending job will never start
    "BadConstraints", "PartitionNodeLimit", "PartitionTimeLimit", "DependencyNeverSatisfied", "InvalidAccount",
    "InvalidQOS", "AccountNotAllowed", "QOSNotAllowed", "QOSMaxWallDurationPerJobLimit",
    "AssocMaxWallDurationPerJobLimit", "QOSMaxCpuPerJobLimit", "QOSMaxGRESPerJob", "QOSMaxMemoryPerJob",
    "AssocMaxCpuPerJobLimit", "AssocMaxGRESPerJob",
}  # fmt: skip

DEFAULT_MAX_ARRAY_SIZE = 1000  # jobs in an array, if SLURM does not say how many it allows
SUBMIT_LIMIT = re.compile(r"\b(?:QOS|Assoc)\w*Submit\w*")  # such as QOSMaxSubmitJobPerUserLimit
OTHER_LIMIT = re.compile(r"\b(?:QOS|Assoc)[A-Z]\w*")  # such as QOSMaxWallDurationPerJobLimit: no matter how many
POLICY_VIOLATED = "violates accounting/QOS policy"  # the reason may stand before it
QUEUE_FULL = "temporarily unable to accept job"
ARRAY_TOO_LONG = "Invalid job array specification"
UNREACHABLE = re.compile(r"Unable to contact slurm controller|[Tt]imed out|Connection refused|Zero Bytes")


def is_available() -> bool | None:
    """Whether jobs can be submitted here. False inside a job or without sbatch; None if no controller answers."""
    if "SLURM_JOB_ID" in os.environ or shutil.which("sbatch") is None:
        return False
    return True if list_jobs() is not None else None


def cluster_name() -> str | None:
    """The name of the cluster whose controller answers here, or None."""
    match = re.search(r"^ClusterName\s*=\s*(\S+)", _output_of("scontrol", "show", "config") or "", re.MULTILINE)
    return match[1] if match else None


def max_array_size() -> int:
    """How many jobs an array may have; 1 if there are no arrays.

    MaxArraySize limits the index of a job, which begins with 0.
    """
    config = _output_of("scontrol", "show", "config") or ""
    limits = [int(number) for number in re.findall(r"^MaxArraySize\s*=\s*(\d+)", config, re.MULTILINE)]
    limits += [int(number) for number in re.findall(r"\bmax_array_tasks=(\d+)", config)]
    return max(1, min(limits, default=DEFAULT_MAX_ARRAY_SIZE))


def has_jobs() -> bool:
    """Whether SLURM has jobs of this user, also those of other programs. True if it does not answer."""
    output = _output_of("squeue", "-h", "-u", str(os.getuid()), "-o", "%i")
    return output is None or bool(output.strip())


def limit_reason(message: str) -> str | None:
    """The limit of submitted jobs for which sbatch refused some, or None if it refused them for another reason."""
    if found := SUBMIT_LIMIT.search(message):
        return found[0]
    if QUEUE_FULL in message:
        return "MaxJobCount"
    return "job submit limit" if POLICY_VIOLATED in message and not OTHER_LIMIT.search(message) else None


def is_shared_limit(message: str) -> bool:
    """Whether the limit in a message of sbatch also counts jobs of other users."""
    return re.search("Grp|PerAccount|MaxJobCount", limit_reason(message) or "") is not None


def is_too_many(message: str) -> bool:
    """Whether sbatch refused an array for its number of jobs, so that it may take fewer."""
    return limit_reason(message) is not None or ARRAY_TOO_LONG in message


def is_unreachable(message: str) -> bool:
    """Whether sbatch got no answer."""
    return UNREACHABLE.search(message) is not None


def list_jobs() -> dict[str, str] | None:
    """Our pending and running jobs: id (12, or 12_3 in an array) -> state; None if there is no answer."""
    output = _output_of("squeue", "-h", "-r", "-u", str(os.getuid()), "--name", JOB_NAME, "-o", "%i|%T|%r")
    if output is None:
        return None
    jobs = {}
    for line in output.splitlines():
        job, state, reason = line.split("|", 2)
        jobs[job] = f"{state.lower()}, {reason}" if state == "PENDING" else state.lower()
    return jobs


def can_never_start(state: str) -> bool:
    """Whether a job in this state of `list_jobs` will never start."""
    return state.removeprefix("pending, ") in IMPOSSIBLE_REASONS


def was_requeued_and_held(state: str) -> bool:
    """Whether SLURM has requeued a job and holds it, as it does if a node could not start the job."""
    text = state.lower().replace("_", " ")
    return "requeued" in text and "held" in text


def is_held(state: str) -> bool:
    """Whether a user or an administrator holds a job."""
    return "jobheld" in state.lower()


def cancel_jobs(jobs: Iterable[str]) -> bool:
    """Cancel jobs or arrays; False if SLURM did not answer."""
    return _output_of("scancel", "--quiet", *jobs) is not None


def describe_end(job: str) -> str:
    """How a job ended, by accounting or, if there is none, by the controller."""
    output = _output_of("sacct", "-n", "-X", "-P", "-j", job, "-o", "State,ExitCode")
    if output and output.strip():
        state, _, code = output.strip().splitlines()[-1].partition("|")
        return f"{state}, exit code {code}"
    match = re.search(r"JobState=(\S+).* ExitCode=(\S+)", _output_of("scontrol", "-o", "show", "job", job) or "")
    return f"{match[1]}, exit code {match[2]}" if match else "cause unknown: SLURM has no accounting here"


def _output_of(*command: str) -> str | None:
    """The output of a command, or None if it does not exist, fails or does not answer."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
