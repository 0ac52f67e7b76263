"""Weights files of classifiers: a description, checked field by field, and tensors, checked by their hash."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import torch
from msgspec import Meta
from torch import Tensor

from benchmarks.data.preprocessing import Shape
from benchmarks.evaluation.residual.network import WIDTHS, ResidualClassifier, make_network
from benchmarks.files.reading import InvalidFile, check, read_bytes
from benchmarks.files.types import Count
from benchmarks.files.writing import replacing

FORMAT = "residual classifier 1"
MAX_BYTES = 16 * 2**20  # a file of 1,000 classes has 0.6 MiB
HASH_IN_NAME = re.compile(r"-([0-9a-f]{8})\.pt$")
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)", description="sha256, hexadecimal")]
DatasetName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$(?!\n)")]


class Description(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What a weights file says of its classifier.

    Attributes:
        format: version of the file format.
        dataset: name of the data set that it was trained on.
        key: `content.classifier_key` of its images, labels and recipe.
        channels: of the images.
        side: of the images.
        classes: number of labels.
        width: number of features.
        accuracy: share of the test images that the stored weights classify correctly.
        n_train: number of training images.
        n_test: number of test images.
        epochs: of the training.
        precision: of the training: fp32, tf32 or bf16.
        device: that it was trained on.
        torch: version.
        recipe: settings of the training.
        state_sha256: of the tensors, `hash_state`.
    """

    format: str
    dataset: DatasetName
    key: Sha256
    channels: Literal[1, 3]
    side: Annotated[int, Meta(ge=8, le=4096)]
    classes: Annotated[int, Meta(ge=2, le=100_000)]
    width: Count
    accuracy: Annotated[float, Meta(ge=0, le=1)]
    n_train: Count
    n_test: Count
    epochs: Count
    precision: str
    device: str
    torch: str
    recipe: dict[str, int | float | bool | str]
    state_sha256: Sha256

    @property
    def shape(self) -> Shape:
        """(C, H, W) of the images."""
        return self.channels, self.side, self.side


@dataclass(frozen=True)
class LoadedClassifier:
    """A classifier of a file: the network in evaluation mode, its description, and the sha256 of the file."""

    net: ResidualClassifier
    description: Description
    sha256: str


def round_state(net: ResidualClassifier) -> dict[str, Tensor]:
    """The network's tensors as a file holds them: convolutions in half precision, all others as they are.

    Raises:
        ValueError: a tensor is not finite.
    """
    state = {
        name: tensor.detach().cpu().contiguous().to(torch.float16 if is_weight(name, tensor) else tensor.dtype)
        for name, tensor in net.state_dict().items()
    }
    if broken := [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]:
        raise ValueError(f"the training of the classifier diverged: {broken[0]} is not finite")
    return state


def is_weight(name: str, tensor: Tensor) -> bool:
    """Whether a tensor is stored in half precision: weights of convolutions and of the linear layer."""
    return name.endswith(".weight") and tensor.ndim > 1


def hash_state(state: dict[str, Tensor]) -> str:
    """The sha256 of tensors: names, types, shapes and values."""
    hashed = sha256()
    for name in sorted(state):
        tensor = state[name]
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        hashed.update(tensor.contiguous().numpy().tobytes())
    return hashed.hexdigest()


def load_state(state: dict[str, Tensor], shape: Shape, classes: int) -> ResidualClassifier:
    """A network with these tensors, in evaluation mode; it computes in single precision."""
    net = make_network(shape, classes)
    net.load_state_dict(state)
    return net.eval()


def encode(description: Description, state: dict[str, Tensor]) -> bytes:
    """The content of a weights file."""
    buffer = io.BytesIO()
    torch.save({"description": msgspec.to_builtins(description), "state": state}, buffer)
    return buffer.getvalue()


def write(content: bytes, path: Path) -> Path:
    """Write a weights file by rename; its folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, sync=True) as temporary:
        temporary.write_bytes(content)
    return path


def read(path: Path) -> LoadedClassifier:
    """Read a weights file.

    Raises:
        ValueError: there is no such file, it is not a weights file of a classifier, its hash is another one than the
            one in its name or its description, or the network has another width.
    """
    try:
        content = read_bytes(path, MAX_BYTES)
    except (OSError, InvalidFile) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ValueError(f"cannot read the classifier {path}: {reason}") from error
    digest = sha256(content).hexdigest()
    named = HASH_IN_NAME.search(path.name)
    if named and named[1] != digest[:8]:
        raise ValueError(f"{path} is not the classifier that its name says: its sha256 begins with {digest[:8]}. Copy "
                         "the file again, or make it again by the command classifier")  # fmt: skip
    try:
        return decode(content, digest)
    except InvalidFile as error:
        raise ValueError(f"{path} {error}") from error


def decode(content: bytes, digest: str) -> LoadedClassifier:
    """The classifier in the content of a weights file, whose sha256 is `digest`.

    Raises:
        InvalidFile: it is none. The message continues a sentence that begins with the name of the file.
    """
    try:
        loaded: Any = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a broken file, and advises to execute it
        raise InvalidFile("is not a weights file of a classifier") from error
    if isinstance(loaded, dict) and loaded.keys() == {"spec", "state", "accuracy", "trained"}:
        raise InvalidFile("is a classifier of the first kind, which only comes with the package: name its data set")
    if not isinstance(loaded, dict) or loaded.keys() != {"description", "state"}:
        raise InvalidFile("is not a weights file of a classifier")
    written = loaded["description"]
    if isinstance(written, dict) and written.get("format") != FORMAT:
        raise InvalidFile(f"has the format {str(written.get('format'))[:40]!r}; this version reads {FORMAT!r}")
    try:
        check(written, Description)
    except InvalidFile as error:
        raise InvalidFile(f"has a description that is not valid: {error}") from error
    description = msgspec.convert(written, Description)
    if description.width != WIDTHS[-1]:
        raise InvalidFile(f"has {description.width} features; the network of this version has {WIDTHS[-1]}")
    state = loaded["state"]
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise InvalidFile("is not a weights file of a classifier")
    if hash_state(state) != description.state_sha256:
        raise InvalidFile("has tensors that do not match their hash; make the file again by the command classifier")
    try:
        net = load_state(state, description.shape, description.classes)
    except RuntimeError as error:  # torch lists all tensors of other names or shapes
        raise InvalidFile("has tensors of another network than its description says") from error
    return LoadedClassifier(net, description, digest)
