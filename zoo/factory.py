"""Building models by name, and saving and loading their weights."""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from pathlib import Path

import torch

from zoo.base import LatentModel, check_sizes
from zoo.registry import Scalar, entry, hyper_parameters


def build(name: str, *, image_shape: Sequence[int], nz: int, k: int | None = None, **hyper: Scalar) -> LatentModel:
    """A new model with random weights (from torch's global generator).

    Args:
        name: as `entry` takes it.
        image_shape: (C, H, W), C 1 or 3, H = W divisible by 4.
        nz: size of the latent, even.
        k: width of the flow's networks; models without a flow ignore it.
        hyper: the model's hyper-parameters; the registry's values and the defaults stand for the others.

    Raises:
        ValueError: unknown model or hyper-parameter, or sizes that the networks cannot have.
    """
    row, values = entry(name), hyper_parameters(name, **hyper)
    if "k" in inspect.signature(row.model).parameters:
        if k is None:
            raise ValueError(f"{name} has a flow: give its width k (the paper has 64 for MNIST, 256 for CIFAR-10)")
        check_sizes(image_shape, nz, k)  # with k, so that all wrong sizes are reported at once
        values["k"] = k
    model = row.model(image_shape=tuple(image_shape), nz=nz, **values)
    model.spec = {"model": name, "image_shape": list(image_shape), "nz": nz, "k": k, "hyper": dict(hyper)}
    return model


def save(model: LatentModel, path: str | os.PathLike[str]) -> None:
    """Write weights and what `load` needs to rebuild the model, by rename; tensors and JSON values only."""
    if model.spec is None:
        raise ValueError("only models made by zoo.build can be saved: others have no description to rebuild them by")
    path = Path(path)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        torch.save({"spec": dict(model.spec), "state": model.state_dict()}, temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())  # or a power cut may leave a renamed file with holes
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)  # a partial file must not stay on a full disk


def load(path: str | os.PathLike[str]) -> LatentModel:
    """The model that `save` wrote, on the CPU, in evaluation mode.  Runs nothing that is in the file.

    Raises:
        ValueError: its class is external and was not adopted: a file must not decide what is imported.
    """
    content = torch.load(path, map_location="cpu", weights_only=True)
    spec = content["spec"]
    model = build(spec["model"], image_shape=spec["image_shape"], nz=spec["nz"], k=spec["k"], **spec["hyper"])
    model.load_state_dict(content["state"])
    return model.eval()
