"""Launch files of a results folder: waiting jobs, live launchers, and runs that are still to be done."""

import json
import os
import threading
import time
import warnings
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trials import job, trial

from benchmarks.execution import launcher, launches, locks, status
from benchmarks.execution.worker import run_job
from benchmarks.experiments import records
from benchmarks.run import main

COMMAND = {"what": "table1", "options": {"seeds": "2", "cluster": "auto", "results": "a"}}

CELL = {"model": "vae", "dataset": "digits", "preset": "demo", "seed": 0, "steps": 100, "draws": 1}
OWNER = {"host": "a", "space": "b", "pid": 7, "born": "8"}


def begun(results, command=COMMAND, cells=None, scheduler=None, jobs=None):
    with launches.record_launch(results, "slurm", scheduler, command, cells or {}) as path:
        launches.add_jobs(path, jobs or {})
    return path


def cell(draws=1, steps=100):
    return CELL | {"steps": steps, "draws": draws}


@settings(deadline=None, max_examples=30)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.binary(min_size=1, max_size=8))
def test_an_argument_of_any_bytes_can_be_kept_in_a_launch_file(tmp_path_factory, text, raw):
    """Text is read back as it was; bytes that are no UTF-8 are spelled, because JSON cannot hold them."""
    folder = tmp_path_factory.mktemp("launch")
    begun(folder, {**COMMAND, "options": {**COMMAND["options"], "data_root": text, "name": os.fsdecode(raw)}})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (launch,) = launches.launches(folder).values()
    assert launch["ended"]
    assert launch["command"]["options"]["data_root"] == text
    assert launch["command"]["options"]["name"] == raw.decode("utf-8", "backslashreplace")


def test_job_numbers_are_used_only_on_their_own_cluster(tmp_path):
    begun(tmp_path, scheduler="alps", jobs={"12_0": ["key"]})
    (launch,) = launches.launches(tmp_path).values()
    queue = {"12_0": "running", "13": "running"}
    assert launches.pending_jobs(launch, "alps", queue) == {"key": "12_0"}
    assert launches.pending_jobs(launch, "jura", queue) == {}
    assert launches.pending_jobs(launch, "alps", {}) == {}
    assert launches.pending_jobs(launch, "alps", None) == {}


@pytest.mark.parametrize("change", [
    {"command": []}, {"command": {"what": 1, "options": {}}}, {"command": {"what": "table1"}},
    {"command": {**COMMAND, "options": {"only": ["glf"]}}}, {"command": {**COMMAND, "options": {"on": 3}}},
    {"command": {**COMMAND, "force": 1}}, {"cells": []}, {"cells": {"key": "vae"}}, {"jobs": {"12": "key"}},
    {"jobs": 1}, {"at": "yesterday"}, {"owner": None}, {"cluster": 1}, {"ended": None},
    # an option of the right JSON type that is the wrong one for this option
    {"command": {**COMMAND, "options": {"only": True}}}, {"command": {**COMMAND, "options": {"preset": None}}},
    {"command": {**COMMAND, "options": {"progress": True}}}, {"command": {**COMMAND, "options": {"allow_few": "yes"}}},
    {"command": {**COMMAND, "what": "../../x"}}, {"at": 10**400}, {"at": 1e30},
    # runs
    {"cells": {"key": {**CELL, "seed": "0"}}}, {"cells": {"key": {**CELL, "steps": 10**400}}},
    {"cells": {"key": {**CELL, "draws": 9_999_999_999}}}, {"cells": {"key": {**CELL, "preset": "a/../b"}}},
    {"cells": {"key": {"model": "vae"}}}, {"cells": {"../key": CELL}}, {"cells": {"key\0": CELL}},
    # SLURM jobs and the launcher's process
    {"jobs": {"--user=root": ["key"]}}, {"jobs": {"12": ["../key"]}}, {"jobs": {"12": [1]}},
    {"owner": {"host": "a"}}, {"owner": {**OWNER, "pid": "7"}}, {"owner": {**OWNER, "pid": 10**400}},
    {"owner": {**OWNER, "born": 7}},
])  # fmt: skip
def test_an_invalid_launch_file_is_named_and_left_aside(tmp_path, change, capsys):
    path = begun(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert launches.launches(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    for command in ("status", "retry", "cancel"):
        capsys.readouterr()
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            assert main([command, "--results", str(tmp_path)]) == 0
        printed = capsys.readouterr().err
        assert printed.count(f"{path}: not a valid launch file, so it is ignored") == 1
        assert "Traceback" not in printed


@pytest.mark.parametrize("text", ["[" * 100_000, '{"at": ', "\x00", ""])
def test_a_file_that_is_no_launch_does_not_hide_the_others(tmp_path, text):
    path = begun(tmp_path)
    path.with_name("20000101-000000-ffffff.launch").write_text(text)
    os.mkfifo(path.with_name("20000101-000000-eeeeee.launch"))  # reading it would wait
    with pytest.warns(UserWarning, match="so it is ignored"):
        assert [*launches.launches(tmp_path)] == [path]


def test_a_command_that_does_not_exist_does_not_keep_retry_from_the_others(tmp_path, capsys):
    begun(tmp_path, COMMAND | {"what": "table99"})
    assert main(["retry", "--results", str(tmp_path)]) == 2
    assert "error: table99: this version has no such command" in capsys.readouterr().err


def test_the_option_keep_does_not_make_another_command():
    """The same holds for launch files of versions without such an option."""
    for keep in ({}, {"keep": "weights"}, {"keep": "logs"}):
        assert launches.is_same_command(COMMAND, {**COMMAND, "options": COMMAND["options"] | keep})
    assert not launches.is_same_command(COMMAND, {**COMMAND, "options": COMMAND["options"] | {"seeds": "3"}})


def test_a_launcher_is_alive_until_it_ends(tmp_path):
    with launches.record_launch(tmp_path, "local", None, COMMAND, {}) as path:
        (launch,) = launches.launches(tmp_path).values()
        assert launches.is_launcher_alive(path, launch)
    (launch,) = launches.launches(tmp_path).values()
    assert not launches.is_launcher_alive(path, launch)


@pytest.mark.parametrize("place", [{"host": "another"}, {"space": "before the last boot"}])
def test_a_launcher_that_cannot_be_looked_up_is_alive_while_its_heartbeat_continues(tmp_path, place):
    path = begun(tmp_path)
    launch = json.loads(path.read_text())
    path.write_text(json.dumps(launch | {"ended": False, "owner": launch["owner"] | place}))
    (launch,) = launches.launches(tmp_path).values()
    assert launches.is_launcher_alive(path, launch)
    old = time.time() - locks.STALE_SECONDS - 1
    os.utime(path, (old, old))
    assert not launches.is_launcher_alive(path, launch)


def test_last_force_is_that_of_the_same_command(tmp_path):
    assert launches.last_force(tmp_path, COMMAND) is None
    begun(tmp_path)
    assert launches.last_force(tmp_path, COMMAND) is None
    for word in ("first", "second"):
        begun(tmp_path, COMMAND | {"force": word})
    begun(tmp_path, {"what": "criteria", "options": COMMAND["options"], "force": "another's"})
    assert launches.last_force(tmp_path, COMMAND) == "second"
    assert launches.is_same_command(COMMAND | {"force": "a"}, COMMAND | {"force": "a"})
    assert not launches.is_same_command(COMMAND | {"force": "a"}, COMMAND)


def test_every_force_restarts_a_run_exactly_once(tmp_path):
    this = job(tmp_path, trial(epochs=1))
    is_forced = [run_job(replace(this, force_id=word)) for word in ("first", "second")]
    noted = (this.run_folder / "attempts.txt").read_text()
    assert noted.count(" train ") == 2
    assert run_job(replace(this, force_id="first")) == is_forced[1]
    assert (this.run_folder / "attempts.txt").read_text().count(" train ") == 2


def test_a_run_is_done_when_all_of_its_sample_sets_are_scored(tmp_path):
    made = trial(epochs=1)
    run_job(job(tmp_path, made))
    begun(tmp_path, cells={made.key: cell(draws=1)})
    assert " 1        .        .        .        ." in status.report(tmp_path, dict)
    begun(tmp_path, cells={made.key: cell(draws=2)})
    assert " .        .        1        .        ." in status.report(tmp_path, dict)
    run_job(replace(job(tmp_path, made), draws=2))
    assert " 1        .        .        .        ." in status.report(tmp_path, dict)


def test_runs_of_other_launchers_are_waited_for_until_one_is_released(tmp_path, monkeypatch):
    monkeypatch.setattr(launcher, "CHECK_SECONDS", 0.05)
    busy = [job(tmp_path, trial(epochs=1, seed=seed)) for seed in (0, 1)]
    looks = []

    def heed():
        looks.append(1)
        if len(looks) == 5:
            released.set()

    released, held = threading.Event(), threading.Event()

    def hold():
        with locks.locked(busy[0].run_folder):
            held.set()
            released.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    with locks.locked(busy[1].run_folder):
        assert launcher._wait_for_unlocked(busy, heed) == [busy[0]]
    thread.join()
    assert len(looks) >= 5
    assert launcher._wait_for_unlocked([], heed) == []


def test_an_interrupted_force_is_continued(tmp_path, short_demo, monkeypatch, capsys):
    """The second command does not repeat what the first one trained. A third one restarts all runs."""
    from benchmarks import run as command

    small = ["table1", "--preset", "demo", "--only", "rae-gmm", "--seeds", "2", "--cluster", "inline", "--force",
             "--images", "500", "--results", str(tmp_path)]  # fmt: skip

    def trained():
        return sum(path.read_text().count(" train ") for path in tmp_path.glob("runs/*/attempts.txt"))

    messages = launcher.describe_outcome

    def cut(outcome, scorer):
        monkeypatch.setattr(launcher, "describe_outcome", messages)
        raise KeyboardInterrupt

    monkeypatch.setattr(launcher, "describe_outcome", cut)
    assert command.main(small) == 130
    assert trained() == 1
    assert command.main(small) == 0
    assert trained() == 2
    assert len(records.read(tmp_path)[0].drop_duplicates("key")) == 2
