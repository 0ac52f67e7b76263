"""How a step of training is carried out: eagerly, with compiled losses, or captured in a CUDA graph.

A step works on tensors that stay where they are: the stage's data, the epoch's order of examples, a counter, the
sums for the log.  So a graph can take it again and again without the host, and all that the three ways do not share
is the call that captures or compiles.  They give the same training within float tolerance; `eager` turns everything
off.  No model knows of any of this.
"""

from __future__ import annotations

import ctypes
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.training.precision import Autocast
from zoo.base import LatentModel, Loss, Update, to_float

ENGINES = ("auto", "eager", "compiled", "graph")
PRECISIONS = ("fp32", "tf32", "bf16")
REHEARSALS = 3  # steps before a capture: libraries choose and allocate what they need


class Unusable(RuntimeError):
    """Capturing a step failed half-way: the process cannot use its GPU any more."""

    happened = False  # in this process


def lost(device: str) -> bool:
    """Whether nothing that this process does on a device can succeed any more, whatever is trained.

    After an error in a kernel every call fails.  After a capture that failed some do not, but the random numbers are
    not those that were asked for.
    """
    if not device.startswith("cuda"):
        return False
    try:
        torch.zeros(1, device=device).add(1).item()
    except (RuntimeError, AssertionError):  # the latter of a torch without CUDA
        return True
    return Unusable.happened


@dataclass(frozen=True)
class Engine:
    """How to train, apart from what is trained.

    Attributes:
        kind: eager; compiled: losses by torch.compile, and on a GPU the whole step in a CUDA graph; graph: the
            whole step in a CUDA graph; auto: graph on a GPU, eager elsewhere (where compiling wins nothing).
        precision: fp32, tf32 (matrix products on a GPU) or bf16 (losses under autocast; weights stay fp32, and so
            does what says `fp32_only`).
        channels_last: memory format of images and convolutions.
        limit: bytes of training data that may lie on the device; more is streamed from the host.  None: half of
            the device's free memory.
    """

    kind: str = "auto"
    precision: str = "fp32"
    channels_last: bool = False
    limit: int | None = None

    def on(self, device: torch.device) -> str:
        """What `kind` means on a device: eager, compiled or graph.

        Raises:
            ValueError: with what is wrong.
        """
        wrong = problems(self.kind, self.precision, device)
        if wrong:
            raise ValueError("; ".join(wrong))
        return self.kind if self.kind != "auto" else "graph" if device.type == "cuda" else "eager"


def problems(kind: str, precision: str, device: torch.device | None) -> list[str]:
    """What is wrong with --engine and --precision on a device; None: a device that is not known yet."""
    wrong = []
    gpu = device is None or device.type == "cuda"
    if kind not in ENGINES:
        wrong.append(f"unknown engine {kind!r}. Known: {', '.join(ENGINES)} (benchmarks/training/engine.py)")
    elif kind == "graph" and not gpu:
        wrong.append("--engine graph needs a GPU")
    if precision not in PRECISIONS:
        wrong.append(f"unknown precision {precision!r}. Known: {', '.join(PRECISIONS)} (benchmarks/training/engine.py)")
    elif precision == "tf32" and not gpu:
        wrong.append("--precision tf32 needs a GPU")
    elif precision == "bf16" and not gpu:
        wrong.append("--precision bf16 needs a GPU: many CPUs are ten times slower in it than in fp32")
    return wrong


class Steps:
    """The steps of one stage.

    Args:
        model: the model.
        updates: of the stage.
        optimisers: one per update; their parameter groups hold the learning rates.
        engine: how.
        images: the training images, which never move; None where they are streamed.

    Attributes:
        how: eager, compiled, graph or compiled graph; where that failed, "eager: " and the reason.
        spent: seconds of compiling, rehearsing and capturing, which are not seconds of training.
    """

    def __init__(
        self,
        model: LatentModel,
        updates: Sequence[Update],
        optimisers: Sequence[torch.optim.Adam],
        engine: Engine,
        images: Tensor | None = None,
    ):
        self.model, self.updates, self.optimisers, self.engine = model, updates, optimisers, engine
        self.images = images
        self.device = model.device
        self.wanted = self.how = engine.on(self.device)
        self.losses: list[Callable[..., Loss]] = [update.loss for update in updates]
        self.autocast = Autocast(model, engine.precision)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.prepared = self.how == "eager"  # nothing is to be compiled or captured
        self.data: list[Tensor] = []
        self.order = torch.empty(0, 0, dtype=torch.long, device=self.device)  # (batches, batch)
        self.at = torch.zeros(1, dtype=torch.long, device=self.device)  # row of `order` that is next
        self.sums: dict[str, Tensor] = {}
        self.spent = 0.0

    def begin(self, rates: Sequence[Mapping[str, float]]) -> None:
        """Start an epoch, with the learning rates of each update's groups by name."""
        for sum_ in self.sums.values():
            sum_.zero_()
        for optimiser, of in zip(self.optimisers, rates, strict=True):
            for group in optimiser.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(of[group["name"]])  # where the graph reads it
                else:
                    group["lr"] = of[group["name"]]

    def run(self, data: Sequence[Tensor], order: Tensor) -> None:
        """Take a step for each row of `order`.

        Args:
            data: on the device; the first axis is the example.
            order: which examples, (batches, batch).
        """
        self.load(data, order)
        if not self.prepared:
            self.prepare()
        self.at.zero_()
        step = self.take if self.graph is None else self.graph.replay
        for _ in range(len(order)):
            step()

    def load(self, data: Sequence[Tensor], order: Tensor) -> None:
        """Put data and order where the steps read them; a new place, and a capture anew, only where they do not fit."""
        if self.wanted == "eager":
            self.data, self.order = [*data], order
            return
        mine = [self.order, *self.data]
        new = [order, *data]
        fits = len(mine) == len(new) and all(
            a is b or (a is not self.images and len(b) <= len(a) and a.shape[1:] == b.shape[1:] and a.dtype == b.dtype)
            for a, b in zip(mine, new, strict=True)
        )
        if not fits:  # the images lie still by themselves; what a stage makes may lie elsewhere in the next epoch
            self.order, *self.data = [tensor if tensor is self.images else tensor.clone() for tensor in new]
            self.graph, self.prepared = None, False
            return
        for a, b in zip(mine, new, strict=True):
            if a is not b:
                a[: len(b)].copy_(b)

    def take(self) -> None:
        """One step on the next batch: all updates, in order.  Never waits for the device."""
        index = self.order.index_select(0, self.at).flatten()
        self.at.add_(1)
        batch = [to_float(tensor.index_select(0, index)) for tensor in self.data]
        if self.engine.channels_last:
            batch = [b.contiguous(memory_format=torch.channels_last) if b.dim() == 4 else b for b in batch]
        for i, (loss, update, optimiser) in enumerate(zip(self.losses, self.updates, self.optimisers, strict=True)):
            with self.autocast():
                objective, parts = loss(*batch)
            optimiser.zero_grad(set_to_none=True)
            # Only this update's parameters: WAE-GAN's penalty must not leave gradients in the adversary.
            objective.backward(inputs=[p for group in update.groups.values() for p in group])
            optimiser.step()
            for name, part in {objective_name(i): objective, **parts}.items():
                value = part.detach()
                if name not in self.sums:
                    # A sum of many bf16 values in bf16 would stand still.
                    self.sums[name] = torch.zeros_like(value, dtype=torch.promote_types(value.dtype, torch.float32))
                self.sums[name].add_(value)

    def prepare(self) -> None:
        """Compile and capture; what the rehearsal changed is put back, so that nothing is trained by it.

        Raises:
            Unusable: the capture failed.  What fails before it is trained eagerly.
        """
        self.prepared = True
        started = clock(self.device)
        on_it = torch.cuda.device(self.device) if self.device.type == "cuda" else nullcontext()
        broken: Unusable | None = None
        try:
            with unchanged(self.model, self.optimisers, self.device), on_it:
                broken = self.make_ready()
                if broken:
                    raise broken
        except Exception:
            if broken:  # nothing can be put back either, which raises errors that say less
                raise broken from broken.__cause__
            raise
        for sum_ in self.sums.values():
            sum_.zero_()
        self.spent += clock(self.device) - started

    def make_ready(self) -> Unusable | None:
        """Compile, rehearse and capture, or give up; what `capture` has raised where nothing can go on."""
        try:
            if self.wanted == "compiled":
                # The same random numbers as eagerly, not inductor's own.
                self.losses = [torch.compile(update.loss, options={"fallback_random": True})
                               for update in self.updates]  # fmt: skip
            static_rates(self.optimisers, self.device)
            self.rehearse()
            if self.device.type == "cuda":
                self.capture()
                self.how = "graph" if self.wanted == "graph" else "compiled graph"
        except Unusable as error:
            return error
        except Exception as error:  # torch raises many kinds; whatever it is, training goes on and says why
            reason = str(error).strip().splitlines()[:1] or [""]
            self.give_up(f"{self.wanted} failed: {type(error).__name__}: {reason[0]}")
        return None

    def give_up(self, reason: str) -> None:
        """Go on eagerly."""
        self.wanted, self.how = "eager", f"eager: {reason}"
        self.losses, self.graph = [update.loss for update in self.updates], None
        warnings.warn(f"a stage is trained eagerly: {reason}", stacklevel=2)

    def rehearse(self) -> None:
        """Some steps that allocate, compile and choose; on a GPU on a stream of its own, as capturing wants it.

        There the last one must not wait for the device: in a capture that would be beyond repair.

        Raises:
            RuntimeError: it does.
        """
        gpu = self.device.type == "cuda"
        side = torch.cuda.Stream(self.device) if gpu else None
        if side is not None:
            side.wait_stream(torch.cuda.current_stream(self.device))
        try:
            with torch.cuda.stream(side) if gpu else nullcontext():
                for number in range(REHEARSALS):
                    with no_waiting() if gpu and number == REHEARSALS - 1 else nullcontext():
                        self.at.zero_()
                        self.take()
        finally:
            if side is not None:
                torch.cuda.current_stream(self.device).wait_stream(side)

    def capture(self) -> None:
        """Record one step; needs a GPU, and a rehearsal.

        Raises:
            RuntimeError: the step draws random numbers on the CPU.
            Unusable: the step does something else that cannot be recorded.
        """
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)  # gradients are to lie in the graph's own memory
        graph, host = torch.cuda.CUDAGraph(), torch.get_rng_state()
        # The device's generator is known to the graph: every replay draws new numbers, those of an eager step.
        try:
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self.take()
        except Exception as error:
            # torch leaves the thread on the capture's stream and the generator as one that is captured.
            Unusable.happened = True
            reason = str(error).strip().splitlines()[:1] or [""]
            raise Unusable(f"a step cannot be captured in a CUDA graph: {type(error).__name__}: {reason[0]}. "
                           "Run again with --engine eager") from error  # fmt: skip
        if not torch.equal(host, torch.get_rng_state()):
            raise RuntimeError("a loss draws random numbers on the CPU: a replay would draw the same ones again")
        self.graph = graph

    def means(self, steps: int) -> dict[str, float]:
        """The mean over the epoch of each objective and part: one transfer."""
        total = torch.stack([*self.sums.values()]).double() / steps
        return dict(zip(self.sums, total.tolist(), strict=True))


def objective_name(update: int) -> str:
    """Column of an update's objective: objective, objective2, ..."""
    return f"objective{update + 1 if update else ''}"


def static_rates(optimisers: Sequence[torch.optim.Adam], device: torch.device) -> None:
    """Learning rates as tensors on the device, which a captured step reads anew every time."""
    dtype = torch.float32 if device.type == "cuda" else torch.float64  # as the fused Adam of each reads them
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = torch.tensor(float(group["lr"]), dtype=dtype, device=device)
            group["capturable"] = True


def forget(optimiser: torch.optim.Adam) -> None:
    """Make an Adam a new one, in place."""
    for state in optimiser.state.values():
        for tensor in state.values():
            tensor.zero_()


@contextmanager
def no_waiting() -> Iterator[None]:
    """Whatever waits for the GPU raises a RuntimeError."""
    before = torch.cuda.get_sync_debug_mode()
    try:
        with warnings.catch_warnings():  # the mode is set before torch's word that it is a prototype is an error
            warnings.filterwarnings("ignore", "Synchronization debug mode", UserWarning)
            torch.cuda.set_sync_debug_mode("error")
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


@contextmanager
def unchanged(model: LatentModel, optimisers: Sequence[torch.optim.Adam], device: torch.device) -> Iterator[None]:
    """Put parameters, buffers, optimisers and random states back, in place: afterwards nothing has happened."""
    tensors = [*model.parameters(), *model.buffers()]
    before = [tensor.detach().clone() for tensor in tensors]
    moments = [{p: {k: v.clone() for k, v in s.items()} for p, s in o.state.items()} for o in optimisers]
    devices = [torch.cuda.current_device() if device.index is None else device.index] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            with torch.no_grad():
                for tensor, value in zip(tensors, before, strict=True):
                    tensor.copy_(value)
                for optimiser, saved in zip(optimisers, moments, strict=True):
                    for p, state in optimiser.state.items():
                        for name, tensor in state.items():  # what was not there before is new: zeros
                            tensor.copy_(saved[p][name]) if p in saved else tensor.zero_()


def clock(device: torch.device) -> float:
    """Seconds, after the device has finished what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


KEEP = {-3: 1 << 28, -1: (1 << 31) - 1, -2: 1 << 26}  # glibc's M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD
USUAL = {-3: 1 << 25, -1: 1 << 26, -2: 0}  # where glibc's own adaptation ends


@contextmanager
def memory_kept(device: torch.device) -> Iterator[None]:
    """While training on a CPU, freed memory stays with the process; afterwards what is free is given back.

    By default glibc gives large tensors back to the system and fetches them anew, page by page, in every step.
    """
    libc = ctypes.CDLL(None) if device.type == "cpu" else None
    if libc is None or not hasattr(libc, "mallopt") or not hasattr(libc, "malloc_trim"):
        yield
        return
    for name, value in KEEP.items():
        libc.mallopt(name, value)
    try:
        yield
    finally:
        for name, value in USUAL.items():
            libc.mallopt(name, value)
        libc.malloc_trim(0)
