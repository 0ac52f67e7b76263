"""What runs that take turns share, and what each has for itself."""

import os
import subprocess
import sys
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from engine_cases import CPU

from benchmarks.training import turns
from benchmarks.training.determinism import deterministic_algorithms, note_nondeterministic_operations

ROOT = Path(__file__).resolve().parents[2]


def draws(seed, count):
    """Seed the global generator in the first turn, then draw one number per turn."""
    torch.manual_seed(seed)
    numbers = []
    for _ in range(count):
        yield
        numbers.append(torch.rand(()).item())
    return numbers


def alternate(*runs):
    """Advance runs in turn; return their values."""
    values, running = {}, dict(enumerate(runs))
    while running:
        for number, run in [*running.items()]:
            try:
                next(run)
            except StopIteration as end:
                values[number] = end.value
                del running[number]
            torch.rand(3)  # what the process draws between the turns
    return [values[number] for number in range(len(runs))]


def test_each_run_draws_its_own_random_numbers():
    alone = [turns.finish(draws(seed, 5)) for seed in (1, 2, 3)]
    assert alternate(*(turns.isolated(draws(seed, 5), CPU) for seed in (1, 2, 3))) == alone
    assert alternate(*(draws(seed, 5) for seed in (1, 2, 3))) != alone, "without isolation they disturb each other"


def test_a_run_leaves_the_generator_of_the_process_as_it_was():
    before = torch.get_rng_state()
    run = turns.isolated(draws(1, 5), CPU)
    next(run)
    assert torch.equal(torch.get_rng_state(), before)
    run.close()
    assert torch.equal(torch.get_rng_state(), before)


def test_runs_are_counted_while_they_last():
    assert turns.count_runs() == 0
    first, second = turns.isolated(draws(1, 2), CPU), turns.isolated(draws(2, 2), CPU)
    next(first)
    assert (turns.count_runs(), turns.is_shared()) == (1, False)
    next(second)
    assert (turns.count_runs(), turns.is_shared()) == (2, True)
    first.close()
    assert turns.count_runs() == 1
    turns.finish(second)
    assert turns.count_runs() == 0


def test_an_error_of_a_run_frees_its_place():
    def fail():
        yield
        raise ValueError("no")

    run = turns.isolated(fail(), CPU)
    next(run)
    with pytest.raises(ValueError, match="no"):
        next(run)
    assert turns.count_runs() == 0


def test_a_context_holds_during_turns_only():
    level = [0]

    @contextmanager
    def raised():
        level[0] += 1
        try:
            yield
        finally:
            level[0] -= 1

    def run():
        try:
            for _ in range(2):
                assert level == [1]
                yield
        finally:
            assert level == [1], "when it is given up, too"

    inside = turns.within(raised, run())
    next(inside)
    assert level == [0]
    inside.close()
    assert level == [0]
    assert turns.finish(turns.within(raised, run())) is None


def test_a_shared_context_is_left_with_the_last_run():
    log = []

    @contextmanager
    def logged():
        log.append("in")
        yield
        log.append("out")

    def run(count):
        with turns.shared("name", logged):
            for _ in range(count):
                yield

    alternate(run(1), run(3), run(2))
    assert log == ["in", "out"]
    alternate(run(1))
    assert log == ["in", "out"] * 2


def test_a_background_computation_yields_until_it_is_done_and_raises_what_it_raises():
    release = threading.Event()
    run = turns.in_background(lambda: release.wait(60))
    next(run)
    next(run)
    release.set()
    assert turns.finish(run) is True
    with pytest.raises(ZeroDivisionError):
        turns.finish(turns.in_background(lambda: 1 / 0))


ONE_THREAD = """
import torch
from benchmarks.training import turns
from benchmarks.training.precision import reproducible_arithmetic
with reproducible_arithmetic(torch.device("cuda")):
    tiny = torch.tensor(1e-38)
    print(*[(torch.get_num_threads(), (tiny * 0.1).item()), turns.finish(turns.in_background(
        lambda: (torch.get_num_threads(), (tiny * 0.1).item())))])
"""


def test_a_background_computation_rounds_as_the_main_thread_does():
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", ONE_THREAD], capture_output=True, text=True, check=True,
                          env=environment, cwd=ROOT)  # fmt: skip
    assert done.stdout.split("\n")[0] == "(1, 0.0) (1, 0.0)"


def settings():
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.deterministic,
        torch.utils.deterministic.fill_uninitialized_memory,
    )


@pytest.mark.parametrize(
    ("device", "wanted", "expected"),
    [("cuda", True, (True, True, False)), ("cuda", False, (False, False, False)), ("cpu", True, (False, False, True))],
)
def test_deterministic_algorithms_are_for_gpus_and_are_restored(device, wanted, expected, monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before = settings()
    assert before == (False, False, True)
    with deterministic_algorithms(torch.device(device), wanted):
        assert settings() == expected
    assert settings() == before


def test_an_operation_without_a_deterministic_algorithm_is_noted_and_other_warnings_are_passed_on():
    found = set()
    message = (
        "kthvalue CUDA does not have a deterministic implementation, but you set "
        "'torch.use_deterministic_algorithms(True, warn_only=True)'. You can file an issue"
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            with note_nondeterministic_operations(found):
                warnings.warn(message, UserWarning, stacklevel=1)
                warnings.warn("something else", FutureWarning, stacklevel=1)
    assert found == {"kthvalue CUDA"}
    assert [str(one.message) for one in caught] == [
        "kthvalue CUDA has no deterministic algorithm: two runs may differ in their last bits",
        "something else",
        "something else",
    ]
