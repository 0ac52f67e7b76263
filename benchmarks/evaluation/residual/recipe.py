"""The recipe of the classifiers: every setting of their training, and its source."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.data.preprocessing import Shape

MIN_IMAGES = 10  # training images of each class, at least: ours; each class needs a test image, too
# What to expect: test accuracy of the recipe on images that were measured (docs/evaluation.md)
MEASURED_ACCURACY: dict[str, float] = {"CIFAR-10's images in JPEG": 0.86}


@dataclass(frozen=True)
class Recipe:
    """Settings of the training.  They are part of the key under which a classifier is cached.

    Attributes:
        version: raised when the network, the augmentation or the training changes in another way than by a setting.
        epochs: passes over the training images, at least.
        min_steps: with few images, there are more epochs, so that there are at least as many steps.
        batch: images of a step, at most; at most a tenth of the training images.
        peak_lr: highest learning rate of the one-cycle schedule, for full batches.  It is proportional to the batch
            (Goyal et al. 2017).
        warmup: share of the steps in which the learning rate rises.
        momentum: of SGD, with Nesterov's correction.
        weight_decay: on all weights.
        crop_share: images are padded by this share of their side and cropped at random.
        flip: whether images of three channels are mirrored at random.  Gray ones are not: a mirrored digit or letter
            is another one.
        seed: of the weights, the order of images, and the augmentation.
    """

    version: int = 1
    epochs: int = 24  # ours: under an hour of one CPU core for 50,000 images of 32x32
    min_steps: int = 600  # ours
    batch: int = 128  # He et al. 2016, section 4.2
    peak_lr: float = 0.2  # ours: He et al. 2016 have 0.1 without warm-up; one cycle allows more (Smith & Topin 2017)
    warmup: float = 0.3  # torch.optim.lr_scheduler.OneCycleLR
    momentum: float = 0.9  # He et al. 2016
    weight_decay: float = 5e-4  # Zagoruyko & Komodakis 2016
    crop_share: float = 0.125  # He et al. 2016: 4 of 32 pixels
    flip: bool = True  # He et al. 2016
    seed: int = 0

    def batch_size(self, n_images: int) -> int:
        """Images of a step."""
        return max(1, min(self.batch, n_images // 10))

    def steps(self, n_images: int) -> int:
        """Steps of an epoch; images that fill no batch are left out of it."""
        return n_images // self.batch_size(n_images)

    def n_epochs(self, n_images: int) -> int:
        """Epochs of a training."""
        return max(self.epochs, -(-self.min_steps // self.steps(n_images)))

    def scaled_lr(self, n_images: int) -> float:
        """The highest learning rate for the batches of this number of images."""
        return self.peak_lr * self.batch_size(n_images) / self.batch

    def padding(self, shape: Shape) -> int:
        """Pixels on each side that are added before a random crop."""
        return round(self.crop_share * shape[1])

    def plain(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self)


RECIPE = Recipe()
