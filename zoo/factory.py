"""Build models by name; save and load their weights."""

from __future__ import annotations

import inspect
import os
import uuid
from collections.abc import Sequence
from pathlib import Path

import torch

from zoo.base import LatentModel, check_sizes
from zoo.registry import Scalar, entry, hyper_parameters


def build(name: str, *, image_shape: Sequence[int], nz: int, k: int | None = None, **hyper: Scalar) -> LatentModel:
    """Build a model with random weights, drawn from torch's global generator.

    Args:
        name: a name that `entry` accepts.
        image_shape: (C, H, W); C is 1 or 3, and H = W is divisible by 4.
        nz: size of the latent, even.
        k: width of the flow's networks. Models without a flow ignore it.
        hyper: hyper-parameters. Those not given take the registry's value or the default.

    Raises:
        ValueError: the model or a hyper-parameter is unknown, or the networks do not support the sizes.
    """
    row, values = entry(name), hyper_parameters(name, **hyper)
    if "k" in inspect.signature(row.model).parameters:
        if k is None:
            raise ValueError(f"{name} has a flow: give k, the width of its networks (paper: MNIST 64, CIFAR-10 256)")
        check_sizes(image_shape, nz, k)  # here with k, so that all errors are reported at once
        values["k"] = k
    model = row.model(image_shape=tuple(image_shape), nz=nz, **values)
    model.spec = {"model": name, "image_shape": list(image_shape), "nz": nz, "k": k, "hyper": dict(hyper)}
    return model


def save(model: LatentModel, path: str | os.PathLike[str]) -> None:
    """Save the weights and the arguments of `build`, as tensors and JSON values only. The file appears atomically."""
    if model.spec is None:
        raise ValueError("cannot save this model: zoo.load can only rebuild models that were made by zoo.build")
    path = Path(path)
    # Not the process number: two hosts or containers that share a folder may have the same one.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        torch.save({"spec": dict(model.spec), "state": model.state_dict()}, temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())  # otherwise a power failure may leave a renamed but incomplete file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)  # leave no partial file on a full disk


def load(path: str | os.PathLike[str]) -> LatentModel:
    """Load a model that `save` wrote, on the CPU and in evaluation mode. No code in the file is executed.

    Raises:
        ValueError: the class is external and has not been adopted. A file must not decide what is imported.
    """
    content = torch.load(path, map_location="cpu", weights_only=True)
    spec = content["spec"]
    model = build(spec["model"], image_shape=spec["image_shape"], nz=spec["nz"], k=spec["k"], **spec["hyper"])
    model.load_state_dict(content["state"])
    return model.eval()
