"""Several runs in one process: they take turns, each with its own random state and, on a GPU, its own CUDA stream.

A run is a generator. It yields wherever another run may use the process, for example after it has queued some steps on
the GPU. One thread advances all runs, so global settings such as TF32 hold for one turn only.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import cache
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

T = TypeVar("T")
R = TypeVar("R")

WAIT_SECONDS = 2e-4  # between two turns of the run that waits: short, because other runs wait as long

_contexts: dict[Hashable, tuple[int, ExitStack]] = {}  # name -> number of runs that need it, and how it is left
_lanes: set[int] = set()  # numbers of the runs that share this process now


def finish(run: Generator[T, None, R]) -> R:
    """Advance a run to its end, and return its value."""
    while True:
        try:
            next(run)
        except StopIteration as end:
            value: R = end.value
            return value


def is_shared() -> bool:
    """Whether several runs take turns in this process now."""
    return len(_lanes) > 1


def count_runs() -> int:
    """The number of runs that take turns in this process now."""
    return len(_lanes)


def isolated(run: Generator[T, None, R], device: torch.device) -> Generator[T, None, R]:
    """Advance a run with random generators and a CUDA stream of its own.

    Between its turns, the global generators and the current stream are as they were before. So the numbers of a run do
    not depend on the other runs of the process.
    """
    with _lane() as number:
        has_gpu = device.type == "cuda" and torch.cuda.is_available()  # if it is lost, the run itself reports it
        random_state = _RandomState(device if has_gpu else torch.device("cpu"))
        run_stream = stream(device, f"run {number}") if has_gpu else None

        @contextmanager
        def turn() -> Iterator[None]:
            with random_state.installed(), torch.cuda.stream(run_stream):
                yield

        return (yield from within(turn, run))


def within(context: Callable[[], AbstractContextManager[object]], run: Generator[T, None, R]) -> Generator[T, None, R]:
    """Advance a run in a new context at every turn. What the context changes is restored between turns."""
    while True:
        with context():
            try:
                item = next(run)
            except StopIteration as end:
                value: R = end.value
                return value
        try:
            yield item
        except BaseException:  # GeneratorExit, if the run is given up
            with context():
                run.close()
            raise


@contextmanager
def shared(name: Hashable, context: Callable[[], AbstractContextManager[object]]) -> Iterator[None]:
    """Hold a context for all runs of this process: it is entered with the first run and left with the last one.

    Args:
        name: identifies the context. Runs that need different ones cannot share a process.
        context: makes the context. It changes settings that are costly to change at every turn.
    """
    count, stack = _contexts.get(name, (0, ExitStack()))
    if not count:
        stack.enter_context(context())
    _contexts[name] = count + 1, stack
    try:
        yield
    finally:
        count, stack = _contexts.pop(name)
        if count > 1:
            _contexts[name] = count - 1, stack
        else:
            stack.close()


def in_background(compute: Callable[[], T]) -> Generator[None, None, T]:
    """Return the value of a function that a thread calls. Yield until it is there.

    Args:
        compute: uses neither the GPU nor global random generators. It has the same result in every thread.

    Raises:
        Exception: what the function raises.
    """
    future = _executor().submit(compute)
    while not wait([future], WAIT_SECONDS).done:
        yield
    return future.result()


@cache
def stream(device: torch.device, purpose: str) -> torch.cuda.Stream:
    """The CUDA stream of a purpose, the same at each call.

    CUDA has 32 streams, which torch hands out in turn. If each call made a new stream, two runs could get the same one.
    Their graphs would then share cuBLAS's workspace, and replaying them at the same time would stop the GPU.
    """
    return torch.cuda.Stream(device)


@contextmanager
def _lane() -> Iterator[int]:
    """Take the lowest free number while the block runs."""
    number = next(number for number in range(len(_lanes) + 1) if number not in _lanes)
    _lanes.add(number)
    try:
        yield number
    finally:
        _lanes.discard(number)


class _RandomState:
    """The states of torch's global generators for one run: of the CPU and, on a GPU, of the device."""

    def __init__(self, device: torch.device):
        self.cpu = torch.get_rng_state()
        self.device = device
        if device.type == "cuda":
            self.gpu = _default_generator(device).clone_state()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Install the states in the block. Afterwards keep them, and restore those of before."""
        before = torch.get_rng_state()
        torch.set_rng_state(self.cpu)
        try:
            with self._installed_on_gpu() if self.device.type == "cuda" else nullcontext():
                yield
        finally:
            self.cpu = torch.get_rng_state()
            torch.set_rng_state(before)

    @contextmanager
    def _installed_on_gpu(self) -> Iterator[None]:
        """Exchange the state object, not its value: captured graphs keep a reference to it and advance it."""
        generator = _default_generator(self.device)
        before = generator.graphsafe_get_state()
        generator.graphsafe_set_state(self.gpu)
        try:
            yield
        finally:
            generator.graphsafe_set_state(before)


def _default_generator(device: torch.device) -> torch.Generator:
    torch.cuda.init()
    index = torch.cuda.current_device() if device.index is None else device.index
    generator: torch.Generator = torch.cuda.default_generators[index]
    return generator


@cache
def _executor() -> ThreadPoolExecutor:
    """One thread, which rounds as the main thread of a run does; see `training.precision.reproducible_arithmetic`."""
    return ThreadPoolExecutor(1, "metrics", initializer=_prepare_thread)


def _prepare_thread() -> None:
    torch.set_flush_denormal(True)
    torch.get_num_threads()  # sets torch's default in a new thread, which would replace the limit later
    threadpool_limits(1, "openmp")  # each thread has a limit of its own; that of BLAS holds for all threads
