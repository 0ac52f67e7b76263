"""The fits of the command `densities` as jobs of a real SLURM. The tests are skipped if there is none."""

import functools
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.run import main
from slurm import list_jobs

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ["densities", "--preset", "demo", "--on", "digits", "--autoencoder", "rae-gmm", "--seeds", "1",
           "--images", "500"]  # fmt: skip
pytestmark = [pytest.mark.slurm, pytest.mark.slow]


@pytest.fixture
def results(cluster, short_demo, tmp_path, monkeypatch):
    """A folder for results. squeue is called often, and a fit saves its state after each epoch."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'tests' / 'support'}:{ROOT}")
    monkeypatch.setenv("AE_BENCH_SAVE_SECONDS", "0")
    monkeypatch.setattr("slurm.follow.QUEUE_SECONDS", 1.0)
    return tmp_path


def start(*arguments):
    """The command in a process of its own, which does not ignore Ctrl-C."""
    restore = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen([sys.executable, "-m", "short_demo", *arguments], cwd=ROOT, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, preexec_fn=restore)  # fmt: skip


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def fits(folder):
    """The records of a folder's fits, by density."""
    found = [json.loads(path.read_text()) for path in folder.glob("densities/*.json")]
    return {record["density"]: record for record in found}


def numbers(record):
    """What two records of one fit have in common."""
    return record["key"], record["values"], [e["values"] for e in record["evaluations"]], record["status"]


def test_a_run_and_its_fits_in_jobs_give_the_numbers_of_this_process(results, capsys):
    command = [*COMMAND, "--density", "gaussian,gmm:10"]
    assert main([*command, "--cluster", "slurm", "--results", str(results / "slurm")]) == 0
    assert "2 fits to do, in SLURM jobs" in capsys.readouterr().out
    assert main([*command, "--cluster", "inline", "--results", str(results / "inline")]) == 0
    ours, reference = fits(results / "slurm"), fits(results / "inline")
    assert {name: numbers(record) for name, record in ours.items()} == {
        name: numbers(record) for name, record in reference.items()}  # fmt: skip
    assert {*ours} == {"gaussian", "gmm:10"}
    (job,) = {record["provenance"]["slurm_job"] for record in ours.values()}  # one job has all fits to a run
    assert re.fullmatch(r"\d+", job)
    assert {record["provenance"]["slurm_job"] for record in reference.values()} == {None}
    for name in ("slurm", "inline"):
        assert (results / name / "tables" / "densities.csv").stat().st_size > 0


def test_an_interrupted_command_follows_its_job_and_the_fit_of_a_killed_job_is_resumed(results):
    """The first command is interrupted by the keyboard; during the second one, the job is killed without notice."""
    command = [*COMMAND, "--density", "flow:epochs=500"]
    assert main([*command, "--cluster", "inline", "--results", str(results / "inline")]) == 0
    folder = results / "slurm"
    for name in ("runs", "records"):
        shutil.copytree(results / "inline" / name, folder / name)
    arguments = [*command, "--cluster", "slurm", "--results", str(folder)]
    first = start(*arguments)
    until(lambda: [*folder.glob("densities/*/state.pt")])
    first.send_signal(signal.SIGINT)
    assert "SLURM jobs keep running" in first.communicate(timeout=60)[0]
    (job,) = list_jobs()
    second = start(*arguments)
    until(lambda: len([*folder.glob("jobs/*.launch")]) == 2)
    time.sleep(2)  # the second launcher has asked for the jobs of the first one; the fit takes much longer
    assert [*list_jobs()] == [job]
    subprocess.run(["scancel", "--signal=KILL", "--full", job], check=True)
    printed = second.communicate(timeout=300)[0]
    assert second.returncode == 0, printed
    assert f"SLURM job {job} ended without a record" in printed
    assert numbers(fits(folder)["flow:epochs=500"]) == numbers(fits(results / "inline")["flow:epochs=500"])
    assert fits(folder)["flow:epochs=500"]["provenance"]["slurm_job"] != job


def test_a_command_fails_if_slurm_refuses_all_fits(results, finished_run, monkeypatch, capsys):
    (results / "resources.toml").write_text('["*/digits"]\npartition = "nowhere"\n')
    monkeypatch.setenv("AE_BENCH_RESOURCES", str(results / "resources.toml"))
    folder = shutil.copytree(finished_run, results / "out")
    command = [*COMMAND[:-2], "--density", "gaussian", "--cluster", "slurm", "--results", str(folder)]
    assert main(command) == 2
    printed = capsys.readouterr()
    assert "SLURM accepted none of 1 fits" in printed.err
    assert "not submitted: SLURM refused the job" in printed.out
    assert not fits(folder)
