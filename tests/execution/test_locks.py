"""Only one worker at a time runs a trial, even if processes die."""

import json
import multiprocessing
import os
import time

import pytest

from benchmarks.execution import locks


def test_a_lock_excludes_others_until_it_is_released(tmp_path):
    with locks.locked(tmp_path) as own:
        assert own
        assert locks.is_locked(tmp_path)
        with locks.locked(tmp_path) as second:
            assert not second
        assert locks.is_locked(tmp_path), "who was refused must not remove the claim"
    assert not locks.is_locked(tmp_path)
    with locks.locked(tmp_path) as again:
        assert again


def test_an_exception_releases_the_lock(tmp_path):
    with pytest.raises(RuntimeError, match="inside"), locks.locked(tmp_path):
        raise RuntimeError("inside")
    assert not locks.is_locked(tmp_path)


def die_with_lock(folder):
    with locks.locked(folder):
        os._exit(1)


def run(function, *arguments):
    process = multiprocessing.get_context("spawn").Process(target=function, args=arguments)
    process.start()
    return process


def test_the_lock_of_a_dead_process_of_this_host_is_taken_over_at_once(tmp_path):
    run(die_with_lock, tmp_path).join()
    assert (tmp_path / locks.LOCK_FILE).is_file()
    assert not locks.is_locked(tmp_path)
    with locks.locked(tmp_path) as own:
        assert own


def elsewhere(folder, **changes):
    owner = {**locks.process_identity(), "host": "another", "token": "x", "since": 0.0} | changes
    (folder / locks.LOCK_FILE).write_text(json.dumps(owner))


def test_a_lock_of_another_host_holds_while_its_heartbeat_continues(tmp_path):
    elsewhere(tmp_path)
    with locks.locked(tmp_path) as own:
        assert not own
    old = time.time() - locks.STALE_SECONDS - 1
    os.utime(tmp_path / locks.LOCK_FILE, (old, old))
    with locks.locked(tmp_path) as own:
        assert own


def test_a_requeued_job_takes_over_its_own_earlier_lock_at_once(tmp_path, monkeypatch):
    elsewhere(tmp_path, job="12_3")
    assert locks.is_locked(tmp_path)
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert locks.is_locked(tmp_path), "another node of this run of the job"
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    with locks.locked(tmp_path) as own:
        assert own


def test_a_held_lock_is_updated_regularly(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "HEARTBEAT_SECONDS", 0.05)
    with locks.locked(tmp_path):
        old = time.time() - 1000
        os.utime(tmp_path / locks.LOCK_FILE, (old, old))
        deadline = time.monotonic() + 10
        while (tmp_path / locks.LOCK_FILE).stat().st_mtime < old + 500:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_lock_that_was_taken_over_is_not_released_by_its_first_owner(tmp_path):
    with locks.locked(tmp_path):
        elsewhere(tmp_path)
    assert json.loads((tmp_path / locks.LOCK_FILE).read_text())["host"] == "another"


def hold(folder, barrier, tally):
    """Try to get the lock when all others do, and hold it until all have tried."""
    barrier.wait()
    with locks.locked(folder) as own:
        if own:
            with (tally / str(os.getpid())).open("x"):
                pass
        barrier.wait()


def test_one_of_many_processes_takes_over_a_stale_lock(tmp_path):
    tally = tmp_path / "tally"
    tally.mkdir()
    folder = tmp_path / "run"
    folder.mkdir()
    run(die_with_lock, folder).join()
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    takers = [context.Process(target=hold, args=(folder, barrier, tally)) for _ in range(4)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    assert len([*tally.iterdir()]) == 1


def test_a_suspended_owner_of_this_host_keeps_its_lock(tmp_path):
    """Its heartbeat has stopped, but its process exists."""
    with locks.locked(tmp_path):
        old = time.time() - 10 * locks.STALE_SECONDS
        os.utime(tmp_path / locks.LOCK_FILE, (old, old))
        assert locks.is_locked(tmp_path)
        with locks.locked(tmp_path) as second:
            assert not second
