"""Submit one array of SLURM jobs through submitit, which also requeues the jobs and keeps their logs."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import shutil
import sys
import time
import unicodedata
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import submitit

from slurm import scheduler
from slurm.resources import Resources

REPLACED_CHARACTERS = "%\\"  # those that submitit and SLURM replace in the paths of logs


class RefusedError(Exception):
    """SLURM or submitit did not take an array. The message says why, in one line."""


def find_path_error(path: Path) -> str | None:
    """Why a job script cannot name a path, or None if it can.

    The path becomes text of the job script, where a line break would begin a command.
    """
    text = str(path)
    shown = ascii(text)
    if any(unicodedata.category(character) == "Cc" for character in text):
        return f"SLURM jobs cannot use the path {shown}: it has a control character"
    if replaced := [character for character in REPLACED_CHARACTERS if character in text]:
        return f"SLURM jobs cannot use the path {shown}: SLURM replaces {' and '.join(replaced)} in paths of logs"
    if any(unicodedata.category(character) == "Cs" for character in text):
        return f"SLURM jobs cannot use the path {shown}: it is not valid text in this locale's encoding"
    return None


def submit_array(
    tasks: Sequence[Any], needs: Resources, jobs_folder: Path, environment: Mapping[str, str]
) -> list[str]:
    """Submit tasks as one array, or as a job if there is only one. Return the job id of each task.

    Args:
        tasks: what the jobs call, without arguments.
        needs: resources of each job.
        jobs_folder: the array gets a new folder in the private folder of this user there.
        environment: variables to set before Python starts.

    Raises:
        RefusedError: the array was not taken. Nothing of it is left.
    """
    folder: Path | None = None
    try:
        folder = _private_folder(jobs_folder) / f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:8]}"
        folder.mkdir(mode=0o700)
        # `JobTask` counts time-outs.
        executor = submitit.SlurmExecutor(folder, max_num_timeout=sys.maxsize, python=_python_command())
        executor.update_parameters(**_submitit_parameters(needs, environment))
        with contextlib.redirect_stderr(io.StringIO()):  # the exception has the same message
            return [job.job_id for job in executor.submit_array([*tasks])]
    except Exception as reason:  # errors of submitit and subprocess, or a full disk
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        message = " ".join(str(reason).replace("sbatch: error: ", "").split()) or type(reason).__name__
        raise RefusedError(message) from reason


def last_log_line(jobs_folder: Path, job: str) -> str:
    """The last line of a job's log; "" if there is none."""
    try:
        logs = sorted(jobs_folder.glob(f"slurm-*/*/{job}_0_log.out"), key=lambda path: path.stat().st_mtime)
        lines = logs[-1].read_text(encoding="utf-8", errors="replace").strip().splitlines() if logs else []
    except OSError:
        return ""
    return lines[-1] if lines else ""


def _private_folder(jobs_folder: Path) -> Path:
    """This user's folder for the tasks of jobs, which nobody else can open.

    Jobs unpickle their tasks from there, so whoever can write there runs code as this user.

    Raises:
        PermissionError: the folder is a link or another user's.
    """
    folder = jobs_folder / f"slurm-{os.getuid()}"
    jobs_folder.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} is a link or belongs to another user, who could replace the tasks of the "
                              "jobs. Remove it, or use another results folder")  # fmt: skip
    folder.chmod(0o700)
    return folder


def _python_command() -> str:
    """This Python, which searches the current folder for modules only if this process does.

    Else a module of the user's there, such as slurm.py, would replace one of the program's.
    """
    searches_current_folder = not {"", os.getcwd()}.isdisjoint(sys.path)
    return shlex.quote(sys.executable) + ("" if searches_current_folder else " -P")


def _submitit_parameters(needs: Resources, environment: Mapping[str, str]) -> dict[str, Any]:
    """The parameters that submitit takes for a job."""
    parameters: dict[str, Any] = {
        "job_name": scheduler.JOB_NAME,
        "time": needs.minutes,
        "cpus_per_task": needs.cpus,
        "signal_delay_s": needs.signal_s,
        "array_parallelism": needs.parallel,
        "stderr_to_stdout": True,
        # since SLURM 22.05, srun does not inherit it from sbatch
        "srun_args": [f"--cpus-per-task={needs.cpus}"],
        "setup": [f"export {name}={shlex.quote(value)}" for name, value in environment.items()],
        "additional_parameters": {"requeue": True},  # some clusters disable it by default
    }
    parameters |= {n: getattr(needs, n) for n in ("partition", "account", "qos", "constraint") if getattr(needs, n)}
    parameters |= {"mem": f"{needs.memory_gb}GB"} if needs.memory_gb else {}
    return parameters | ({"gpus_per_node": needs.gpus} if needs.gpus else {})
