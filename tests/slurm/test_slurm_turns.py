"""Calls of generator functions that take turns in one process."""

import os
import time
import weakref
from functools import partial

import pytest

from slurm import Postponed, launch
from slurm.jobs import JobTask
from slurm.turns import MAX_LIGHT, Turns, has_room


def count(n):
    """Take n turns, and return n."""
    for _ in range(n):
        yield False
    return n


def process_after(n):
    """Take n turns; return the process, and when it started and ended."""
    started = time.monotonic()
    for _ in range(n):
        time.sleep(0.01)
        yield False
    return os.getpid(), started, time.monotonic()


def light(n):
    """Be light after the first turn, and then take n turns."""
    yield from process_light(n)
    return n


def process_light(n):
    for _ in range(n):
        time.sleep(0.01)
        yield True


def fail_on_two(n):
    yield False
    if n == 2:
        raise ValueError("two is not wanted")
    return n


def die_on_two(n):
    for _ in range(20):
        time.sleep(0.01)
        yield False
    if n == 2:
        os._exit(7)
    return n


def drain(turns):
    """Advance all calls to their ends: the events of the ends, in order."""
    ends = []
    while turns.calls:
        ends += [event for event in turns.advance() if event.is_end]
    return ends


def test_calls_take_turns_and_end_by_their_lengths():
    turns = Turns()
    for number, n in enumerate((5, 1, 3)):
        turns.add(number, count, n)
    assert [(event.number, event.value) for event in drain(turns)] == [(1, 1), (2, 3), (0, 5)]


def test_a_plain_function_returns_its_value():
    turns = Turns()
    turns.add(4, len, "abc")
    (event,) = turns.advance()
    assert (event.number, event.is_end, event.value, event.error) == (4, True, 3, None)
    assert not turns.calls


def test_an_error_ends_only_its_own_call():
    turns = Turns()
    for n in (1, 2, 3):
        turns.add(n, fail_on_two, n)
    ends = {event.number: event for event in drain(turns)}
    assert [ends[n].value for n in (1, 2, 3)] == [1, None, 3]
    assert "ValueError: two is not wanted" in ends[2].error


def test_exceptions_that_are_not_caught_are_raised():
    def leave(n):
        yield False
        raise SystemExit(n)

    turns = Turns()
    turns.add(0, leave, 3)
    turns.advance()
    with pytest.raises(SystemExit):
        turns.advance()


def test_a_call_without_memory_is_made_again_when_fewer_run(capsys):
    running = []

    def hungry(n):
        running.append(n)
        try:
            yield False
            if len(running) > 2:
                raise Postponed("too little memory")
            yield from count(4)
        finally:
            running.remove(n)
        return n

    turns = Turns()
    for n in range(4):
        turns.add(n, hungry, n)
    assert sorted(event.value for event in drain(turns)) == [0, 1, 2, 3]
    assert turns.most == 2
    assert "too little memory: this process runs at most 2 at once from now on" in capsys.readouterr().err


def test_a_call_without_memory_that_runs_alone_ends_with_the_error():
    def hungry(n):
        yield False
        raise Postponed("too little memory")

    turns = Turns()
    turns.add(0, hungry, 0)
    (event,) = drain(turns)
    assert "Postponed: too little memory" in event.error


def test_the_memory_of_a_postponed_call_is_free_before_another_call_is_resumed(capsys):
    """Its objects are in a cycle, and in the traceback of the error that Postponed follows."""

    class Memory:
        def __init__(self):
            self.itself = self

    allocated = []

    def hungry(n):
        memory = Memory()
        allocated.append(weakref.ref(memory))
        yield False
        try:
            raise MemoryError
        except MemoryError:
            raise Postponed("too little memory") from None

    def watch(n):
        yield False
        found = [reference() for reference in allocated]
        yield False
        return found

    turns = Turns()
    turns.add(0, hungry, 0)
    turns.add(1, watch, 1)
    ends = {event.number: event.value for event in drain(turns)}
    assert ends[1] == [None]
    assert "too little memory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("shares", "light_calls", "share", "expected"),
    [
        ({}, set(), 1.0, True),
        ({0: 1.0}, set(), 1.0, False),
        ({0: 1.0}, {0}, 1.0, True),
        (dict.fromkeys(range(2), 1 / 3), set(), 1 / 3, True),
        (dict.fromkeys(range(3), 1 / 3), set(), 1 / 3, False),
        (dict.fromkeys(range(48), 1 / 49), set(), 1 / 49, True),
        ({0: 1 / 8}, set(), 1.0, False),
        (dict.fromkeys(range(MAX_LIGHT + 1), 1.0), set(range(MAX_LIGHT + 1)), 1.0, False),
    ],
)
def test_a_process_has_room_until_its_shares_are_taken(shares, light_calls, share, expected):
    assert has_room(shares, light_calls, share) is expected


def test_a_worker_runs_as_many_items_at_once_as_asked():
    outcomes = [*launch(process_after, [20] * 6, cluster="local", workers=1, at_once=lambda _: 3)]
    pids = {one.value[0] for one in outcomes}
    assert len(outcomes) == 6
    assert len(pids) == 1
    spans = sorted(one.value[1:] for one in outcomes)
    moments = [sum(start <= moment < end for start, end in spans) for moment, _ in spans]
    assert max(moments) == 3


def test_items_that_need_a_process_for_themselves_get_it():
    """An item of 40 turns takes the whole worker, one of 10 turns a quarter of it."""
    items = [40, 10, 10, 10, 40]
    outcomes = [*launch(process_after, items, cluster="local", workers=1, at_once=lambda n: 1 if n == 40 else 4)]
    spans = [(one.item, *one.value[1:]) for one in outcomes]
    for item, start, end in spans:
        others = [other for other in spans if other != (item, start, end)]
        overlap = [other for other in others if other[1] < end and start < other[2]]
        assert item == 10 or not overlap


def test_a_worker_takes_the_next_item_while_the_last_ones_are_light():
    started = time.monotonic()
    outcomes = [*launch(light, [60] * 3, cluster="local", workers=1)]
    assert [one.value for one in outcomes] == [60] * 3
    assert time.monotonic() - started < 60  # they overlap; the bound is only against a hang


def test_if_a_worker_dies_each_of_its_items_is_tried_again_alone():
    outcomes = [*launch(die_on_two, [1, 2, 3], cluster="local", workers=1, retries=1, at_once=lambda _: 3)]
    found = {one.item: one for one in outcomes}
    assert [found[n].value for n in (1, 2, 3)] == [1, None, 3]
    assert "the worker process died (exit code 7)" in found[2].error


def die_beside(item):
    """End the worker if the item is "kill"; else be light for a while."""
    yield item != "kill"
    if item == "kill":
        os._exit(7)
    for _ in range(50):
        time.sleep(0.01)
        yield True
    return item


def test_an_item_that_ends_workers_is_tried_alone_and_given_up_even_if_the_others_are_light():
    outcomes = [*launch(die_beside, ["light", "kill", "light"], cluster="local", workers=1, retries=1)]
    assert sorted((one.item, one.value) for one in outcomes) == [("kill", None), ("light", "light"), ("light", "light")]


def names_beside(folder, item):
    """Return the items that the process runs at once. Item 0 ends the process."""
    path = folder / f"{os.getpid()}-{item}"
    path.touch()
    for _ in range(20):
        time.sleep(0.01)
        yield False
    if item == 0:
        os._exit(7)
    beside = sorted(one.name.split("-")[1] for one in folder.glob(f"{os.getpid()}-*"))
    path.unlink()
    return beside


def test_no_new_item_is_taken_beside_one_that_is_tried_again(tmp_path):
    """Items 0 and 1 lose a worker, and then 0 loses the next one: 1 is still tried alone."""
    outcomes = [*launch(partial(names_beside, tmp_path), range(4), cluster="local", workers=1, at_once=lambda _: 2)]
    found = {one.item: one.value for one in outcomes}
    assert found == {0: None, 1: ["1"], 2: ["2", "3"], 3: ["3"]}


def same(item):
    yield False
    return item


def test_items_and_values_may_be_larger_than_the_pipe():
    """A pipe holds about 200 kB. The worker sends a value while it is sent the next item."""
    items = [bytes([number]) * 3_000_000 for number in range(8)]
    outcomes = [*launch(same, items, cluster="local", workers=1, at_once=lambda _: 4)]
    assert sorted(one.value for one in outcomes) == items


def test_inline_runs_generator_functions_one_after_the_other():
    outcomes = [*launch(fail_on_two, [1, 2, 3], cluster="inline", at_once=lambda _: 3)]
    assert [one.value for one in outcomes] == [1, None, 3]
    assert "two is not wanted" in outcomes[1].error


def test_a_slurm_job_runs_its_items_at_once_and_names_what_failed(capsys):
    with pytest.raises(RuntimeError, match="1 of 3 items failed; see above"):
        JobTask(fail_on_two, (1, 2, 3), requeues=0, at_once=2)()
    assert "ValueError: two is not wanted" in capsys.readouterr().err
    JobTask(count, (4, 1), requeues=0, at_once=2)()
