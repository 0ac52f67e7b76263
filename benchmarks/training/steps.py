"""The steps of one stage: eager, with compiled losses, or captured in a CUDA graph.

A step reads and writes tensors with fixed addresses: the stage's data, the order of examples in the epoch, a counter,
and the sums for the log. So a graph can replay a step. The engines run the same code; they differ only in whether
losses are compiled and steps are captured.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from benchmarks.training import turns
from benchmarks.training.capture import (
    compute_flows_by_layer,
    no_synchronization,
    undo_changes,
    use_static_learning_rates,
)
from benchmarks.training.determinism import note_nondeterministic_operations
from benchmarks.training.device import GpuUnusableError, is_out_of_memory, synchronized_time
from benchmarks.training.engine import FALLBACKS, Engine, compile_loss
from benchmarks.training.precision import Autocast
from zoo.base import LatentModel, Loss, Update, to_float

WARMUP_STEPS = 3  # steps before a capture, in which libraries select kernels and allocate memory
STEPS_PER_TURN = 8  # steps that a run queues before another run may: few, as a GPU queues about a thousand launches


class Steps:
    """The steps of one stage.

    Args:
        model: the model.
        updates: the updates of the stage.
        optimizers: one per update. Their parameter groups hold the learning rates.
        engine: the requested engine and precision.
        images: the training images, whose address does not change; None if they are streamed.
        stage_steps: steps of the whole stage, by which the engine "auto" decides.

    Attributes:
        engine_used: "eager", "compiled", "graph" or "compiled graph". A colon and a reason follow if a better engine
            has failed, or if "auto" had a choice.
        setup_seconds: time for compiling, warming up and capturing. It does not count as training time.
    """

    def __init__(
        self,
        model: LatentModel,
        updates: Sequence[Update],
        optimizers: Sequence[torch.optim.Adam],
        engine: Engine,
        images: Tensor | None = None,
        stage_steps: int = 0,
    ):
        self.model, self.updates, self.optimizers, self.engine = model, updates, optimizers, engine
        self.images = images
        self.device = model.device
        self.requested = self.engine_used = engine.resolve(self.device, stage_steps)
        self.reason = engine.reason(self.device, stage_steps)
        self.losses: list[Callable[..., Loss]] = [update.loss for update in updates]
        self.autocast = Autocast(model, engine.precision)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.is_prepared = self.engine_used == "eager"  # there is nothing to compile or capture
        self.data: list[Tensor] = []
        self.order = torch.empty(0, 0, dtype=torch.long, device=self.device)  # (batches, batch)
        self.next_row = torch.zeros(1, dtype=torch.long, device=self.device)  # index into `order`
        self.sums: dict[str, Tensor] = {}
        self.failures: list[str] = []  # engines that failed, and why
        self.nondeterministic: set[str] = set()  # operations of a step that have no deterministic algorithm
        self.is_first_step = True
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
        """Take a step for each row of `order`; see `run_in_turns`."""
        turns.finish(self.run_in_turns(data, order))

    def run_in_turns(self, data: Sequence[Tensor], order: Tensor) -> Generator[None, None, None]:
        """Take a step for each row of `order`, and yield after some steps.

        Args:
            data: tensors on the device; the first axis is the example.
            order: indices of the examples of each batch, (batches, batch).
        """
        self.set_data(data, order)
        if not self.is_prepared:
            with note_nondeterministic_operations(self.nondeterministic):
                self.prepare()
        self.next_row.zero_()
        step = self.step if self.graph is None else self.graph.replay
        for number in range(1, len(order) + 1):
            with note_nondeterministic_operations(self.nondeterministic) if self.is_first_step else nullcontext():
                step()
            self.is_first_step = False
            if number % STEPS_PER_TURN == 0:
                yield

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
        """Compile, warm up and capture, or fall back to simpler engines. Return the error if the capture failed."""
        for engine in self.candidates():
            try:
                self.try_engine(engine)
                break
            except GpuUnusableError as error:
                return error
            except Exception as error:  # torch raises many types; continue with a simpler engine
                if is_out_of_memory(error) and turns.is_shared():
                    raise
                reason = str(error).strip().splitlines()[:1] or [""]
                self.failures.append(f"{engine} failed: {type(error).__name__}: {reason[0]}")
                name = self.candidates()[self.candidates().index(engine) + 1]
                how = "eagerly" if name == "eager" else f"with --engine {name}"
                warnings.warn(f"a stage is trained {how}: {self.failures[-1]}", stacklevel=2)
        self.engine_used = ": ".join(filter(None, [self.engine_used, "; ".join(self.failures) or self.reason]))
        return None

    def candidates(self) -> list[str]:
        """The engines to try, best first. The last one, eager, never fails here."""
        return [self.requested, *FALLBACKS[self.requested, self.device.type]]

    def try_engine(self, engine: str) -> None:
        """Prepare the steps of one engine.

        Raises:
            GpuUnusableError: the capture failed midway.
            Exception: anything that torch raises.
        """
        self.engine_used, self.graph = engine, None
        self.losses = [update.loss for update in self.updates]
        if engine == "eager":
            self.requested = "eager"
            return
        if engine == "compiled":
            compute_flows_by_layer(self.model)
            self.losses = [compile_loss(loss) for loss in self.losses]
        use_static_learning_rates(self.optimizers, self.device)
        self.warm_up()
        if self.device.type == "cuda":
            self.capture()
            self.engine_used = "compiled graph" if engine == "compiled" else "graph"

    def capture_stream(self) -> torch.cuda.Stream | None:
        """The stream for warming up and capturing: that of the run, or a common one if the run has none of its own.

        cuBLAS has one workspace per stream. Two runs whose graphs were captured on one stream would overwrite each
        other's.
        """
        if self.device.type != "cuda":
            return None
        current = torch.cuda.current_stream(self.device)
        is_default = current == torch.cuda.default_stream(self.device)
        return turns.stream(self.device, "capture") if is_default else current

    def warm_up(self) -> None:
        """Take some steps, in which libraries compile and allocate. On a GPU, use another stream, as graphs require.

        Raises:
            RuntimeError: the last step waits for the GPU. In a capture, this would make the GPU unusable.
        """
        warmup_stream = self.capture_stream()
        if warmup_stream is not None:
            warmup_stream.wait_stream(torch.cuda.current_stream(self.device))
        try:
            with torch.cuda.stream(warmup_stream):
                for number in range(WARMUP_STEPS):
                    is_checked = warmup_stream is not None and number == WARMUP_STEPS - 1
                    with no_synchronization() if is_checked else nullcontext():
                        self.next_row.zero_()
                        self.step()
        finally:
            if warmup_stream is not None:
                torch.cuda.current_stream(self.device).wait_stream(warmup_stream)

    def capture(self) -> None:
        """Capture one step on a GPU, after a warm-up.

        Raises:
            RuntimeError: the step draws random numbers on the CPU.
            torch.OutOfMemoryError: there is not enough memory beside that of eager steps.
            GpuUnusableError: the step does anything else that cannot be captured.
        """
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)  # the graph must allocate the gradients
        graph, cpu_rng_state = torch.cuda.CUDAGraph(), torch.get_rng_state()
        # The graph registers the device's generator, so every replay draws new numbers, the same as an eager step.
        try:
            with torch.cuda.graph(graph, stream=self.capture_stream(), capture_error_mode="thread_local"):
                self.step()
        except torch.OutOfMemoryError:  # torch has ended the capture; if it could not, this is another error
            raise
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
        """The mean over the epoch of each objective and term; see `means_in_turns`."""
        return turns.finish(self.means_in_turns(steps))

    def means_in_turns(self, steps: int) -> Generator[None, None, dict[str, float]]:
        """Return the mean over the epoch of each objective and term, by one transfer from the device.

        If other runs share the process, yield until the device has finished this run's steps.
        """
        total = torch.stack([*self.sums.values()]).double() / steps
        if self.device.type == "cuda" and turns.is_shared():
            on_host = torch.empty(total.shape, dtype=total.dtype, pin_memory=True)
            total = on_host.copy_(total, non_blocking=True)
            done = torch.cuda.current_stream(self.device).record_event()
            while not done.query():
                yield
        return dict(zip(self.sums, total.tolist(), strict=True))


def objective_name(update: int) -> str:
    """Column name of an update's objective: objective, objective2, ..."""
    return f"objective{update + 1 if update else ''}"
