"""Launching with real worker processes. Functions are at module level, so that workers can import them."""

import functools
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial
from pathlib import Path

import pytest

from slurm import Outcome, gpu_slots, launch

ROOT = Path(__file__).resolve().parents[2]
CLUSTERS = ("auto", "inline", "local")  # SLURM jobs: test_cluster.py


def square(x: int) -> int:
    return x * x


def fail_on_two(x: int) -> int:
    if x == 2:
        raise ValueError("two is not wanted")
    return x


def exit_on_two(x: int) -> int:
    if x == 2:
        sys.exit("no two")
    return x


def die_on_two(x: int, *, how: int) -> int:
    if x == 2:
        if how > 0:
            os.kill(os.getpid(), how)
        os._exit(-how)
    return x


def leave(_: int) -> None:
    os._exit(75)


def meet(me: str, *, folder: Path) -> tuple[int, float, float]:
    """Return when both items have started. One worker alone would time out."""
    start = time.time()
    (folder / me).touch()
    while len(list(folder.iterdir())) < 2:
        if time.time() > start + 15:
            raise TimeoutError("the other item has not started")
        time.sleep(0.01)
    return os.getpid(), start, time.time()


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def stubborn(seconds: float) -> float:
    if seconds:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return nap(seconds)


def variable(name: str) -> str | None:
    return os.environ.get(name)


def process(_: int) -> int:
    return os.getpid()


def unpicklable(x: int) -> object:
    return (lambda: x) if x == 2 else x


def needs_two(a: int, b: int) -> None:
    """What unpickling Unreadable calls."""


class Unreadable:
    """Can be pickled, but not unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return needs_two, (1,)


def unreadable(x: int) -> object:
    return Unreadable() if x == 2 else x


class Odd(Exception):
    """Cannot be unpickled, like many exceptions."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(f"odd {a} {b}")


def raise_odd(x: int) -> int:
    raise Odd(x, x)


def large(n: int) -> bytes:
    return bytes(n)


def by_item(outcomes: object) -> dict[object, Outcome]:
    found = list(outcomes)  # type: ignore[call-overload]
    table = {outcome.item: outcome for outcome in found}
    assert len(table) == len(found), "an item came twice"
    return table


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_every_item_has_one_outcome(cluster):
    outcomes = by_item(launch(square, range(12), cluster=cluster, workers=3))
    assert outcomes == {x: Outcome(x, x * x, None) for x in range(12)}


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_no_items_give_no_outcomes(cluster):
    assert list(launch(square, [], cluster=cluster, workers=2)) == []


def test_one_worker_keeps_order_and_is_not_this_process():
    outcomes = list(launch(process, range(3)))
    assert [outcome.item for outcome in outcomes] == [0, 1, 2]
    assert len({outcome.value for outcome in outcomes}) == 1
    assert outcomes[0].value != os.getpid()


def test_outcomes_come_in_order_of_completion():
    assert [o.value for o in launch(nap, [2.0, 0.0, 0.1], workers=2)] == [0.0, 0.1, 2.0]


def test_two_workers_run_side_by_side(tmp_path):
    both = by_item(launch(functools.partial(meet, folder=tmp_path), ["a", "b"], workers=2))
    (pid_a, start_a, end_a), (pid_b, start_b, end_b) = both["a"].value, both["b"].value
    assert pid_a != pid_b
    assert max(start_a, start_b) < min(end_a, end_b)


@pytest.mark.parametrize("cluster", ["inline", "local"])
@pytest.mark.parametrize("fn", [fail_on_two, exit_on_two])
def test_an_item_that_raises_returns_its_traceback_and_others_go_on(cluster, fn):
    outcomes = by_item(launch(fn, range(5), cluster=cluster, workers=2))
    assert outcomes[2].value is None
    assert "Traceback" in outcomes[2].error
    assert fn.__name__ in outcomes[2].error
    assert "two" in outcomes[2].error.splitlines()[-1]
    assert {x: outcomes[x].value for x in (0, 1, 3, 4)} == {0: 0, 1: 1, 3: 3, 4: 4}


@pytest.mark.parametrize(
    ("how", "told"),
    [(signal.SIGKILL, "signal 9"), (signal.SIGSEGV, "signal 11"), (0, "exit code 0"), (-3, "exit code 3")],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_dying_worker_fails_only_its_item(how, told, workers):
    outcomes = by_item(launch(functools.partial(die_on_two, how=int(how)), range(6), workers=workers))
    assert told in outcomes[2].error
    assert {x for x in outcomes if outcomes[x].error} == {2}
    assert [outcomes[x].value for x in (0, 1, 3, 4, 5)] == [0, 1, 3, 4, 5]


def test_an_item_that_ends_every_new_worker_fails_after_its_retries():
    """The exit code worker_lost is free of retries only for workers that have completed an item."""
    outcomes = by_item(launch(leave, [1, 2], cluster="local", retries=1, worker_lost=75))
    assert ["exit code 75" in outcomes[item].error for item in (1, 2)] == [True, True]


def test_if_no_worker_can_start_every_item_fails():
    # An interpreter without its standard library ends before it takes an item.
    outcomes = by_item(launch(square, range(9), workers=2, environment={"PYTHONHOME": os.devnull}))
    assert len(outcomes) == 9
    assert all("exit code 1) before it could take an item" in o.error for o in outcomes.values())


@pytest.mark.parametrize(("fn", "told"), [(unpicklable, "lambda"), (unreadable, "needs_two")])
def test_a_result_that_cannot_be_pickled_is_a_failure(fn, told):
    outcomes = by_item(launch(fn, range(4)))
    assert told in outcomes[2].error
    assert {x for x in outcomes if outcomes[x].error} == {2}


def test_an_exception_that_cannot_be_unpickled_is_a_failure():
    (outcome,) = launch(raise_odd, [1])
    assert "Odd: odd 1 1" in outcome.error


def test_large_items_and_results_pass():
    assert [len(o.value) for o in launch(large, [5_000_000, 0], workers=2) if o.item] == [5_000_000]
    (outcome,) = launch(len, [bytes(5_000_000)])
    assert outcome.value == 5_000_000


def test_workers_get_the_environment_and_this_process_is_restored(monkeypatch):
    monkeypatch.setenv("LAUNCH_OLD", "before")
    monkeypatch.delenv("LAUNCH_NEW", raising=False)
    for cluster in CLUSTERS:
        names = ["LAUNCH_OLD", "LAUNCH_NEW"]
        new = {"LAUNCH_OLD": "1", "LAUNCH_NEW": "2"}
        found = by_item(launch(variable, names, cluster=cluster, environment=new))
        assert [found[name].value for name in names] == ["1", "2"]
        assert os.environ["LAUNCH_OLD"] == "before"
        assert "LAUNCH_NEW" not in os.environ


def test_poll_is_called_while_waiting():
    calls: list[float] = []
    list(launch(nap, [1.5], poll=lambda: calls.append(time.monotonic())))
    assert 4 <= len(calls) <= 40
    list(launch(nap, [0.0, 0.0], cluster="inline", poll=lambda: calls.append(-1.0)))
    assert calls[-2:] == [-1.0, -1.0]


def test_closing_the_generator_ends_the_workers():
    outcomes = launch(nap, [0.0, 60.0, 60.0], workers=2)
    assert next(outcomes).item == 0.0
    assert len(multiprocessing.active_children()) == 2
    start = time.monotonic()
    outcomes.close()
    assert multiprocessing.active_children() == []
    assert time.monotonic() - start < 4


def test_exception_in_poll_ends_the_workers():
    def poll() -> None:
        raise RuntimeError("the bar broke")

    with pytest.raises(RuntimeError, match="the bar broke"):
        list(launch(nap, [60.0, 60.0], workers=2, poll=poll))
    assert multiprocessing.active_children() == []


def test_worker_that_ignores_sigterm_is_killed(monkeypatch):
    monkeypatch.setattr(importlib.import_module("slurm.workers"), "GRACE_SECONDS", 0.3)
    outcomes = launch(stubborn, [0.0, 60.0, 61.0], workers=1)
    next(outcomes)
    time.sleep(0.5)  # for the second item to begin
    outcomes.close()
    assert multiprocessing.active_children() == []


def test_wrong_arguments_are_reported_before_anything_starts():
    with pytest.raises(ValueError, match=r"unknown cluster 'lokal'\. Known: auto, inline, local"):
        launch(square, [1], cluster="lokal")
    for workers in (0, -1):
        with pytest.raises(ValueError, match=f"at least 1, got {workers}"):
            launch(square, [1], workers=workers)
    with pytest.raises(TypeError, match=r"fn cannot be sent to a worker process: .*lambda"):
        launch(lambda x: x, [1])
    with pytest.raises(TypeError, match=r"item 1 cannot be sent to a worker process: .*lambda"):
        launch(square, [1, lambda: 2])
    assert [o.value for o in launch(lambda x: x + 1, [1], cluster="inline")] == [2]


def die_once(x: int, *, folder: Path) -> int:
    """Kill the process the first time that the item is 2."""
    if x == 2 and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def test_an_item_whose_worker_died_is_retried(tmp_path):
    outcomes = by_item(launch(functools.partial(die_once, folder=tmp_path), range(4), workers=2, retries=1))
    assert outcomes == {x: Outcome(x, x, None) for x in range(4)}
    outcomes = by_item(launch(functools.partial(die_on_two, how=9), range(4), workers=2, retries=2))
    assert {x for x in outcomes if outcomes[x].error} == {2}


def test_workers_that_run_at_once_have_different_slots(tmp_path):
    """This includes workers that replace dead ones."""
    slots = [{"SLOT": "a"}, {"SLOT": "b"}]
    fn = functools.partial(slot_of, folder=tmp_path)
    outcomes = by_item(launch(fn, ["1", "2", "3", "4"], workers=2, slots=slots, retries=1))
    assert {o.value for o in outcomes.values()} == {"a", "b"}
    with pytest.raises(ValueError, match="1 slots for 2 workers"):
        launch(square, [1], workers=2, slots=[{}])


def slot_of(name: str, *, folder: Path) -> str:
    """Items 1 and 2 wait for each other; item 3 dies once."""
    if name in "12":
        meet(name, folder=folder)
    if name == "3":
        die_once(2, folder=folder)
    return os.environ["SLOT"]


def test_gpus_are_assigned_in_turn_by_their_names(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in gpu_slots(2, 5)] == ["0", "1", "0", "1", "0"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-abc")
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in gpu_slots(2, 2)] == ["3", "GPU-abc"]


SCRIPT = """
    import os, time
    from slurm import launch

    def hold(x):
        print("holding", flush=True)
        time.sleep(60)

    if __name__ == "__main__":
        print("main", flush=True)
        list(launch(hold, range(4), workers=2))
"""


def begin(folder: Path, script: str) -> "subprocess.Popen[str]":
    path = folder / "script.py"
    path.write_text(textwrap.dedent(script))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    command = [sys.executable, str(path)]
    # A shell's background job ignores SIGINT, and its children would too.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, env=environment, start_new_session=True, preexec_fn=heed
    )


@pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")
@pytest.mark.parametrize("when", ["main", "holding"])
def test_ctrl_c_ends_everything_promptly(tmp_path, when):
    with begin(tmp_path, SCRIPT) as caller:
        while caller.stdout.readline().strip() != when:
            pass
        if when == "main":
            time.sleep(0.15)  # workers are about to start or importing
        start = time.monotonic()
        os.killpg(caller.pid, signal.SIGINT)  # as the terminal does: workers get it too
        # Workers hold stdout as well: reading to its end waits for the last of them.
        _, errors = caller.communicate(timeout=15)
        assert time.monotonic() - start < 5
    assert caller.returncode == -signal.SIGINT
    assert errors.count("KeyboardInterrupt") == 1


@pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_when_their_parent_is_killed(tmp_path, how):
    with begin(tmp_path, SCRIPT) as caller:
        for word in ("main", "holding", "holding"):
            assert caller.stdout.readline().strip() == word
        caller.send_signal(how)
        caller.communicate(timeout=10)  # ends with the last process that holds stdout
    assert caller.returncode == -how


def test_script_without_main_guard_fails_instead_of_hanging(tmp_path):
    script = """
        from slurm import launch

        for outcome in launch(abs, range(7), workers=2):
            print(outcome.error)
    """
    with begin(tmp_path, script) as caller:
        output, _ = caller.communicate(timeout=30)
    assert output.count("before it could take an item") == 7
