"""Limits of a cluster: on a real one with arrays of at most 4 jobs and at most 3 submitted jobs per user."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from job_functions import leave
from test_cluster import DEMO, ROOT, outcomes, run, states, until

from benchmarks.execution import launches
from benchmarks.run import main
from slurm import Outcome, list_jobs, max_array_size

pytestmark = [pytest.mark.slurm, pytest.mark.slow]
SCRIPT = ROOT / "slurm" / "devcluster.sh"
MAX_JOBS = 3
TABLE = [*DEMO, "--seeds", "6", "--cluster", "slurm"]  # 12 runs


@pytest.fixture(scope="module")
def limited_cluster():
    """The configuration of the cluster; each process of a test run starts its own."""
    parent = Path(tempfile.mkdtemp(prefix="limits-test-"))  # pytest's folders are too long for sockets
    environment = {**os.environ, "AE_BENCH_DEVCLUSTER": str(parent / "cluster")}
    limits = ["--max-array-size", "4", "--max-submit-jobs", str(MAX_JOBS)]
    try:
        subprocess.run([SCRIPT, "start", *limits], env=environment, check=True, capture_output=True, timeout=120)
        yield parent / "cluster" / "slurm.conf"
    finally:
        subprocess.run([SCRIPT, "stop"], env=environment, check=True, timeout=60)
        shutil.rmtree(parent)


@pytest.fixture
def limited(cluster, limited_cluster, tmp_path, monkeypatch):
    """A folder for results, whose jobs go to the cluster with limits. `cluster` skips the test where no SLURM is."""
    monkeypatch.setenv("SLURM_CONF", str(limited_cluster))
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parent}:{ROOT / 'tests' / 'support'}:{ROOT}")
    monkeypatch.setattr("slurm.follow.QUEUE_SECONDS", 1.0)
    yield tmp_path
    subprocess.run(["scancel", "--user", str(os.getuid())], check=True)
    until(lambda: not list_jobs())


def set_limits(*words):
    subprocess.run(["sacctmgr", "-i", "modify", *words], check=True, capture_output=True)


def test_every_item_gets_a_job_in_the_end(limited):
    jobs, messages = {}, []
    items = [*range(1, 13)]
    found = outcomes(leave, items, limited, on_submitted=jobs.update, report=messages.append)
    assert found == {x: Outcome(x, x * x, None) for x in items}
    assert sorted(x for group in jobs.values() for x in group) == items
    assert messages == [
        "SLURM takes no more jobs now (QOSMaxSubmitJobPerUserLimit): 9 of 12 runs wait until it takes more"
    ]
    assert max_array_size() == 4
    folders = [*limited.glob("jobs/slurm-*/*")]
    assert len(folders) == len({job.split("_")[0] for job in jobs}), "nothing is left of refused arrays"


def test_an_array_is_not_longer_than_the_cluster_allows(limited):
    set_limits("qos", "normal", "set", "MaxSubmitJobsPerUser=-1")
    try:
        jobs = {}
        outcomes(leave, [*range(6)], limited, on_submitted=jobs.update)
    finally:
        set_limits("qos", "normal", "set", f"MaxSubmitJobsPerUser={MAX_JOBS}")
    lengths = [sum(job.startswith(f"{number}_") for job in jobs) for number in {job.split("_")[0] for job in jobs}]
    assert sorted(lengths) == [2, 4]


def test_jobs_of_other_programs_count_and_their_end_is_noticed(limited, monkeypatch):
    """The queue has none of our jobs then, so that none of ours can end."""
    monkeypatch.setattr("slurm.submission.PROBE_SECONDS", 1.0)
    for _ in range(MAX_JOBS):
        subprocess.run(["sbatch", "--output=/dev/null", "--wrap=sleep 5"], check=True, capture_output=True)
    found = outcomes(leave, [1, 2, 3, 4, 5], limited)
    assert {x: outcome.value for x, outcome in found.items()} == {1: 1, 2: 4, 3: 9, 4: 16, 5: 25}


def test_a_limit_that_can_never_be_met_is_an_error(limited):
    set_limits("qos", "normal", "set", "MaxSubmitJobsPerUser=0")
    try:
        found = outcomes(leave, [1, 2], limited)
    finally:
        set_limits("qos", "normal", "set", f"MaxSubmitJobsPerUser={MAX_JOBS}")
    assert [outcome.ran for outcome in found.values()] == [False, False]
    assert "QOSMaxSubmitJobPerUserLimit" in found[1].error


def test_another_violated_limit_is_no_reason_to_wait(limited):
    set_limits("qos", "normal", "set", "MaxWallDurationPerJob=1", "Flags=DenyOnLimit")
    try:
        found = outcomes(leave, [1, 2], limited)
    finally:
        set_limits("qos", "normal", "set", "MaxWallDurationPerJob=-1", "Flags=-1")
    assert [outcome.ran for outcome in found.values()] == [False, False]
    assert "QOSMaxWallDurationPerJobLimit" in found[1].error


def test_a_table_whose_launcher_was_interrupted_ends_complete(limited, short_demo, monkeypatch):
    """By Ctrl-C, then by SIGKILL; the jobs go on, and the next launcher follows them and submits the rest."""
    (limited / "resources.toml").write_text('["*/*"]\nseeds = 2\n')  # 6 jobs of 2 runs
    monkeypatch.setenv("AE_BENCH_RESOURCES", str(limited / "resources.toml"))
    where = ["--results", str(limited / "out")]
    for how, done in ((signal.SIGINT, 1), (signal.SIGKILL, 4)):
        process = run(*TABLE, *where)
        until(lambda done=done: len(states(limited / "out")) >= done)
        process.send_signal(how)
        printed = process.communicate()[0]
        assert process.returncode != 0
        if how == signal.SIGINT:
            assert "the same command waits for them again and submits the other" in printed
        assert len(states(limited / "out")) < 12
    process = run(*TABLE, *where)
    printed = process.communicate()[0]
    assert process.returncode == 0, printed
    assert [record["status"] for record in states(limited / "out").values()] == ["done"] * 12
    jobs = [keys for launch in launches.launches(limited / "out").values() for keys in launch["jobs"].values()]
    assert sorted(key for keys in jobs for key in keys) == sorted(states(limited / "out")), "each was submitted once"
    assert len(jobs) == 6


@pytest.mark.full
def test_no_wait_leaves_a_launcher_that_submits_the_rest(limited, capsys):
    where = ["--results", str(limited / "out")]
    command = [*TABLE, "--set", "epochs=1", *where]  # the launcher in the background has no `short_demo`
    assert main([*command, "--no-wait"]) == 0
    printed = capsys.readouterr().out
    assert "9 of 12 runs wait until it takes more" in printed
    assert "a launcher in the background submits the rest" in printed
    until(lambda: len(launches.launches(limited / "out")) == 2)
    assert main(["status", *where]) == 0
    assert "neither a job nor a launcher" not in capsys.readouterr().out
    until(lambda: len(states(limited / "out")) == 12, seconds=240)
    until(lambda: (limited / "out" / "tables" / "table1.md").exists())
    log = next((limited / "out" / "jobs").glob("launcher-*.log")).read_text()
    assert "[12/12" in log
