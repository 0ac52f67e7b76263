"""Train a classifier: the same bits for the same images, labels and recipe on one CPU thread, also if interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.data.split import Split
from benchmarks.evaluation.residual.network import ResidualClassifier, make_network
from benchmarks.evaluation.residual.recipe import Recipe
from benchmarks.files.writing import replacing
from benchmarks.training.device import synchronized_time
from benchmarks.training.precision import matmul_precision, reproducible_arithmetic

TEST_BATCH = 500
TIMED_STEPS, UNTIMED_STEPS = 5, 2
STATE_KEYS = {"key", "precision", "epoch", "net", "optimizer", "schedule", "generator"}


@dataclass(frozen=True)
class Progress:
    """What is known after an epoch: its number from 1 on, the number of epochs, the mean loss, and its seconds."""

    epoch: int
    epochs: int
    loss: float
    seconds: float

    def __str__(self) -> str:
        return f"epoch {self.epoch}/{self.epochs}, loss {self.loss:.4f}, {self.seconds:.1f} s"


class Training:
    """The training of one classifier.

    Args:
        train: labelled images, in an order that depends on nothing but their content.
        classes: number of labels.
        recipe: the settings.
        device: where it runs.
        precision: fp32; bf16 on a processor or GPU that multiplies it; tf32 on a GPU.
    """

    def __init__(self, train: Split, classes: int, recipe: Recipe, device: torch.device, precision: str = "fp32"):
        assert train.labels is not None
        self.precision = precision
        _, channels, height, width = train.images.shape
        self.recipe, self.device, self.shape, self.classes = recipe, device, (channels, height, width), classes
        self.images, self.labels = train.images.to(device), train.labels.to(device)
        self.steps, self.epochs = recipe.steps(len(train)), recipe.n_epochs(len(train))
        self.mean, self.std = channel_moments(train.images)
        self._begin()

    def _begin(self) -> None:
        """Set everything that the training changes to its initial value."""
        recipe = self.recipe
        self.epoch = 0
        self.generator = torch.Generator().manual_seed(recipe.seed)  # on the CPU: a GPU then sees the same images
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            self.net = make_network(self.shape, self.classes)
        self.net.mean.copy_(self.mean)
        self.net.std.copy_(self.std)
        self.net.to(self.device)
        lr = recipe.scaled_lr(len(self.images))
        self.optimizer = torch.optim.SGD(
            self.net.parameters(), lr, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, lr, self.epochs * self.steps, pct_start=recipe.warmup, cycle_momentum=False
        )

    def fit(self, key: str, state_file: Path | None = None, report: Callable[[Progress], None] | None = None) -> None:
        """Train until the last epoch.

        Args:
            key: of the classifier.  A saved state of another key is not continued.
            state_file: the state is saved here after each epoch, and read from here; its folder exists.
            report: called after each epoch.
        """
        with self._arithmetic():
            if state_file is not None:
                self.resume(key, state_file)
            while self.epoch < self.epochs:
                started = time.perf_counter()
                loss = self._run_epoch()
                if state_file is not None:
                    self._write_state(key, state_file)
                if report is not None:
                    report(Progress(self.epoch, self.epochs, loss, time.perf_counter() - started))

    def seconds_per_step(self) -> float:
        """Median seconds of a step, measured on a few steps, after which everything is as it was before."""
        seconds = []
        with self._arithmetic():
            self.net.train()
            for _ in range(UNTIMED_STEPS + TIMED_STEPS):
                started = synchronized_time(self.device)
                self._step(torch.arange(self.recipe.batch_size(len(self.images))))
                seconds.append(synchronized_time(self.device) - started)
        self._begin()
        return sorted(seconds[UNTIMED_STEPS:])[TIMED_STEPS // 2]

    @contextmanager
    def _arithmetic(self) -> Iterator[None]:
        with reproducible_arithmetic(self.device), matmul_precision(self.precision):
            yield

    def _run_epoch(self) -> float:
        self.net.train()
        order = torch.randperm(len(self.images), generator=self.generator)
        total = torch.zeros((), device=self.device)
        batch = self.recipe.batch_size(len(self.images))
        for step in range(self.steps):
            total += self._step(order[step * batch : (step + 1) * batch])
            self.schedule.step()
        self.epoch += 1
        return total.item() / self.steps

    def _step(self, index: Tensor) -> Tensor:
        index = index.to(self.device)
        flip = self.recipe.flip and self.shape[0] == 3
        images = augment(self.images[index], self.recipe.padding(self.shape), flip, self.generator)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            loss = functional.cross_entropy(self.net(images.float().div_(255)), self.labels[index])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def _write_state(self, key: str, path: Path) -> None:
        state = {
            "key": key,
            "precision": self.precision,
            "epoch": self.epoch,
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "generator": self.generator.get_state(),
        }
        with replacing(path) as temporary:
            torch.save(state, temporary)

    def resume(self, key: str, path: Path) -> None:
        """Continue from a saved state; one that is missing, broken, or of another key or precision is ignored."""
        if not path.is_file():
            return
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            if state.keys() != STATE_KEYS or (state["key"], state["precision"]) != (key, self.precision):
                return
            self.net.load_state_dict(state["net"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
            self.generator.set_state(state["generator"])
            self.epoch = int(state["epoch"])
        except Exception:  # torch raises many kinds for a broken file
            self._begin()


def augment(images: Tensor, padding: int, flip: bool, generator: torch.Generator) -> Tensor:
    """Crop each image at random after reflecting its border, and mirror half of them if `flip`.

    Args:
        images: (B, C, H, W), uint8.
        padding: pixels on each side; an offset is drawn for each image and direction.
        flip: whether an image is mirrored with probability 1/2.
        generator: of random numbers, on the CPU.

    Returns:
        (B, C, H, W), uint8.
    """
    n, side, device = len(images), images.shape[2], images.device
    if padding:
        offsets = torch.randint(2 * padding + 1, (2, n), generator=generator).to(device)
        # Indices of rows and columns, reflected at the borders: -1 is 1, and side is side - 2.
        steps = torch.arange(side, device=device)
        rows, columns = (reflect(offset[:, None] + steps - padding, side) for offset in offsets)
        images = images[torch.arange(n, device=device)[:, None, None], :, rows[:, :, None], columns[:, None, :]]
        images = images.permute(0, 3, 1, 2)
    if flip:
        mirrored = (torch.rand(n, generator=generator) < 0.5).to(device)
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    return images


def reflect(index: Tensor, side: int) -> Tensor:
    """Indices outside of [0, side) reflected at the first and the last pixel."""
    index = index.abs()
    return torch.where(index >= side, 2 * (side - 1) - index, index)


def channel_moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel in [0, 1], (C, 1, 1), computed exactly from counts of pixel values.

    A channel of one value has standard deviation 1.
    """
    values = torch.arange(256, dtype=torch.float64) / 255
    means, stds = [], []
    for channel in images.unbind(1):
        share = torch.bincount(channel.flatten(), minlength=256).double() / channel.numel()
        mean = (share * values).sum()
        variance = (share * (values - mean) ** 2).sum()
        means.append(mean)
        stds.append(variance.sqrt() if variance > 0 else torch.ones_like(variance))
    return torch.stack(means).float()[:, None, None], torch.stack(stds).float()[:, None, None]


def predict(net: ResidualClassifier, images: Tensor, device: torch.device) -> Tensor:
    """The label that a network in evaluation mode gives each of the images: (N,) int64."""
    with torch.no_grad(), reproducible_arithmetic(device):
        parts = [net(x.to(device).float().div_(255)).argmax(1).cpu() for x in images.split(TEST_BATCH)]
    return torch.cat(parts)
