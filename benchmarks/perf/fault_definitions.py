"""The injected faults: killed processes, a full disk, lost nodes, preemption, and others."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.experiments import log

ROOT = Path(__file__).resolve().parents[2]
MODELS = "rae-gmm,vae"
SEEDS, MANY_SEEDS = 2, 4  # runs per model; MANY_SEEDS for many killed workers and for long jobs
RESTARTED = "anew"  # event in attempts.txt of a run whose results were removed on purpose
LAUNCH_TIMEOUT = 900.0  # time limit of one launch in seconds


class FaultUnavailable(Exception):
    """A fault cannot be injected here. The message says why."""


class Launcher:
    """Starts `benchmarks.run table1` on one results folder, again until all runs are done."""

    def __init__(self, results: Path, seeds: int, cluster: str, resources: Mapping[str, Any] | None = None):
        self.results, self.seeds, self.cluster, self.count = results, seeds, cluster, 0
        # Save states every second, because runs take only seconds and must be resumed.
        self.environment = {**os.environ, "AE_BENCH_SAVE_SECONDS": "1", "PYTHONPATH": str(ROOT)}
        if resources is not None:
            path = results.parent / f"{results.name}.toml"
            text = '["*/*"]\n' + "".join(f"{n} = {json.dumps(v)}\n" for n, v in resources.items())
            path.write_text(text, encoding="utf-8")
            self.environment["AE_BENCH_RESOURCES"] = str(path)

    def start(self) -> subprocess.Popen[bytes]:
        """Start a launcher process for the missing runs."""
        self.count += 1
        command = [sys.executable, "-m", "benchmarks.run", "table1", "--preset", "demo", "--only", MODELS,
                   "--seeds", str(self.seeds), "--cluster", self.cluster, "--device", "cpu",
                   "--results", str(self.results)]  # fmt: skip
        self.results.parent.mkdir(parents=True, exist_ok=True)
        with (self.results.parent / f"{self.results.name}.log").open("ab") as log:
            return subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)

    def finish(self, process: subprocess.Popen[bytes] | None = None) -> None:
        """Wait for a launch, and launch again until no run is missing, at most 20 times."""
        for _ in range(20):
            process = process or self.start()
            if process.wait(LAUNCH_TIMEOUT) == 0:
                return
            process = None
        raise RuntimeError(f"runs are still missing after {self.count} launches; see {self.results.name}.log")

    def wait_until(self, condition: Callable[[], bool], seconds: float = 120.0) -> None:
        """Wait until a condition holds.

        Raises:
            RuntimeError: it does not hold within `seconds`.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError(f"timed out after {seconds:.0f} s; see {self.results.name}.log")
            time.sleep(0.05)

    def start_and_wait_for_states(self) -> subprocess.Popen[bytes]:
        """Start a launcher process, and wait until two runs have saved a state."""
        process = self.start()
        self.wait_until(lambda: len([*self.results.glob("runs/*/state.pt")]) == 2)
        return process


def kills(folder: Path, count: int) -> Launcher:
    """Send SIGKILL to `count` workers, one after the other, at random times."""
    run = Launcher(folder, min(count, SEEDS) if count <= SEEDS * 5 else MANY_SEEDS, "local")
    generator = random.Random(0)
    process = run.start()
    killed = 0
    while killed < count:
        kill_time = time.monotonic() + generator.uniform(0.2, 8.0)
        while time.monotonic() < kill_time or not (at_work := worker_pids(folder) & {*child_pids(process.pid)}):
            time.sleep(0.05)
            if process.poll() is None:
                continue
            if process.returncode == 0:  # all runs are done before the last kill: start all again
                for path in [*folder.glob("records/*.json"), *folder.glob("runs/*/*.pt")]:
                    path.unlink()
                for path in folder.glob("runs/*"):
                    log.log_attempt(path, RESTARTED)
            process = run.start()
        victim = generator.choice(sorted(at_work))
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
            killed += 1
            while victim in child_pids(process.pid):  # until its launcher has noticed
                time.sleep(0.05)
    run.finish(process)
    return run


def launcher_killed(folder: Path, count: int) -> Launcher:
    """Send SIGKILL to the launcher while both workers train."""
    run = Launcher(folder, SEEDS, "local")
    process = run.start_and_wait_for_states()
    process.kill()
    process.wait()
    run.finish()
    return run


def two_launchers(folder: Path, count: int) -> Launcher:
    """Start two launchers at the same time."""
    run = Launcher(folder, SEEDS, "local")
    processes = [run.start(), run.start()]
    for process in processes:
        if process.wait(LAUNCH_TIMEOUT):
            raise RuntimeError(f"a launcher failed; see {folder.name}.log")
    return run


def disk_full(folder: Path, count: int) -> Launcher:
    """Fill the disk before the first records are written."""
    folder.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as reason:
        raise FaultUnavailable(f"cannot mount a small file system: {reason}") from None
    run = Launcher(folder, SEEDS, "local")
    process = run.start_and_wait_for_states()
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    process.wait(LAUNCH_TIMEOUT)
    statuses = [json.loads(read_text(path))["status"] for path in folder.glob("records/*.json")]
    if process.returncode == 0 or "done" in statuses:
        raise RuntimeError("a record was written, so the disk was not full in time")
    filler.unlink()
    run.finish()
    return run


# --- faults on SLURM


def preempted(folder: Path, count: int) -> Launcher:
    """Preempt both nodes by a job of a partition with a higher priority."""
    run = _slurm(folder, {"partition": "low", "seeds": MANY_SEEDS}, MANY_SEEDS)
    process = run.start_and_wait_for_states()
    _run_command("sbatch", "--partition=high", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=sleep 3")
    run.finish(process)
    logs = "".join(read_text(path) for path in folder.glob("jobs/**/*_log.out"))
    if "PREEMPTION" not in logs:
        raise RuntimeError("no job was preempted")
    return run


def time_limit(folder: Path, count: int) -> Launcher:
    """Let jobs of several runs reach their time limit, so that they are requeued."""
    # The signal comes 75 of 120 seconds before the limit, so a job has 45 seconds for its runs.
    run = _slurm(folder, {"partition": "low", "minutes": 2, "signal_s": 75, "seeds": MANY_SEEDS}, MANY_SEEDS)
    run.finish()
    logs = "".join(read_text(path) for path in folder.glob("jobs/**/*_log.out"))
    if "Requeued job" not in logs:
        raise RuntimeError("no job reached its time limit")
    return run


def node_lost(folder: Path, count: int) -> Launcher:
    """Kill the slurmd of a node and all processes of its jobs."""
    run = _slurm(folder, {"partition": "low"})
    process = run.start_and_wait_for_states()
    cluster = Path(os.environ["SLURM_CONF"]).parent
    daemon = int(read_text(cluster / "slurmd-n2.pid"))
    os.kill(daemon, signal.SIGKILL)
    for pid in [int(path.name) for path in Path("/proc").glob("[0-9]*")]:
        if "SLURMD_NODENAME=n2\0" in read_text(f"/proc/{pid}/environ") or f"{cluster}" in read_text(
            f"/proc/{pid}/cmdline"
        ):
            name = read_text(f"/proc/{pid}/comm").strip()
            if name == "python" or (name == "slurmstepd" and "n2" in read_text(f"/proc/{pid}/environ")):
                os.kill(pid, signal.SIGKILL)
    run.finish(process)
    subprocess.run(["slurmd", "-N", "n2"], check=True, env={**os.environ, "PATH": search_path()})
    return run


def controller_restarted(folder: Path, count: int) -> Launcher:
    """Kill slurmctld, and start it again ten seconds later."""
    run = _slurm(folder, {"partition": "low"})
    process = run.start_and_wait_for_states()
    cluster = Path(os.environ["SLURM_CONF"]).parent
    os.kill(int(read_text(cluster / "slurmctld.pid")), signal.SIGKILL)
    time.sleep(10)
    subprocess.run(["slurmctld"], check=True, env={**os.environ, "PATH": search_path()}, stdout=subprocess.DEVNULL)
    run.finish(process)
    return run


def job_killed(folder: Path, count: int) -> Launcher:
    """Send SIGKILL to two jobs. SLURM does not requeue them."""
    run = _slurm(folder, {"partition": "low"})
    process = run.start_and_wait_for_states()
    for job in _run_command("squeue", "-h", "-r", "-t", "RUNNING", "-o", "%i").split():
        _run_command("scancel", "--signal=KILL", "--full", job)
    run.finish(process)
    return run


def slurm_launcher_killed(folder: Path, count: int) -> Launcher:
    """Send SIGKILL to a launcher. Its jobs go on, and the next launcher waits for them."""
    run = _slurm(folder, {"partition": "low"})
    process = run.start_and_wait_for_states()
    process.kill()
    process.wait()
    run.finish()
    return run


FAULTS: dict[str, Callable[[Path, int], Launcher]] = {
    "kills": kills,
    "launcher-killed": launcher_killed,
    "two-launchers": two_launchers,
    "disk-full": disk_full,
    "preempted": preempted,
    "time-limit": time_limit,
    "job-killed": job_killed,
    "node-lost": node_lost,
    "controller-restarted": controller_restarted,
    "slurm-launcher-killed": slurm_launcher_killed,
}


def _slurm(folder: Path, resources: Mapping[str, Any], seeds: int = SEEDS) -> Launcher:
    conf = os.environ.get("SLURM_CONF")
    if not conf or not (Path(conf).parent / "slurmctld.pid").is_file():
        raise FaultUnavailable("no cluster here; start one by slurm/devcluster.sh start")
    return Launcher(folder, seeds, "slurm", {"gpus": 0, "cpus": 1, "memory_gb": 1, "minutes": 30, **resources})


def _run_command(*command: str) -> str:
    return subprocess.run(
        command, check=True, capture_output=True, encoding="utf-8", errors="replace", timeout=60
    ).stdout


def search_path() -> str:
    """$PATH, extended by the folders of system commands."""
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def read_text(path: Path | str) -> str:
    """The text of a file, or "" if it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def worker_pids(folder: Path) -> set[int]:
    """Ids of the processes that have claimed a run."""
    claims = [read_text(path) for path in folder.glob("runs/*/claim.json")]
    return {int(json.loads(text)["pid"]) for text in claims if text.endswith("}")}


def child_pids(pid: int) -> list[int]:
    """Ids of the children of a process."""
    return [int(child) for child in read_text(f"/proc/{pid}/task/{pid}/children").split()]
