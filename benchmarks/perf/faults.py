"""Breaks what can break while trainings run, and counts what is lost: `python -m benchmarks.perf.faults`.

Every fault has a results folder of its own, the same few short trainings on scikit-learn's digits, and the same
end: the table must be the undisturbed one, byte for byte, and so must every number of every record.  Faults of
SLURM need the cluster that `slurm/devcluster.sh start` makes; the full disk needs the right to mount.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from benchmarks.experiments import checkpoint, provenance, records

ROOT = Path(__file__).resolve().parents[2]
MODELS = "rae-gmm,vae"
SEEDS, MORE_SEEDS = 2, 4  # trainings of each model; more where many workers die or jobs must take long
ANEW = "anew"  # noted beside a training whose results were removed on purpose
LONGEST = 900.0  # seconds for one launch
COLUMNS = ("fault", "trainings", "attempts", "launches", "records", "lost", "duplicated", "table_equal",
           "numbers_equal", "seconds")  # fmt: skip


class Skip(Exception):
    """Why a fault cannot be tried here."""


class Launcher:
    """`benchmarks.run table1` on one results folder, as often as it takes."""

    def __init__(self, results: Path, seeds: int, cluster: str, resources: Mapping[str, Any] | None = None):
        self.results, self.seeds, self.cluster, self.count = results, seeds, cluster, 0
        # States are saved every second here: a training takes seconds, and going on from a state is to be seen.
        self.environment = {**os.environ, "AE_BENCH_SAVE_SECONDS": "1", "PYTHONPATH": str(ROOT)}
        if resources is not None:
            path = results.parent / f"{results.name}.toml"
            path.write_text('["*/*"]\n' + "".join(f"{n} = {json.dumps(v)}\n" for n, v in resources.items()))
            self.environment["AE_BENCH_RESOURCES"] = str(path)

    def start(self) -> subprocess.Popen[bytes]:
        """Begin to run what is missing."""
        self.count += 1
        command = [sys.executable, "-m", "benchmarks.run", "table1", "--preset", "demo", "--only", MODELS,
                   "--seeds", str(self.seeds), "--cluster", self.cluster, "--device", "cpu",
                   "--results", str(self.results)]  # fmt: skip
        self.results.parent.mkdir(parents=True, exist_ok=True)
        with (self.results.parent / f"{self.results.name}.log").open("ab") as log:
            return subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)

    def finish(self, process: subprocess.Popen[bytes] | None = None) -> None:
        """Wait for a launch, and launch again until nothing is missing, as a user would: 20 times at most."""
        for _ in range(20):
            process = process or self.start()
            if process.wait(LONGEST) == 0:
                return
            process = None
        raise RuntimeError(f"not finished after {self.count} launches; see {self.results.name}.log")

    def when(self, condition: Callable[[], bool], seconds: float = 120.0) -> None:
        """Wait for something to be there."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError(f"waited in vain; see {self.results.name}.log")
            time.sleep(0.05)

    def begin(self) -> subprocess.Popen[bytes]:
        """Begin, and wait until two trainings have something saved to go on from."""
        process = self.start()
        self.when(lambda: len([*self.results.glob("runs/*/state.pt")]) == 2)
        return process


def kills(folder: Path, count: int) -> Launcher:
    """SIGKILL of a worker at random moments."""
    run = Launcher(folder, MORE_SEEDS if count > SEEDS * 5 else SEEDS, "local")
    dice = random.Random(0)
    process = run.start()
    killed = 0
    while killed < count:
        moment = time.monotonic() + dice.uniform(0.2, 8.0)
        while time.monotonic() < moment or not (at_work := _workers(folder) & {*_children(process.pid)}):
            time.sleep(0.05)
            if process.poll() is None:
                continue
            if process.returncode == 0:  # all done before the last kill: train all again
                for path in [*folder.glob("records/*.json"), *folder.glob("runs/*/*.pt")]:
                    path.unlink()
                for path in folder.glob("runs/*"):
                    checkpoint.note(path, ANEW)
            process = run.start()
        victim = dice.choice(sorted(at_work))
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
            killed += 1
            while victim in _children(process.pid):  # until its launcher has seen it
                time.sleep(0.05)
    run.finish(process)
    return run


def launcher_killed(folder: Path, count: int) -> Launcher:
    """SIGKILL of the launcher while both workers train."""
    run = Launcher(folder, SEEDS, "local")
    process = run.begin()
    process.kill()
    process.wait()
    run.finish()
    return run


def two_launchers(folder: Path, count: int) -> Launcher:
    """Two launchers at once."""
    run = Launcher(folder, SEEDS, "local")
    processes = [run.start(), run.start()]
    for process in processes:
        if process.wait(LONGEST):
            raise RuntimeError(f"a launcher failed; see {folder.name}.log")
    return run


def disk_full(folder: Path, count: int) -> Launcher:
    """No space left when the first records are written."""
    folder.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as reason:
        raise Skip(f"a small file system cannot be mounted: {reason}") from None
    run = Launcher(folder, SEEDS, "local")
    process = run.begin()
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    process.wait(LONGEST)
    full = [json.loads(_read(path))["status"] for path in folder.glob("records/*.json")]
    if process.returncode == 0 or "done" in full:
        raise RuntimeError("the disk was not full when it should have been")
    filler.unlink()
    run.finish()
    return run


# --- on SLURM


def preempted(folder: Path, count: int) -> Launcher:
    """A job of a higher partition takes both nodes away."""
    run = _slurm(folder, {"partition": "low", "seeds": MORE_SEEDS}, MORE_SEEDS)
    process = run.begin()
    _say("sbatch", "--partition=high", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=sleep 3")
    run.finish(process)
    logs = "".join(_read(path) for path in folder.glob("jobs/*_log.out"))
    if "PREEMPTION" not in logs:
        raise RuntimeError("no job was pre-empted")
    return run


def time_limit(folder: Path, count: int) -> Launcher:
    """Jobs of several trainings reach their time limit, and go on."""
    # Told to end 75 of 120 seconds before it, a job has 45 seconds for its trainings.
    run = _slurm(folder, {"partition": "low", "minutes": 2, "signal_s": 75, "seeds": MORE_SEEDS}, MORE_SEEDS)
    run.finish()
    logs = "".join(_read(path) for path in folder.glob("jobs/*_log.out"))
    if "Requeued job" not in logs:
        raise RuntimeError("no job reached its limit")
    return run


def node_lost(folder: Path, count: int) -> Launcher:
    """A node's slurmd and all that runs there end."""
    run = _slurm(folder, {"partition": "low"})
    process = run.begin()
    cluster = Path(os.environ["SLURM_CONF"]).parent
    daemon = int(_read(cluster / "slurmd-n2.pid"))
    os.kill(daemon, signal.SIGKILL)
    for pid in [int(path.name) for path in Path("/proc").glob("[0-9]*")]:
        if "SLURMD_NODENAME=n2\0" in _read(f"/proc/{pid}/environ") or f"{cluster}" in _read(f"/proc/{pid}/cmdline"):
            name = _read(f"/proc/{pid}/comm").strip()
            if name == "python" or (name == "slurmstepd" and "n2" in _read(f"/proc/{pid}/environ")):
                os.kill(pid, signal.SIGKILL)
    run.finish(process)
    subprocess.run(["slurmd", "-N", "n2"], check=True, env={**os.environ, "PATH": _path()})
    return run


def controller_restarted(folder: Path, count: int) -> Launcher:
    """slurmctld is killed and comes back ten seconds later."""
    run = _slurm(folder, {"partition": "low"})
    process = run.begin()
    cluster = Path(os.environ["SLURM_CONF"]).parent
    os.kill(int(_read(cluster / "slurmctld.pid")), signal.SIGKILL)
    time.sleep(10)
    subprocess.run(["slurmctld"], check=True, env={**os.environ, "PATH": _path()}, stdout=subprocess.DEVNULL)
    run.finish(process)
    return run


def job_killed(folder: Path, count: int) -> Launcher:
    """SIGKILL of two jobs, which SLURM does not requeue."""
    run = _slurm(folder, {"partition": "low"})
    process = run.begin()
    for job in _say("squeue", "-h", "-r", "-t", "RUNNING", "-o", "%i").split():
        _say("scancel", "--signal=KILL", "--full", job)
    run.finish(process)
    return run


def slurm_launcher_killed(folder: Path, count: int) -> Launcher:
    """SIGKILL of a launcher whose jobs go on; the next one waits for them."""
    run = _slurm(folder, {"partition": "low"})
    process = run.begin()
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
        raise Skip("no cluster of slurm/devcluster.sh here")
    return Launcher(folder, seeds, "slurm", {"gpus": 0, "cpus": 1, "memory_gb": 1, "minutes": 30, **resources})


def _say(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def _path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def _read(path: Path | str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _workers(folder: Path) -> set[int]:
    """Processes that are at a training."""
    claims = [_read(path) for path in folder.glob("runs/*/claim.json")]
    return {int(json.loads(text)["pid"]) for text in claims if text.endswith("}")}


def _children(pid: int) -> list[int]:
    return [int(child) for child in _read(f"/proc/{pid}/task/{pid}/children").split()]


# --- what is left


def numbers(record: Mapping[str, Any]) -> Any:
    """All that must be equal in two records of one training: everything but clocks and places."""
    epochs = [{name: v for name, v in row.items() if name != "seconds"} for row in record["epochs"]]
    return record["status"], epochs, [e["values"] for e in record["evaluations"]], record["diagnostics"]


def undisturbed(whole: Path, folder: Path, seeds: int) -> tuple[bytes, dict[str, Any]]:
    """The table as it should be, and the numbers of its records.

    Args:
        whole: results of an undisturbed run with `MORE_SEEDS` trainings of each model.
        folder: for the results of a run with fewer.
        seeds: how many.
    """
    some = Launcher(folder / f"undisturbed-{seeds}", seeds, "inline")
    shutil.copytree(whole / "records", some.results / "records", dirs_exist_ok=True)
    some.finish()
    found = {path.stem: numbers(json.loads(_read(path))) for path in some.results.glob("records/*.json")}
    return (some.results / "tables" / "table1.csv").read_bytes(), found


def count_up(name: str, run: Launcher, table: bytes, expected: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """One row: what was started, what there is in the end, and whether it is what it should be."""
    wanted = len(MODELS.split(",")) * run.seeds
    there = {path.stem: json.loads(_read(path)) for path in run.results.glob("records/*.json")}
    logs = [_read(path).splitlines() for path in run.results.glob("runs/*/attempts.txt")]
    return {
        "fault": name,
        "trainings": wanted,
        "attempts": sum(line.split()[1] == "begin" for lines in logs for line in lines),
        "launches": run.count,
        "records": len(there),
        "lost": wanted - sum(record["status"] == "done" for record in there.values()),
        "duplicated": sum(map(done_twice, logs)),
        "table_equal": (run.results / "tables" / "table1.csv").read_bytes() == table,
        "numbers_equal": all(numbers(record) == expected[key] for key, record in there.items()),
        "seconds": round(seconds, 1),
    }


def done_twice(lines: Sequence[str]) -> int:
    """How often work on one training was done twice, by the lines of its attempts.txt.

    That is: it was trained from scratch although it had been done (or had diverged) before, or an attempt began while
    another one, which came to its end, was under way.
    """
    anew, ended, spans = 0, False, list[tuple[float, float, tuple[str, ...]]]()
    begun: dict[tuple[str, ...], float] = {}
    starts = []
    for at, what, *who in (line.split() for line in lines):
        if what == "begin":
            begun[tuple(who)] = float(at)
            starts.append((float(at), tuple(who)))
        elif what == "train":
            anew += ended
        elif what == ANEW:
            ended = False
        elif what != "resume":
            ended = what != "failed"  # what has failed, as on a full disk, left nothing that is done again
            spans.append((begun.get(tuple(who), 0.0), float(at), tuple(who)))
    return anew + sum(a < at < b and who != owner for a, b, owner in spans for at, who in starts)


def write(folder: Path, row: Mapping[str, Any], count: int) -> None:
    """Put one fault's row into faults.json, with where it was made, and into faults.csv."""
    path = folder / "faults.json"
    there = {old["fault"]: old for old in (json.loads(_read(path)) if path.is_file() else [])}
    told = {**provenance.describe(torch.device("cpu")), "slurm": _version(), "kills": count, "models": MODELS}
    there[row["fault"]] = {**row, "provenance": told}
    rows = [there[name] for name in FAULTS if name in there]
    records.write_text(path, json.dumps(rows, indent=1) + "\n")
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    records.write_text(folder / "faults.csv", text.getvalue())


def _version() -> str | None:
    if shutil.which("sbatch") is None:
        return None
    return subprocess.run(["sbatch", "--version"], capture_output=True, text=True).stdout.strip() or None


def main() -> int:
    """Try the faults and write what came of them; 1 where anything was lost, done twice or changed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.perf.faults", description=__doc__)
    parser.add_argument("--only", default=",".join(FAULTS), help="faults (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=50, help="workers to kill (%(default)s)")
    parser.add_argument("--out", type=Path, help="folder for faults.csv and faults.json; other faults' rows stay")
    parser.add_argument("--undisturbed", type=Path, metavar="DIR", help="results of an earlier undisturbed run")
    given = parser.parse_args()
    names = given.only.split(",")
    if unknown := [name for name in names if name not in FAULTS]:
        parser.error(f"unknown fault {', '.join(unknown)}. Known: {', '.join(FAULTS)}")
    folder = Path(tempfile.mkdtemp(prefix="ae-bench-faults-"))
    rows: list[dict[str, Any]] = []
    unfinished: list[str] = []
    if given.undisturbed is None:
        Launcher(folder / "undisturbed", MORE_SEEDS, "inline").finish()
    whole = given.undisturbed or folder / "undisturbed"
    print(" ".join(f"{name:>21}" if name == "fault" else f"{name:>13}" for name in COLUMNS), flush=True)
    for name in names:
        results, started = folder / name, time.monotonic()
        try:
            run = FAULTS[name](results, given.kills)
            seconds = time.monotonic() - started
            row = count_up(name, run, *undisturbed(whole, folder, run.seeds), seconds)
        except Skip as why:
            print(f"{name:>21} skipped: {why}", flush=True)
            continue
        except (RuntimeError, OSError, subprocess.SubprocessError) as why:
            unfinished.append(name)
            print(f"{name:>21} came to no end: {why}", flush=True)
            continue
        finally:
            if os.path.ismount(results):
                subprocess.run(["umount", "-l", results], check=False)
        rows.append(row)
        print(" ".join(f"{row[c]:>21}" if c == "fault" else f"{row[c]!s:>13}" for c in COLUMNS), flush=True)
        if given.out:
            write(given.out, row, given.kills)
    bad = [r["fault"] for r in rows if r["lost"] or r["duplicated"] or not (r["table_equal"] and r["numbers_equal"])]
    if bad or unfinished:
        print(f"lost, done twice, changed or without an end: {', '.join([*bad, *unfinished])}; files are in {folder}")
        return 1
    print(f"{len(rows)} faults: nothing lost, nothing done twice, nothing changed")
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
