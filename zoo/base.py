"""The base class of all models: a latent space, a decoder, and a list of training stages.

Models differ in how they are trained and in how they draw latents (Section 2 of the paper). So a model defines only
`stages`, a generator, and `sample_latent`. The base class samples, encodes and reconstructs.
The protocol sets epochs and learning rates, and the training loop sets the device.

Symbols, as in the paper: `x` is an image, `z` a latent, `nz` its size (the paper's d), `eps` noise from the base
distribution N(0, I), `f` the flow from z to eps, `k` the width of the flow's networks. `mu`, `sigma` and `logvar` are
the moments of a Gaussian encoder, `beta` is the weight of the reconstruction loss, and `gamma` the standard deviation
of a decoder. In RAE, gamma is the weight of a penalty instead.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import Any

import torch
from torch import Tensor, nn

Loss = tuple[Tensor, Mapping[str, Tensor]]
"""The objective, a scalar, and its named terms (scalars) for the log."""

BATCH = 500  # images per forward pass in evaluation, up to 64x64: about 50 MB of activations; fewer for larger images


@dataclass(frozen=True)
class Update:
    """A loss and the parameters that minimize it. One optimizer takes one step per mini-batch.

    Attributes:
        loss: called as `loss(*batch)`, with a mini-batch of each tensor that `Stage.data` returns.
        groups: name -> parameters. The protocol sets learning rates and weight decay by these names.
            Gradients of other parameters are neither computed nor changed.
    """

    loss: Callable[..., Loss]
    groups: Mapping[str, Sequence[nn.Parameter]]


@dataclass(frozen=True)
class Stage:
    """One stage of training.

    Attributes:
        name: the name of the stage's schedule in the protocol.
        data: called at the start of *every* epoch. It returns tensors whose first axis is the example.
            uint8 tensors are pixels; the loss receives them as floats in [0, 1]. Other tensors are not converted.
        updates: taken in order on every mini-batch.
    """

    name: str
    data: Callable[[], tuple[Tensor, ...]]
    updates: Sequence[Update]


class LatentModel(nn.Module, ABC):
    """A decoder and a distribution over latents. Read this class before you write a model.

    A model is a subclass that defines `stages` and `sample_latent`. Four rules let one loop train, interrupt, resume
    and save every model:

    1. Code between two yields may depend only on weights that later stages do not change. A resumed run executes it
       again, with the same random state.
    2. Stages and parameter groups have the names that the protocol uses.
    3. `sample_latent` raises `NotFitted` until there is a density to sample from.
    4. Every learned tensor is a parameter or a buffer. `per_example` names the tensors with one row per training
       example. Loading a state dict resizes them to the saved size.

    Attributes:
        image_shape: (C, H, W); C is 1 or 3, H = W is divisible by 4.
        nz: size of the latent, even (a coupling splits it into halves).
        decoder: (B, nz) -> (B, C, H, W) in [0, 1].
    """

    decoder: nn.Module
    per_example: tuple[str, ...] = ()
    spec: Mapping[str, Any] | None = None  # the arguments of zoo.build; zoo.save stores them

    def __init__(self, image_shape: Sequence[int], nz: int):
        super().__init__()
        check_sizes(image_shape, nz)
        self.image_shape = (int(image_shape[0]), int(image_shape[1]), int(image_shape[2]))
        self.nz = nz

    @abstractmethod
    def stages(self, x: Tensor) -> Iterator[Stage]:
        """Yield the stages of training. The code after a `yield` runs when that stage has been trained.

        Args:
            x: the training images, (N, C, H, W) uint8, on the model's device.
        """

    @abstractmethod
    def sample_latent(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw latents from the model's distribution.

        Args:
            n: number of latents.
            generator: a CPU generator, so that the draws do not depend on the device or on training.

        Returns:
            (n, nz), on the model's device.

        Raises:
            NotFitted: the distribution has not been fitted yet.
        """

    def latent(self, x: Tensor) -> Tensor:
        """The deterministic latent of each image: the encoder's output, or its mean if the encoder is Gaussian.

        Args:
            x: (B, C, H, W) float in [0, 1].

        Returns:
            (B, nz), the input of the decoder.

        Raises:
            NotImplementedError: the model has no encoder, as its codes are learned per example.
        """
        encoder = getattr(self, "encoder", None)
        if encoder is None:
            raise NotImplementedError(f"{type(self).__name__} has no encoder")
        out = encoder(x)
        z: Tensor = out[0] if isinstance(out, tuple) else out
        return z

    def draw_latent(self, x: Tensor, eps: Tensor) -> Tensor:
        """A draw from q(z|x), (B, nz). It equals `latent` if the encoder is deterministic.

        Args:
            x: (B, C, H, W) float in [0, 1].
            eps: a draw from N(0, I), (B, nz).
        """
        return self.latent(x)

    def fit_density(self, x: Tensor) -> None:
        """Fit the density of latents to training images, if the model fits it after training.

        `stages` calls it after the last stage. A learning curve calls it on a copy of the model between epochs, so that
        the copy can be sampled.

        Args:
            x: training images, (N, C, H, W) uint8.

        Raises:
            NotImplementedError: the model trains its density, or its density has no parameters.
        """
        raise NotImplementedError(f"{type(self).__name__} fits no density after training")

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density of latents under the model's distribution, in nats: (B, nz) -> (B,).

        Raises:
            NotImplementedError: the density has no closed form.
            NotFitted: the density has not been fitted yet.
        """
        raise NotImplementedError(f"{type(self).__name__} has no density of latents in closed form")

    def encode(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Encode images in evaluation mode, batch by batch.

        Args:
            x: (N, C, H, W), uint8 or float in [0, 1].
            generator: a CPU generator for draws from q(z|x), or None for `latent`, without draws. All noise is drawn
                in one call, so the result does not depend on the batch size.

        Returns:
            (N, nz), on the model's device.
        """
        eps = None if generator is None else standard_normal(len(x), self.nz, generator, self.device).split(self.batch)
        with evaluating(self):
            parts = [to_float(part.to(self.device)) for part in x.split(self.batch)]
            if eps is None:
                return torch.cat([self.latent(part) for part in parts])
            return torch.cat([self.draw_latent(part, noise) for part, noise in zip(parts, eps, strict=True)])

    def decode(self, z: Tensor) -> Tensor:
        """Decode latents in evaluation mode: (N, nz) -> (N, C, H, W) float in [0, 1], on the CPU."""
        with evaluating(self):
            return torch.cat([self.decoder(part.to(self.device)).cpu() for part in z.split(self.batch)])

    def reconstruct(self, x: Tensor) -> Tensor:
        """Encode and decode images: (N, C, H, W), uint8 or float in [0, 1] -> the same shape, float in [0, 1]."""
        return self.decode(self.encode(x))

    def sample(self, n: int, seed: int) -> Tensor:
        """Draw images. All latents are drawn in one call, so the images do not depend on the batch size.

        The global generators and the training mode do not change.

        Args:
            n: number of images, at least 1.
            seed: the same seed gives the same images.

        Returns:
            (n, C, H, W) float in [0, 1], on the CPU: the decoder's mean, without pixel noise.
        """
        if n < 1:
            raise ValueError(f"sample needs n >= 1, got {n}")
        generator = torch.Generator().manual_seed(seed)
        with evaluating(self):
            z = self.sample_latent(n, generator)
        return self.decode(z)

    def path(self, n: int, steps: int, seed: int) -> Tensor:
        """Images on straight lines between random latents (Figure 2f).

        Args:
            n: number of lines.
            steps: images on each line, ends included, at least 2.
            seed: seed of the ends.

        Returns:
            (n, steps, C, H, W) float in [0, 1], on the CPU.
        """
        generator = torch.Generator().manual_seed(seed)
        with evaluating(self):
            z = self.latent_path(n, torch.linspace(0, 1, steps), generator)
        images: Tensor = self.decode(z.flatten(0, 1)).unflatten(0, (n, steps))
        return images

    def latent_path(self, n: int, t: Tensor, generator: torch.Generator) -> Tensor:
        """Latents at the fractions t, (T,), of n lines: (n, T, nz). Lines of a flow are straight in its noise."""
        return line(self.sample_latent(n, generator), self.sample_latent(n, generator), t)

    @property
    def batch(self) -> int:
        """Examples per forward pass in evaluation."""
        return BATCH if self.image_shape[1] <= 64 else max(1, BATCH * 64**2 // self.image_shape[1] ** 2)

    @property
    def device(self) -> torch.device:
        """The device of the model's parameters."""
        return next(self.parameters()).device

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load a state dict, as in torch. Tensors in `per_example` are first resized to their size in `state_dict`."""
        for name in self.per_example:
            if name in state_dict:
                old, shape = getattr(self, name), state_dict[name].shape
                if old.shape == shape:  # keep the tensor, as optimizers hold references to it
                    continue
                new = torch.empty(shape, dtype=old.dtype, device=old.device)
                setattr(self, name, nn.Parameter(new) if isinstance(old, nn.Parameter) else new)
        return super().load_state_dict(state_dict, strict=strict, assign=assign)


class NotFitted(RuntimeError):
    """A model was sampled before its distribution over latents was fitted."""


def to_float(x: Tensor) -> Tensor:
    """Convert pixels to the networks' input: uint8 becomes float in [0, 1]; floats are not changed."""
    return x.float().div_(255) if x.dtype == torch.uint8 else x


def standard_normal(n: int, nz: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Draws from N(0, I), (n, nz), made on the CPU so that they are the same on every device."""
    return torch.randn(n, nz, generator=generator).to(device)


def line(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """Interpolate linearly between two sets of points, (n, d) each, at the fractions t, (T,): (n, T, d)."""
    weight = t.to(start.device)[:, None]
    points: Tensor = (1 - weight) * start[:, None] + weight * end[:, None]
    return points


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """In the block, the model is in evaluation mode and records no gradients. Afterwards all modes are restored."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def check_sizes(image_shape: Sequence[int], nz: int, k: int | None = None) -> None:
    """Raise ValueError, with all errors, for sizes that the shared networks do not support (Table 3)."""
    errors = []
    if len(image_shape) != 3:
        errors.append(f"image_shape must be (C, H, W), got {tuple(image_shape)}")
    else:
        c, h, w = image_shape
        if c not in (1, 3):
            errors.append(f"images must have 1 or 3 channels, got {c}")
        if h != w or h < 4 or h % 4:
            errors.append(f"images must be square with a side divisible by 4 (two strides of 2), got {h}x{w}")
    if nz < 2 or nz % 2:
        errors.append(f"nz must be even and positive (a coupling splits it into halves), got {nz}")
    if k is not None and k < 1:
        errors.append(f"k, the width of the flow's networks, must be positive, got {k}")
    if errors:
        raise ValueError("; ".join(errors))


def check_positive(**values: float) -> None:
    """Raise ValueError for hyper-parameters that are not positive and finite."""
    errors = [f"{name} must be positive, got {value}" for name, value in values.items() if not 0 < value < inf]
    if errors:
        raise ValueError("; ".join(errors))
