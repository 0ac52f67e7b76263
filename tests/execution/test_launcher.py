"""What a results folder knows of launches: whose jobs wait, who lives, what is still to come."""

import json
import os
import threading
import time
from dataclasses import replace

import pytest
from test_trial import job, trial

from benchmarks.execution import launcher, launches, locks, status
from benchmarks.execution.worker import attempt
from benchmarks.experiments import records
from benchmarks.run import main

COMMAND = {"what": "table1", "options": {"seeds": "2", "cluster": "auto", "results": "a"}}


def begun(results, command=COMMAND, cells=None, scheduler=None, jobs=None):
    with launches.launching(results, "slurm", scheduler, command, cells or {}) as path:
        launches.submitted(path, jobs or {})
    return path


def cell(draws=1, steps=100):
    return {"model": "vae", "dataset": "digits", "preset": "demo", "seed": 0, "steps": steps, "draws": draws}


def test_job_numbers_mean_something_on_their_own_cluster_alone(tmp_path):
    begun(tmp_path, scheduler="alps", jobs={"12_0": ["key"]})
    (launch,) = launches.launches(tmp_path).values()
    queue = {"12_0": "running", "13": "running"}
    assert launches.waiting(launch, "alps", queue) == {"key": "12_0"}
    assert launches.waiting(launch, "jura", queue) == {}
    assert launches.waiting(launch, "alps", {}) == {}
    assert launches.waiting(launch, "alps", None) == {}


@pytest.mark.parametrize("change", [
    {"command": []}, {"command": {"what": 1, "options": {}}}, {"command": {"what": "table1"}},
    {"command": {**COMMAND, "options": {"only": ["glf"]}}}, {"command": {**COMMAND, "options": {"on": 3}}},
    {"command": {**COMMAND, "force": 1}}, {"cells": []}, {"cells": {"key": "vae"}}, {"jobs": {"12": "key"}},
    {"jobs": 1}, {"at": "yesterday"}, {"owner": None}, {"cluster": 1}, {"ended": None},
])  # fmt: skip
def test_a_launch_of_another_shape_is_passed_over(tmp_path, change, capsys):
    path = begun(tmp_path)
    assert launches.launches(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert not launches.launches(tmp_path)
    assert main(["retry", "--results", str(tmp_path)]) == 0
    assert main(["status", "--results", str(tmp_path)]) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err


def test_what_is_kept_makes_no_other_command():
    """Nor does a launch of a version that knew no such choice."""
    for keep in ({}, {"keep": "weights"}, {"keep": "logs"}):
        assert launches.same(COMMAND, {**COMMAND, "options": COMMAND["options"] | keep})
    assert not launches.same(COMMAND, {**COMMAND, "options": COMMAND["options"] | {"seeds": "3"}})


def test_a_launcher_lives_until_it_ends(tmp_path):
    with launches.launching(tmp_path, "local", None, COMMAND, {}) as path:
        (launch,) = launches.launches(tmp_path).values()
        assert launches.live(path, launch)
    (launch,) = launches.launches(tmp_path).values()
    assert not launches.live(path, launch)


@pytest.mark.parametrize("place", [{"host": "another"}, {"space": "before the last boot"}])
def test_a_launcher_whose_process_cannot_be_looked_up_lives_while_its_heart_beats(tmp_path, place):
    path = begun(tmp_path)
    launch = json.loads(path.read_text())
    path.write_text(json.dumps(launch | {"ended": False, "owner": launch["owner"] | place}))
    (launch,) = launches.launches(tmp_path).values()
    assert launches.live(path, launch)
    old = time.time() - locks.STALE - 1
    os.utime(path, (old, old))
    assert not launches.live(path, launch)


def test_the_last_force_of_a_command_is_known(tmp_path):
    assert launches.last_force(tmp_path, COMMAND) is None
    begun(tmp_path)
    assert launches.last_force(tmp_path, COMMAND) is None
    for word in ("first", "second"):
        begun(tmp_path, COMMAND | {"force": word})
    begun(tmp_path, {"what": "criteria", "options": COMMAND["options"], "force": "another's"})
    assert launches.last_force(tmp_path, COMMAND) == "second"
    assert launches.same(COMMAND | {"force": "a"}, COMMAND | {"force": "a"})
    assert not launches.same(COMMAND | {"force": "a"}, COMMAND)


def test_every_force_is_obeyed_once_whatever_came_between(tmp_path):
    this = job(tmp_path, trial(epochs=1))
    forced = [attempt(replace(this, force=word)) for word in ("first", "second")]
    noted = (this.work / "attempts.txt").read_text()
    assert noted.count(" train ") == 2
    assert attempt(replace(this, force="first")) == forced[1]
    assert (this.work / "attempts.txt").read_text().count(" train ") == 2


def test_a_training_is_done_when_all_of_its_sample_sets_are_measured(tmp_path):
    made = trial(epochs=1)
    attempt(job(tmp_path, made))
    begun(tmp_path, cells={made.key: cell(draws=1)})
    assert " 1        .        .        .        ." in status.report(tmp_path, dict)
    begun(tmp_path, cells={made.key: cell(draws=2)})
    assert " .        .        1        .        ." in status.report(tmp_path, dict)
    attempt(replace(job(tmp_path, made), draws=2))
    assert " 1        .        .        .        ." in status.report(tmp_path, dict)


def test_trainings_that_others_are_at_are_waited_for_until_one_is_let_go(tmp_path, monkeypatch):
    monkeypatch.setattr(launcher, "PAUSE", 0.05)
    busy = [job(tmp_path, trial(epochs=1, seed=seed)) for seed in (0, 1)]
    looks = []

    def heed():
        looks.append(1)
        if len(looks) == 5:
            let_go.set()

    let_go, held = threading.Event(), threading.Event()

    def hold():
        with locks.claimed(busy[0].work):
            held.set()
            let_go.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    with locks.claimed(busy[1].work):
        assert launcher._freed(busy, heed) == [busy[0]]
    thread.join()
    assert len(looks) >= 5
    assert launcher._freed([], heed) == []


def test_a_force_that_was_cut_off_goes_on(tmp_path, monkeypatch, capsys):
    """What the first one has trained is not trained anew by the second; a third one is a new wish."""
    from benchmarks import run as command

    small = ["table1", "--preset", "demo", "--only", "rae-gmm", "--seeds", "2", "--cluster", "inline", "--force",
             "--results", str(tmp_path)]  # fmt: skip

    def trained():
        return sum(path.read_text().count(" train ") for path in tmp_path.glob("runs/*/attempts.txt"))

    told = launcher._said

    def cut(one):
        monkeypatch.setattr(launcher, "_said", told)
        raise KeyboardInterrupt

    monkeypatch.setattr(launcher, "_said", cut)
    assert command.main(small) == 130
    assert trained() == 1
    assert command.main(small) == 0
    assert trained() == 2
    assert len(records.read(tmp_path)[0].drop_duplicates("key")) == 2
