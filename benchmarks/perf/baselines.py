"""The training loops with which ours is compared, and the machine's matrix product.

Each loop is a generator of `Lap`s. All loops train the same stages of the same model at the same precision. They differ
in how they load batches and run steps. Ours is `training.loop.train` itself.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import zoo
from benchmarks.data.datasets import DATASETS
from benchmarks.protocols import Schedule, protocol
from benchmarks.training.device import synchronized_time
from benchmarks.training.engine import Engine
from benchmarks.training.loop import train
from benchmarks.training.precision import Autocast
from benchmarks.training.streaming import place_images
from zoo.base import LatentModel, Stage, to_float

Batches = Callable[[Stage, int], Iterator[Sequence[Tensor]]]
"""Batches of one epoch of a stage."""


@dataclass(frozen=True)
class Case:
    """A model and the settings of its training in a measurement.

    Attributes:
        model: a key of `zoo.MODELS`.
        dataset: a key of `DATASETS`; it sets sizes and the protocol.
        steps: steps per measurement, in the stage with the smallest batch.
        laps: measurements per stage.
        folder: folder with `images.pt` and, for the plain loop, `png/`.
        device, precision, engine, channels_last: see `Engine`.
        shape: (C, H, W); None means the data set's.
        workers: worker processes of the plain loop's DataLoader.
        seed: of the weights and of the training.
    """

    model: str
    dataset: str
    steps: int
    laps: int
    folder: Path
    device: str = "cpu"
    precision: str = "fp32"
    engine: str = "auto"
    channels_last: bool = False
    shape: tuple[int, int, int] | None = None
    workers: int = 0
    seed: int = 0

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.shape or DATASETS[self.dataset].shape

    @property
    def total(self) -> int:
        """Number of training images of the whole data set."""
        return (DATASETS[self.dataset].counts or (0, 0))[0]

    def schedules(self) -> dict[str, Schedule]:
        """The paper's schedules, with one epoch per lap."""
        stages = protocol(self.model, self.dataset, "paper", self.total).stages
        return {name: replace(s, epochs=self.laps, steps=None, factors={}) for name, s in stages.items()}

    @property
    def images(self) -> int:
        """Number of images per lap, so that the stage with the smallest batch takes `steps` steps."""
        batches = [s.batch for s in self.schedules().values()]
        return max(self.steps * min(batches), *batches)

    def build(self) -> LatentModel:
        """The model, on the device."""
        torch.manual_seed(self.seed)
        row = DATASETS[self.dataset]
        hyper = protocol(self.model, self.dataset, "paper", self.total).resolve(self.model).hyper
        model = zoo.build(self.model, image_shape=self.image_shape, nz=row.nz, k=row.k, **hyper)
        return model.to(self.device)

    def load(self) -> Tensor:
        """The images, (N, C, H, W) uint8."""
        images: Tensor = torch.load(self.folder / "images.pt", weights_only=True)
        return images[: self.images]


@dataclass(frozen=True)
class Lap:
    """One measurement: steps of a stage and their seconds. For `engine_used`, see `Steps`."""

    stage: str
    steps: int
    seconds: float
    engine_used: str = ""


def ours(case: Case) -> Iterator[Lap]:
    """Our loop, `training.loop.train`. Seconds come from its rows."""
    model = case.build()
    engine = Engine(case.engine, case.precision, case.channels_last)
    for epoch in train(model, place_images(case.load(), model.device), case.schedules(), engine=engine):
        yield Lap(epoch.row["stage"], epoch.row["steps"], epoch.row["seconds"], epoch.engine_used)


def eager(case: Case) -> Iterator[Lap]:
    """A loop with uint8 data on the device, batches by index, torch's default Adam, and losses summed on the device."""
    device = torch.device(case.device)

    def batches(stage: Stage, size: int) -> Iterator[Sequence[Tensor]]:
        data = stage.data()
        order = torch.randperm(len(data[0]), device=device)[: len(data[0]) // size * size]
        for index in order.split(size):
            yield [to_float(tensor.index_select(0, index)) for tensor in data]

    return _laps(case, case.build(), case.load().to(device), batches, log=lambda loss: loss.detach())


def plain(case: Case) -> Iterator[Lap]:
    """The loop of tutorials: ImageFolder of PNGs, ToTensor, DataLoader, default Adam, loss.item() in every step."""
    from torchvision import transforms  # here: importing it takes a second
    from torchvision.datasets import ImageFolder

    device, images = torch.device(case.device), case.load()
    gray = [transforms.Grayscale()] if images.shape[1] == 1 else []
    folder = ImageFolder(str(case.folder / "png"), transforms.Compose([*gray, transforms.ToTensor()]))
    loader_options: dict[str, Any] = {"shuffle": True, "drop_last": True, "pin_memory": device.type == "cuda"}
    worker_options: dict[str, Any] = {"num_workers": case.workers, "persistent_workers": case.workers > 0}
    loaders: dict[str, DataLoader[Any]] = {}

    def batches(stage: Stage, size: int) -> Iterator[Sequence[Tensor]]:
        data = stage.data()
        if len(data) == 1 and data[0] is resident:
            if stage.name not in loaders:
                loaders[stage.name] = DataLoader(folder, size, **loader_options, **worker_options)
            for x, _ in loaders[stage.name]:
                yield [x.to(device, non_blocking=True)]
            return
        loader_options["pin_memory"] = False  # data are on the device already
        for batch in DataLoader(TensorDataset(*data), size, **loader_options):
            yield [to_float(tensor) for tensor in batch]

    resident = images.to(device)  # for stages that start from latents of all images
    return _laps(case, case.build(), resident, batches, log=lambda loss: loss.item())


def _laps(
    case: Case, model: LatentModel, x: Tensor, batches: Batches, log: Callable[[Tensor], Tensor | float]
) -> Iterator[Lap]:
    schedules, autocast = case.schedules(), Autocast(model, case.precision)
    for stage in model.stages(x):
        schedule = schedules[stage.name]
        optimizers = [
            torch.optim.Adam([{"params": [*parameters], "lr": schedule.rate(name, 0),
                               "weight_decay": schedule.decay(name)} for name, parameters in update.groups.items()],
                             betas=schedule.betas)
            for update in stage.updates
        ]  # fmt: skip
        for _ in range(case.laps):
            model.train()
            started, steps, total = synchronized_time(model.device), 0, torch.zeros((), device=model.device)
            for batch in batches(stage, schedule.batch):
                for update, optimizer in zip(stage.updates, optimizers, strict=True):
                    with autocast():
                        loss, _ = update.loss(*batch)
                    optimizer.zero_grad()
                    loss.backward(inputs=[p for group in update.groups.values() for p in group])
                    optimizer.step()
                    total = total + log(loss)
                steps += 1
            yield Lap(stage.name, steps, synchronized_time(model.device) - started)


def pythae(case: Case) -> Iterator[Lap]:
    """pythae's trainer with the same network and loss, and data in memory as floats, as in pythae's data sets.

    Seconds include the passes over the data, but not pythae's evaluation or its copies of the best model.
    """
    from pythae.data.datasets import BaseDataset
    from pythae.models.base import BaseAE, BaseAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable(logging.WARNING)
    model, x = case.build(), case.load()
    autocast = Autocast(model, case.precision)
    stages = [*_first(model.stages(x.to(case.device)), len(case.schedules()))]
    (schedule,), (update,) = case.schedules().values(), stages[0].updates

    class Wrapped(BaseAE):  # type: ignore[misc, unused-ignore]
        """Adapts a model of the zoo to pythae's trainer."""

        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.net, self.model_name, self.model_config = model, case.model, BaseAEConfig(tuple(x.shape[1:]))

        def forward(self, inputs: Any, **_: Any) -> Any:
            """The loss of a batch."""
            with autocast():
                loss, _parts = update.loss(inputs["data"])
            return ModelOutput(loss=loss)

        def update(self) -> None:
            """Do nothing between epochs."""

    with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
        config = BaseTrainerConfig(
            output_dir=folder, num_epochs=1, per_device_train_batch_size=schedule.batch, optimizer_cls="Adam",
            learning_rate=schedule.rate(next(iter(update.groups)), 0), no_cuda=case.device == "cpu",
        )  # fmt: skip
        pixels = x[: len(x) // schedule.batch * schedule.batch].float() / 255
        trainer = BaseTrainer(Wrapped(), BaseDataset(pixels, torch.zeros(len(pixels))), training_config=config)
        trainer.prepare_training()
        handler = trainer.callback_handler  # without progress bars, which take time
        handler.callbacks = [c for c in handler.callbacks if type(c).__name__ != "ProgressBarCallback"]
        for epoch in range(case.laps):
            started = synchronized_time(model.device)
            trainer.train_step(epoch + 1)
            yield Lap(stages[0].name, len(pixels) // schedule.batch, synchronized_time(model.device) - started)


def can_train_with_pythae(case: Case) -> bool:
    """Whether pythae is installed and can train the model. Its trainer takes one update in one stage."""
    try:
        import_module("pythae.trainers")
    except Exception:  # the import of an external package may raise anything
        return False
    if len(case.schedules()) > 1:
        return False
    (stage,) = _first(replace(case, device="cpu").build().stages(torch.empty(0)), 1)
    return len(stage.updates) == 1


def _first(stages: Iterator[Stage], count: int) -> Iterator[Stage]:
    """The first `count` stages. The code after the last one does not run."""
    for _, stage in zip(range(count), stages, strict=False):
        yield stage


def ceiling(case: Case) -> Iterator[Lap]:
    """Matrix products at the precision, an upper limit of speed. The `steps` of a lap are its GFLOP."""
    device = torch.device(case.device)
    n, times = (8192, 20) if device.type == "cuda" else (2048, 6)
    dtype = torch.bfloat16 if case.precision == "bf16" else torch.float32
    a, b = torch.randn(n, n, device=device, dtype=dtype), torch.randn(n, n, device=device, dtype=dtype)
    out = torch.empty_like(a)
    torch.mm(a, b, out=out)
    while True:
        started = synchronized_time(device)
        for _ in range(times):
            torch.mm(a, b, out=out)
        yield Lap("", round(times * 2 * n**3 / 1e9), synchronized_time(device) - started)


LOOPS: dict[str, Callable[[Case], Iterator[Lap]]] = {
    "ours": ours, "eager": eager, "plain": plain, "pythae": pythae, "ceiling": ceiling,
}  # fmt: skip


def write_png(images: Tensor, folder: Path) -> None:
    """Write images as a folder that ImageFolder reads."""
    (folder / "all").mkdir(parents=True)
    for number, image in enumerate(images.permute(0, 2, 3, 1).numpy()):
        Image.fromarray(image.squeeze()).save(folder / "all" / f"{number:06}.png")


def flops(case: Case, size: int = 4) -> dict[str, int]:
    """Stage -> floating-point operations of one step, where a multiply-add counts as two.

    torch counts convolutions and matrix products of all updates, forward and backward, on `size` examples. The count is
    scaled to a batch. Other operations are less than 1 %.
    """
    from torch.utils.flop_counter import FlopCounterMode

    operations = {}
    model = replace(case, device="cpu").build()
    x = torch.randint(256, (8, *case.image_shape), dtype=torch.uint8)
    schedules = case.schedules()
    for stage in _first(model.stages(x), len(schedules)):
        batch = [to_float(tensor[:size]) for tensor in stage.data()]
        with FlopCounterMode(display=False) as counter:
            for update in stage.updates:
                loss, _ = update.loss(*batch)
                loss.backward(inputs=[p for group in update.groups.values() for p in group])
        operations[stage.name] = counter.get_total_flops() * schedules[stage.name].batch // size
    return operations
