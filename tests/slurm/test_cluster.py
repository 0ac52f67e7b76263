"""Jobs on a real SLURM cluster of two nodes. The tests are skipped if there is none."""

import functools
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from job_functions import die, die_once, leave, meet_in_turns, slow
from trials import numbers

from benchmarks.experiments import records
from benchmarks.run import main
from slurm import Outcome, Resources, SlurmOptions, launch, list_jobs

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slurm
SMALL = Resources(minutes=5)


def square(x: int, folder: Path) -> int | None:
    path = folder / f"{x}.txt"
    return int(path.read_text()) if path.exists() else None


@pytest.fixture
def results(cluster, tmp_path, monkeypatch):
    """A folder for results. Jobs can import the functions of this module, and squeue is called often."""
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parent}:{ROOT / 'tests' / 'support'}:{ROOT}")
    monkeypatch.setattr("slurm.follow.QUEUE_SECONDS", 1.0)
    return tmp_path


def slurm_options(folder, resources_of=lambda x: SMALL, **changes):
    options = {
        "folder": folder / "jobs",
        "group_key": lambda x: "all",
        "resources_of": resources_of,
        "find_result": lambda x: square(x, folder),
        "is_running": lambda x: False,
        "on_submitted": lambda jobs: None,
        "existing_jobs": {},
    }
    return SlurmOptions(**{**options, **changes})


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def outcomes(fn, items, folder, retries=0, **changes):
    fn = functools.partial(fn, folder=folder)
    return {
        o.item: o for o in launch(fn, items, cluster="slurm", retries=retries, slurm=slurm_options(folder, **changes))
    }


def test_items_share_jobs_and_jobs_with_equal_resources_share_an_array(results):
    jobs = {}
    needs = Resources(minutes=5, seeds=2)
    found = outcomes(leave, [1, 2, 3, 4, 5], results, resources_of=lambda x: needs, on_submitted=jobs.update)
    assert found == {x: Outcome(x, x * x, None) for x in (1, 2, 3, 4, 5)}
    assert [*jobs.values()] == [[1, 2], [3, 4], [5]]
    assert len({job.split("_")[0] for job in jobs}) == 1


def test_a_job_runs_its_items_at_once(results):
    needs = Resources(minutes=5, seeds=3)
    found = outcomes(meet_in_turns, [1, 2, 3], results, resources_of=lambda x: needs, at_once=lambda x: 3)
    assert found == {x: Outcome(x, x * x, None) for x in (1, 2, 3)}


@pytest.fixture
def no_accounting(tmp_path, monkeypatch):
    """A sacct that fails, as on a cluster without accounting."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sacct").write_text("#!/bin/sh\nexit 1\n")
    (folder / "sacct").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.slow
def test_a_killed_job_is_noticed_without_accounting_and_resubmitted(results, no_accounting):
    assert outcomes(die_once, [1, 2], results, retries=1) == {x: Outcome(x, x * x, None) for x in (1, 2)}


@pytest.mark.slow
def test_a_job_that_always_dies_is_reported_and_given_up(results, no_accounting):
    messages = []
    found = outcomes(die, [1, 2], results, retries=1, report=messages.append)
    assert found[1].value == 1
    assert re.fullmatch(r"SLURM job \d+ ended without a record \(FAILED.*137.*\)", found[2].error)
    assert messages[0].endswith("submitted again")
    assert re.search(r"; the last line of its log: .", messages[1]), (
        "printed, but not in the outcome, as it may contain a host name"
    )


@pytest.mark.parametrize("name", ["a b'c\"d", "$(touch x)#`id`", "{é,~}&|;<>*?[!"])
def test_a_results_folder_may_have_an_odd_name(results, name):
    (results / name).mkdir()
    assert outcomes(leave, [1, 2], results / name) == {x: Outcome(x, x * x, None) for x in (1, 2)}
    assert len([*(results / name).glob("jobs/slurm-*/*/*_log.out")]) == 2
    assert [path.name for path in results.iterdir()] == [name]


def test_only_the_submitter_can_open_the_folder_from_which_jobs_are_unpickled(results):
    outcomes(leave, [1, 2], results)
    (folder,) = (results / "jobs").glob("slurm-*")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(folder in path.parents for path in results.rglob("*.pkl"))


def test_a_refused_job_is_reported_and_others_run(results):
    rows = {1: SMALL, 2: Resources(partition="nowhere")}
    found = outcomes(leave, [1, 2], results, group_key=lambda x: x, resources_of=lambda x: rows[x])
    assert found[1].value == 1
    assert not found[2].ran
    assert re.search(r"refused the job: .*invalid partition.*'nowhere'.*slurm/resources.py", found[2].error)


def test_jobs_of_an_earlier_launcher_are_followed_and_not_resubmitted(results):
    jobs = {}
    assert outcomes(slow, [1, 2], results, wait=False, on_submitted=jobs.update) == {}
    adopted = dict(enumerate(jobs))
    fail = functools.partial(pytest.fail, "submitted again")
    found = outcomes(slow, [1, 2], results, existing_jobs=adopted, on_submitted=lambda jobs: fail())
    assert {x: o.value for x, o in found.items()} == {1: 1, 2: 4}


def test_a_job_that_can_never_start_is_given_up_and_others_run(results):
    rows = {1: SMALL, 2: Resources(minutes=100_000)}  # SLURM accepts it, but it can never start
    found = outcomes(leave, [1, 2], results, group_key=lambda x: x, resources_of=lambda x: rows[x])
    assert found[1].value == 1
    assert not found[2].ran
    why = r"refused the job: pending, PartitionTimeLimit .*minutes 100000.*slurm/resources.py"
    assert re.search(why, found[2].error)
    until(lambda: not list_jobs())  # it was cancelled


def test_a_job_that_slurm_requeued_and_holds_is_resubmitted(results):
    """SLURM does this if a node could not start the job."""
    jobs, messages = [], []

    def submitted(new):
        jobs.extend(new)
        if len(jobs) == 1:
            until(lambda: "running" in (list_jobs() or {}).values())
            subprocess.run(["scontrol", "requeuehold", jobs[0]], check=True)

    slept = functools.partial(outcomes, slow, [1], results, retries=1, report=messages.append)
    assert slept(on_submitted=submitted) == {1: Outcome(1, 1, None)}
    assert len(jobs) == 2
    assert "submitted again" in messages[0]


def test_a_job_that_a_user_holds_is_reported_and_followed(results):
    subprocess.run(["scontrol", "update", "partition=low", "state=down"], check=True)
    try:
        jobs, messages = [], []
        outcomes(leave, [1], results, wait=False, on_submitted=jobs.extend)
        subprocess.run(["scontrol", "hold", jobs[0]], check=True)
    finally:
        subprocess.run(["scontrol", "update", "partition=low", "state=up"], check=True)

    def tell(line):
        messages.append(line)
        subprocess.run(line.split("`")[1].split(), check=True)  # run the command in the message

    found = outcomes(leave, [1], results, existing_jobs={0: jobs[0]}, report=tell)
    assert found == {1: Outcome(1, 1, None)}
    assert len(messages) == 1
    assert re.search(rf"SLURM job {jobs[0]} is held: pending, JobHeld", messages[0])


DEMO = ["table1", "--preset", "demo", "--only", "rae-gmm,vae", "--seeds", "2", "--images", "500"]


def run(*arguments):
    command = [sys.executable, "-m", "short_demo", *arguments]
    # A shell's background job ignores SIGINT, and its children would too.
    restore = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=restore
    )


def states(folder):
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("records/*.json")}


@pytest.mark.slow
def test_jobs_on_two_nodes_give_the_bits_of_runs_in_this_process(results, short_demo, monkeypatch, capsys):
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'tests' / 'support'}:{ROOT}")
    process = run(*DEMO, "--cluster", "slurm", "--results", str(results / "slurm"))
    nodes = set()
    while process.poll() is None:
        nodes |= set(subprocess.run(["squeue", "-h", "-o", "%N"], capture_output=True, text=True).stdout.split())
        time.sleep(0.1)
    printed = process.communicate()[0]
    assert process.returncode == 0, printed
    assert nodes == {"n1", "n2"}
    assert main([*DEMO, "--cluster", "inline", "--results", str(results / "inline")]) == 0
    ours, reference = states(results / "slurm"), states(results / "inline")
    assert len(ours) == 4
    assert {key: numbers(record) for key, record in ours.items()} == {k: numbers(r) for k, r in reference.items()}
    jobs = {record["provenance"]["slurm_job"] for record in ours.values()}
    assert len(jobs) == 4
    assert all(re.fullmatch(r"\d+_\d", job) for job in jobs)
    for name in ("table1.csv", "table1.tex"):
        assert (results / "slurm/tables" / name).read_bytes() == (results / "inline/tables" / name).read_bytes()


@pytest.mark.slow
def test_status_cancel_and_retry_of_submitted_runs(results, short_demo, monkeypatch, capsys):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    where = ["--results", str(results / "out")]
    assert main([*DEMO, "--cluster", "slurm", "--no-wait", *where]) == 0
    assert main(["status", *where]) == 0
    out = capsys.readouterr().out
    assert "SLURM: " in out
    assert "neither a job nor a launcher" not in out
    assert main(["cancel", *where]) == 0
    until(lambda: not list_jobs())
    assert main(["status", *where]) == 0
    assert "neither a job nor a launcher" in capsys.readouterr().out
    assert main(["retry", "--cluster", "inline", *where]) == 0
    runs, _ = records.read(results / "out")
    assert [*runs.drop_duplicates("key")["status"]] == ["done"] * 4


def test_dry_run_prints_the_jobs_and_their_resources(results, capsys):
    assert main([*DEMO, "--cluster", "slurm", "--dry-run", "--results", str(results / "out")]) == 0
    out = capsys.readouterr().out
    assert "SLURM: 4 jobs with 4 runs" in out
    assert "60 min, 0 GPUs, 1 CPUs" in out
    assert not (results / "out").exists()


def test_a_command_fails_if_slurm_refuses_all_of_its_jobs(results, monkeypatch, capsys):
    (results / "resources.toml").write_text('["*/digits"]\npartition = "nowhere"\n')
    monkeypatch.setenv("AE_BENCH_RESOURCES", str(results / "resources.toml"))
    assert main([*DEMO, "--cluster", "slurm", "--results", str(results / "out")]) == 2
    printed = capsys.readouterr()
    assert "SLURM accepted none of 4 runs" in printed.err
    assert "invalid partition" in printed.out
    assert not [*(results / "out").glob("records/*")]


@pytest.mark.parametrize(("reason", "raised"), [(OSError("disk full"), False), (KeyboardInterrupt("run cancel"), True)])
def test_jobs_that_cannot_be_recorded_are_cancelled(results, reason, raised):
    """No later command could follow or cancel them."""

    def fail(jobs):
        raise reason

    if raised:
        with pytest.raises(KeyboardInterrupt):
            outcomes(slow, [1, 2], results, on_submitted=fail)
    else:
        found = outcomes(slow, [1, 2], results, on_submitted=fail)
        assert [o.ran for o in found.values()] == [False, False]
        assert "could not be recorded: disk full" in found[1].error
    until(lambda: not list_jobs())
    assert not [*results.glob("*.txt")]
