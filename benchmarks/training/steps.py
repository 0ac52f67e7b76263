"""The steps of one stage: eagerly, with compiled losses, or captured in a CUDA graph.

A step works on tensors that stay where they are: the stage's data, the epoch's order of examples, a counter, the sums
for the log.  So a graph can repeat it without the host, and the three ways differ only in the call that compiles or
captures.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from benchmarks.training.capture import no_synchronization, undo_changes, use_static_learning_rates
from benchmarks.training.device import GpuUnusableError, synchronized_time
from benchmarks.training.engine import Engine
from benchmarks.training.precision import Autocast
from zoo.base import LatentModel, Loss, Update, to_float

WARMUP_STEPS = 3  # steps before a capture: libraries choose and allocate what they need


class Steps:
    """The steps of one stage.

    Args:
        model: the model.
        updates: of the stage.
        optimizers: one per update; their parameter groups hold the learning rates.
        engine: the engine and precision that were requested.
        images: the training images, which never move; None where they are streamed.

    Attributes:
        engine_used: eager, compiled, graph or compiled graph; where that failed, "eager: " and the reason.
        setup_seconds: of compiling, warming up and capturing, which do not count as training.
    """

    def __init__(
        self,
        model: LatentModel,
        updates: Sequence[Update],
        optimizers: Sequence[torch.optim.Adam],
        engine: Engine,
        images: Tensor | None = None,
    ):
        self.model, self.updates, self.optimizers, self.engine = model, updates, optimizers, engine
        self.images = images
        self.device = model.device
        self.requested = self.engine_used = engine.on(self.device)
        self.losses: list[Callable[..., Loss]] = [update.loss for update in updates]
        self.autocast = Autocast(model, engine.precision)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.is_prepared = self.engine_used == "eager"  # nothing is to be compiled or captured
        self.data: list[Tensor] = []
        self.order = torch.empty(0, 0, dtype=torch.long, device=self.device)  # (batches, batch)
        self.at = torch.zeros(1, dtype=torch.long, device=self.device)  # row of `order` that is next
        self.sums: dict[str, Tensor] = {}
        self.setup_seconds = 0.0

    def start_epoch(self, rates: Sequence[Mapping[str, float]]) -> None:
        """Start an epoch, with the learning rates of each update's groups by name."""
        for sum_ in self.sums.values():
            sum_.zero_()
        for optimizer, rate in zip(self.optimizers, rates, strict=True):
            for group in optimizer.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rate[group["name"]])  # where the graph reads it
                else:
                    group["lr"] = rate[group["name"]]

    def run(self, data: Sequence[Tensor], order: Tensor) -> None:
        """Take a step for each row of `order`.

        Args:
            data: on the device; the first axis is the example.
            order: which examples, (batches, batch).
        """
        self.set_data(data, order)
        if not self.is_prepared:
            self.prepare()
        self.at.zero_()
        step = self.step if self.graph is None else self.graph.replay
        for _ in range(len(order)):
            step()

    def set_data(self, data: Sequence[Tensor], order: Tensor) -> None:
        """Put data and order where the steps read them; a new place, and a capture anew, only where they do not fit."""
        if self.requested == "eager":
            self.data, self.order = [*data], order
            return
        current = [self.order, *self.data]
        new = [order, *data]
        fits = len(current) == len(new) and all(
            a is b or (a is not self.images and len(b) <= len(a) and a.shape[1:] == b.shape[1:] and a.dtype == b.dtype)
            for a, b in zip(current, new, strict=True)
        )
        if not fits:  # the images lie still by themselves; what a stage makes may lie elsewhere in the next epoch
            self.order, *self.data = [tensor if tensor is self.images else tensor.clone() for tensor in new]
            self.graph, self.is_prepared = None, False
            return
        for a, b in zip(current, new, strict=True):
            if a is not b:
                a[: len(b)].copy_(b)

    def step(self) -> None:
        """One step on the next batch: all updates, in order.  Never waits for the device."""
        index = self.order.index_select(0, self.at).flatten()
        self.at.add_(1)
        batch = [to_float(tensor.index_select(0, index)) for tensor in self.data]
        if self.engine.channels_last:
            batch = [b.contiguous(memory_format=torch.channels_last) if b.dim() == 4 else b for b in batch]
        for i, (loss, update, optimizer) in enumerate(zip(self.losses, self.updates, self.optimizers, strict=True)):
            with self.autocast():
                objective, parts = loss(*batch)
            optimizer.zero_grad(set_to_none=True)
            # Only this update's parameters: WAE-GAN's penalty must not leave gradients in the adversary.
            objective.backward(inputs=[p for group in update.groups.values() for p in group])
            optimizer.step()
            for name, part in {objective_name(i): objective, **parts}.items():
                value = part.detach()
                if name not in self.sums:
                    # A sum of many bf16 values in bf16 would stand still.
                    self.sums[name] = torch.zeros_like(value, dtype=torch.promote_types(value.dtype, torch.float32))
                self.sums[name].add_(value)

    def prepare(self) -> None:
        """Compile and capture; what the warm-up changed is put back, so that nothing is trained by it.

        Raises:
            Unusable: the capture failed.  What fails before it is trained eagerly.
        """
        self.is_prepared = True
        started = synchronized_time(self.device)
        on_it = torch.cuda.device(self.device) if self.device.type == "cuda" else nullcontext()
        broken: GpuUnusableError | None = None
        try:
            with undo_changes(self.model, self.optimizers, self.device), on_it:
                broken = self.compile_and_capture()
                if broken:
                    raise broken
        except Exception:
            if broken:  # nothing can be put back either, which raises errors that say less
                raise broken from broken.__cause__
            raise
        for sum_ in self.sums.values():
            sum_.zero_()
        self.setup_seconds += synchronized_time(self.device) - started

    def compile_and_capture(self) -> GpuUnusableError | None:
        """Compile, warm up and capture, or fall back; the error of `capture` after which nothing can go on."""
        try:
            if self.requested == "compiled":
                # The same random numbers as eagerly, not inductor's own.
                self.losses = [torch.compile(update.loss, options={"fallback_random": True})
                               for update in self.updates]  # fmt: skip
            use_static_learning_rates(self.optimizers, self.device)
            self.warm_up()
            if self.device.type == "cuda":
                self.capture()
                self.engine_used = "graph" if self.requested == "graph" else "compiled graph"
        except GpuUnusableError as error:
            return error
        except Exception as error:  # torch raises many kinds; whatever it is, training goes on and says why
            reason = str(error).strip().splitlines()[:1] or [""]
            self.fall_back_to_eager(f"{self.requested} failed: {type(error).__name__}: {reason[0]}")
        return None

    def fall_back_to_eager(self, reason: str) -> None:
        """Go on eagerly."""
        self.requested, self.engine_used = "eager", f"eager: {reason}"
        self.losses, self.graph = [update.loss for update in self.updates], None
        warnings.warn(f"a stage is trained eagerly: {reason}", stacklevel=2)

    def warm_up(self) -> None:
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
                for number in range(WARMUP_STEPS):
                    with no_synchronization() if gpu and number == WARMUP_STEPS - 1 else nullcontext():
                        self.at.zero_()
                        self.step()
        finally:
            if side is not None:
                torch.cuda.current_stream(self.device).wait_stream(side)

    def capture(self) -> None:
        """Record one step; needs a GPU, and a warm-up.

        Raises:
            RuntimeError: the step draws random numbers on the CPU.
            Unusable: the step does something else that cannot be recorded.
        """
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)  # gradients are to lie in the graph's own memory
        graph, host = torch.cuda.CUDAGraph(), torch.get_rng_state()
        # The device's generator is known to the graph: every replay draws new numbers, those of an eager step.
        try:
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self.step()
        except Exception as error:
            # torch leaves the thread on the capture's stream and the generator as one that is captured.
            GpuUnusableError.happened = True
            reason = str(error).strip().splitlines()[:1] or [""]
            raise GpuUnusableError(f"a step cannot be captured in a CUDA graph: {type(error).__name__}: {reason[0]}. "
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


def reset_optimizer(optimizer: torch.optim.Adam) -> None:
    """Make an Adam a new one, in place."""
    for state in optimizer.state.values():
        for tensor in state.values():
            tensor.zero_()
