"""Feature extractors behind one interface: uint8 images in, a feature matrix out.

`FEATURES` is the registry.  A distance is called `fid` only on the Inception weights of 2015-12-05; other
weights give `fd_inception_unknown`, other extractors `fd_` and their name.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import classifier

GET_INCEPTION = "python -m benchmarks.run fetch inception"
INCEPTION_SHA256 = "6726825d"  # first digits of pt_inception-2015-12-05-6726825d.pth


class Extractor(Protocol):
    """What a metric needs of an extractor; any object with these serves.

    Attributes:
        name: as `--features` takes it, and as records print it.
        metric: the column of the Fréchet distance on these features.
        dims: number of features.
        weights: sha256 of the weights file, or a note where there is none.
        note: how images are prepared, for the caption.
    """

    name: str
    metric: str
    dims: int
    weights: str
    note: str

    def __call__(self, images: Tensor) -> NDArray[np.float32]:
        """(N, C, H, W) uint8 -> (N, dims)."""


class Inception:
    """The pool3 features of FID, 2048 wide, by pytorch-fid's network.

    Gray images are replicated to three channels; images are resized to 299 by that network (bilinear, not
    antialiased) and scaled to [-1, 1].  The weights come from torch hub's cache (`run fetch inception`);
    jobs never use the network.
    """

    name, dims = "inception", 2048
    note = "gray replicated to 3 channels, bilinear to 299x299 without antialiasing"

    def __init__(self, device: torch.device):
        path = inception_file()
        if not path.is_file():
            raise ValueError(missing_inception())
        self.weights = file_sha256(path)
        self.metric = "fid" if self.weights.startswith(INCEPTION_SHA256) else "fd_inception_unknown"
        self.device = device
        self.net = _inception(path).to(device)

    def __call__(self, images: Tensor) -> NDArray[np.float32]:
        """(N, C, H, W) uint8 -> (N, 2048)."""
        parts = []
        with torch.no_grad():
            for batch in images.split(50):
                x = batch.to(self.device).float().div_(255)
                x = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x
                parts.append(self.net(x)[0].flatten(1).cpu())
        return torch.cat(parts).numpy()


def _inception(path: Path) -> torch.nn.Module:
    """pytorch-fid's network with the weights of a file, by weights_only=True and without a network."""
    from pytorch_fid import inception

    def from_file(url: str, progress: bool = True) -> dict[str, Tensor]:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        return state

    corrupt = f"{path.name} in torch hub's cache is not a file of Inception weights: remove it, and {GET_INCEPTION}"

    # The library loads through this name, without weights_only, and downloads where the file is absent.
    original = inception.load_state_dict_from_url
    inception.load_state_dict_from_url = from_file
    try:
        net: torch.nn.Module = inception.InceptionV3([inception.InceptionV3.BLOCK_INDEX_BY_DIM[2048]])
    except Exception as error:  # torch raises many kinds for a broken file, and advises to execute it
        raise ValueError(corrupt) from error
    finally:
        inception.load_state_dict_from_url = original
    return net.eval()


def inception_file() -> Path:
    """Where pytorch-fid looks for its weights: torch hub's cache."""
    from pytorch_fid.inception import FID_WEIGHTS_URL

    return Path(torch.hub.get_dir()) / "checkpoints" / Path(FID_WEIGHTS_URL).name


def missing_inception() -> str:
    """What to do where the Inception weights are not there."""
    return (
        f"the Inception weights {inception_file().name} are not in torch hub's cache: {GET_INCEPTION}, "
        f"or choose --features classifier"
    )


class Classifier:
    """Penultimate features of the small classifier that ships for digits, mnist and fashion (32 or 64 wide)."""

    def __init__(self, of: str, device: torch.device):
        self.net, content, self.weights = classifier.load(of)
        self.net.to(device)
        self.device, self.spec = device, content["spec"]
        self.name, self.metric, self.dims = f"classifier:{of}", "fd_classifier", int(self.spec["width"])
        self.note = f"classifier with test accuracy {content['accuracy']:.4f}"

    def __call__(self, images: Tensor) -> NDArray[np.float32]:
        """(N, C, H, W) uint8 of the classifier's size -> (N, dims)."""
        parts = []
        with torch.no_grad():
            for batch in images.split(500):
                parts.append(self.net.features(batch.to(self.device).float().div_(255)).cpu())
        return torch.cat(parts).numpy()


class Pixels:
    """The pixels themselves, in [0, 1]."""

    name, metric, weights, note = "pixels", "fd_pixels", "none", "values in [0, 1]"

    def __init__(self, shape: tuple[int, int, int]):
        self.dims = shape[0] * shape[1] * shape[2]

    def __call__(self, images: Tensor) -> NDArray[np.float32]:
        """(N, C, H, W) uint8 -> (N, C * H * W)."""
        values: NDArray[np.float32] = images.flatten(1).float().div_(255).numpy()
        return values


def _classifier(argument: str, row: str, shape: tuple[int, int, int], device: torch.device) -> Extractor:
    of = argument or row
    found = Classifier(of, device)
    if (found.spec["channels"], found.spec["side"]) != (shape[0], shape[1]):
        side = found.spec["side"]
        raise ValueError(
            f"the classifier of {of!r} takes {found.spec['channels']}x{side}x{side} images, not {shape}: "
            f"take --features inception or pixels"
        )
    return found


# name -> maker(what stands after the colon, data set's row, image shape, device)
FEATURES: dict[str, Callable[[str, str, tuple[int, int, int], torch.device], Extractor]] = {
    "inception": lambda argument, row, shape, device: Inception(device),
    "classifier": _classifier,
    "pixels": lambda argument, row, shape, device: Pixels(shape),
}


@lru_cache(maxsize=4)
def extractor(features: str, row: str, shape: tuple[int, int, int], device: torch.device) -> Extractor:
    """The extractor that `--features` names, for a data set.

    Args:
        features: inception, classifier, classifier:NAME (the one of another data set) or pixels.
        row: the data set, or the one that a folder is like.
        shape: (C, H, W) of its images.
        device: where it runs.

    Raises:
        ValueError: unknown name, missing weights, or images that it cannot take; says what to do.
    """
    name, _, argument = features.partition(":")
    if name not in FEATURES or (argument and name != "classifier"):
        known = ", ".join([*FEATURES, "classifier:NAME"])
        raise ValueError(f"unknown features {features!r}. Known: {known} (benchmarks/features.py)")
    return FEATURES[name](argument, row, shape, device)


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
