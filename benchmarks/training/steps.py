"""The steps of one stage: eager, with compiled losses, or captured in a CUDA graph.

A step reads and writes tensors with fixed addresses: the stage's data, the order of examples in the epoch, a counter,
and the sums for the log. So a graph can replay a step. The engines run the same code; they differ only in whether
losses are compiled and steps are captured.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from benchmarks.training.capture import (
    compute_flows_by_layer,
    no_synchronization,
    undo_changes,
    use_static_learning_rates,
)
from benchmarks.training.device import GpuUnusableError, synchronized_time
from benchmarks.training.engine import Engine
from benchmarks.training.precision import Autocast
from zoo.base import LatentModel, Loss, Update, to_float

WARMUP_STEPS = 3  # steps before a capture, in which libraries select kernels and allocate memory


class Steps:
    """The steps of one stage.

    Args:
        model: the model.
        updates: the updates of the stage.
        optimizers: one per update. Their parameter groups hold the learning rates.
        engine: the requested engine and precision.
        images: the training images, whose address does not change; None if they are streamed.

    Attributes:
        engine_used: "eager", "compiled", "graph" or "compiled graph"; or "eager: " and why the requested one failed.
        setup_seconds: time for compiling, warming up and capturing. It does not count as training time.
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
        self.requested = self.engine_used = engine.resolve(self.device)
        self.losses: list[Callable[..., Loss]] = [update.loss for update in updates]
        self.autocast = Autocast(model, engine.precision)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.is_prepared = self.engine_used == "eager"  # there is nothing to compile or capture
        self.data: list[Tensor] = []
        self.order = torch.empty(0, 0, dtype=torch.long, device=self.device)  # (batches, batch)
        self.next_row = torch.zeros(1, dtype=torch.long, device=self.device)  # index into `order`
        self.sums: dict[str, Tensor] = {}
        self.setup_seconds = 0.0

    def start_epoch(self, rates: Sequence[Mapping[str, float]]) -> None:
        """Start an epoch. `rates` has, for each update, the learning rates of its groups by name."""
        for sum_ in self.sums.values():
            sum_.zero_()
        for optimizer, rate in zip(self.optimizers, rates, strict=True):
            for group in optimizer.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rate[group["name"]])  # the graph reads this tensor
                else:
                    group["lr"] = rate[group["name"]]

    def run(self, data: Sequence[Tensor], order: Tensor) -> None:
        """Take a step for each row of `order`.

        Args:
            data: tensors on the device; the first axis is the example.
            order: indices of the examples of each batch, (batches, batch).
        """
        self.set_data(data, order)
        if not self.is_prepared:
            self.prepare()
        self.next_row.zero_()
        step = self.step if self.graph is None else self.graph.replay
        for _ in range(len(order)):
            step()

    def set_data(self, data: Sequence[Tensor], order: Tensor) -> None:
        """Copy data and order to the tensors that steps read. If they do not fit, replace these and capture again."""
        if self.requested == "eager":
            self.data, self.order = [*data], order
            return
        current = [self.order, *self.data]
        new = [order, *data]
        fits = len(current) == len(new) and all(
            a is b or (a is not self.images and len(b) <= len(a) and a.shape[1:] == b.shape[1:] and a.dtype == b.dtype)
            for a, b in zip(current, new, strict=True)
        )
        if not fits:  # clone data, whose address may differ in each epoch; the address of images is fixed
            self.order, *self.data = [tensor if tensor is self.images else tensor.clone() for tensor in new]
            self.graph, self.is_prepared = None, False
            return
        for a, b in zip(current, new, strict=True):
            if a is not b:
                a[: len(b)].copy_(b)

    def step(self) -> None:
        """Take one step: all updates, in order, on the next batch. It does not wait for the device."""
        index = self.order.index_select(0, self.next_row).flatten()
        self.next_row.add_(1)
        batch = [to_float(tensor.index_select(0, index)) for tensor in self.data]
        if self.engine.channels_last:
            batch = [b.contiguous(memory_format=torch.channels_last) if b.dim() == 4 else b for b in batch]
        for i, (loss, update, optimizer) in enumerate(zip(self.losses, self.updates, self.optimizers, strict=True)):
            with self.autocast():
                objective, parts = loss(*batch)
            optimizer.zero_grad(set_to_none=True)
            # Gradients of this update's parameters only: WAE-GAN's penalty must not leave gradients in the adversary.
            objective.backward(inputs=[p for group in update.groups.values() for p in group])
            optimizer.step()
            values = {name: part.detach() for name, part in {objective_name(i): objective, **parts}.items()}
            for name, value in values.items():
                if name not in self.sums:
                    # Sum in at least fp32: in bf16, a sum of many values stops growing.
                    self.sums[name] = torch.zeros_like(value, dtype=torch.promote_types(value.dtype, torch.float32))
            torch._foreach_add_([self.sums[name] for name in values], [*values.values()])

    def prepare(self) -> None:
        """Compile and capture, and undo the changes of the warm-up.

        Raises:
            GpuUnusableError: the capture failed. After other failures, training continues with eager steps.
        """
        self.is_prepared = True
        started = synchronized_time(self.device)
        device_context = torch.cuda.device(self.device) if self.device.type == "cuda" else nullcontext()
        capture_error: GpuUnusableError | None = None
        try:
            with undo_changes(self.model, self.optimizers, self.device), device_context:
                capture_error = self.compile_and_capture()
                if capture_error:
                    raise capture_error
        except Exception:
            if capture_error:  # undoing fails as well, with less helpful errors
                raise capture_error from capture_error.__cause__
            raise
        for sum_ in self.sums.values():
            sum_.zero_()
        self.setup_seconds += synchronized_time(self.device) - started

    def compile_and_capture(self) -> GpuUnusableError | None:
        """Compile, warm up and capture, or fall back to eager steps. Return the error if the capture failed."""
        try:
            if self.requested == "compiled":
                compute_flows_by_layer(self.model)
                # Draw the random numbers of eager steps, not those of inductor.
                self.losses = [torch.compile(update.loss, options={"fallback_random": True})
                               for update in self.updates]  # fmt: skip
            use_static_learning_rates(self.optimizers, self.device)
            self.warm_up()
            if self.device.type == "cuda":
                self.capture()
                self.engine_used = "graph" if self.requested == "graph" else "compiled graph"
        except GpuUnusableError as error:
            return error
        except Exception as error:  # torch raises many types; continue with eager steps
            reason = str(error).strip().splitlines()[:1] or [""]
            self.fall_back_to_eager(f"{self.requested} failed: {type(error).__name__}: {reason[0]}")
        return None

    def fall_back_to_eager(self, reason: str) -> None:
        """Take eager steps from now on, and warn."""
        self.requested, self.engine_used = "eager", f"eager: {reason}"
        self.losses, self.graph = [update.loss for update in self.updates], None
        warnings.warn(f"a stage is trained eagerly: {reason}", stacklevel=2)

    def warm_up(self) -> None:
        """Take some steps, in which libraries compile and allocate. On a GPU, use another stream, as graphs require.

        Raises:
            RuntimeError: the last step waits for the GPU. In a capture, this would make the GPU unusable.
        """
        is_gpu = self.device.type == "cuda"
        warmup_stream = torch.cuda.Stream(self.device) if is_gpu else None
        if warmup_stream is not None:
            warmup_stream.wait_stream(torch.cuda.current_stream(self.device))
        try:
            with torch.cuda.stream(warmup_stream) if is_gpu else nullcontext():
                for number in range(WARMUP_STEPS):
                    with no_synchronization() if is_gpu and number == WARMUP_STEPS - 1 else nullcontext():
                        self.next_row.zero_()
                        self.step()
        finally:
            if warmup_stream is not None:
                torch.cuda.current_stream(self.device).wait_stream(warmup_stream)

    def capture(self) -> None:
        """Capture one step on a GPU, after a warm-up.

        Raises:
            RuntimeError: the step draws random numbers on the CPU.
            GpuUnusableError: the step does anything else that cannot be captured.
        """
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)  # the graph must allocate the gradients
        graph, cpu_rng_state = torch.cuda.CUDAGraph(), torch.get_rng_state()
        # The graph registers the device's generator, so every replay draws new numbers, the same as an eager step.
        try:
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self.step()
        except Exception as error:
            # torch leaves the thread on the stream of the capture, and the generator in capture mode.
            GpuUnusableError.happened = True
            reason = str(error).strip().splitlines()[:1] or [""]
            raise GpuUnusableError(f"a step cannot be captured in a CUDA graph: {type(error).__name__}: {reason[0]}. "
                           "Run again with --engine eager") from error  # fmt: skip
        if not torch.equal(cpu_rng_state, torch.get_rng_state()):
            raise RuntimeError("a loss draws random numbers on the CPU: a replay would draw the same ones again")
        self.graph = graph

    def means(self, steps: int) -> dict[str, float]:
        """The mean over the epoch of each objective and term, by one transfer from the device."""
        total = torch.stack([*self.sums.values()]).double() / steps
        return dict(zip(self.sums, total.tolist(), strict=True))


def objective_name(update: int) -> str:
    """Column name of an update's objective: objective, objective2, ..."""
    return f"objective{update + 1 if update else ''}"


def reset_optimizer(optimizer: torch.optim.Adam) -> None:
    """Reset the state of an Adam optimizer to zero, in place."""
    for state in optimizer.state.values():
        for tensor in state.values():
            tensor.zero_()
