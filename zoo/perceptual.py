"""The perceptual loss of NAM (Hoshen & Wolf), which the paper uses (Appendix B.1): L1 distances of VGG-16 features.

The pretrained network does not belong to any model. It is in no `state_dict`, optimizer or checkpoint. The first call
of the loss loads it, so a trained model can be loaded and sampled without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import file_digest
from pathlib import Path

import torch
from torch import Tensor, nn

from zoo.environment import data_folder


@dataclass
class Weights:
    """A published file of weights that a loss needs. A file of the same name but another hash is not used.

    Attributes:
        name: file name in torch.hub's cache.
        published_sha256: the sha256 of the published file, whole.
        download_command: the command that downloads it.
    """

    name: str
    published_sha256: str
    download_command: str

    @property
    def digest(self) -> str:
        """The first eight digits of the published hash, as in the file's name. Keys of runs contain them."""
        return self.published_sha256[:8]

    @property
    def path(self) -> Path | None:
        """The published file, in torch hub's cache or $AE_BENCH_DATA; otherwise another file of that name, or None."""
        files = [*self._files().values()]
        return next((path for path in files if self._is_published(path)), files[0] if files else None)

    @property
    def sha256(self) -> str:
        """Hash of the file at `path`; "" if there is none."""
        return "" if self.path is None else _hash(self.path)

    @property
    def problem(self) -> str | None:
        """Why the weights cannot be used here, and what to do; None if they can."""
        files = self._files()
        if not files:
            return f"needs {self.name} in torch hub's cache or in the folder AE_BENCH_DATA: {self.download_command}"
        if any(map(self._is_published, files.values())):
            return None
        shown = 8 if all(not _hash(path).startswith(self.digest) for path in files.values()) else 64
        mismatches = " and ".join(
            f"the file in {location} has sha256 {_hash(path)[:shown]}..." for location, path in files.items()
        )
        return (f"needs {self.name} with sha256 {self.published_sha256[:shown]}..., but {mismatches}; remove "
                f"{'it' if len(files) == 1 else 'them'} and run {self.download_command}")  # fmt: skip

    def _files(self) -> dict[str, Path]:
        """Description of a folder -> its file of this name. Tables print the descriptions, which contain no paths."""
        data = data_folder()
        folders = {"torch hub's cache": Path(torch.hub.get_dir()) / "checkpoints"}
        folders |= {"the folder AE_BENCH_DATA": data} if data else {}
        return {
            description: folder / self.name for description, folder in folders.items() if (folder / self.name).is_file()
        }

    def _is_published(self, path: Path) -> bool:
        return _hash(path) == self.published_sha256


# torchvision's weights, trained on ImageNet. torchvision publishes the first eight digits of the hash, in the file's
# name; the other digits are those that several public projects list for this file.
VGG16 = Weights("vgg16-397923af.pth", "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
                "python -m benchmarks.run fetch vgg16")  # fmt: skip

# Layers of torchvision's vgg16().features that NAM compares: conv1_2, conv2_2, conv3_2, conv4_3, pool5
TAPS = (2, 7, 12, 21, 30)
SMALLEST = 32  # smallest side in pixels; smaller images are padded with zeros


def perceptual(x: Tensor, y: Tensor) -> Tensor:
    """Mean |x - y| plus the mean |phi(x) - phi(y)| of each tap, with equal weights: (B, C, H, W) twice -> ().

    Images below 32x32 are padded with zeros, as in yedidh/glann. Then gray images are replicated to three channels, and
    pixels in [0, 1] are mapped to [-1, 1]. The loss uses the first three taps below 64x64, the first four below
    128x128, and all five from there on. In NAM's code, VGG's ReLUs work in place. So the last tap in use is compared
    before its ReLU, and the others after theirs.

    Departs: the paper's text mentions activations only. The code that it cites adds the L1 distance of the images, and
    does not normalize by ImageNet's mean and standard deviation.  No switch: this is NAM's loss.
    Departs: the loss is a mean over pixels and channels, as in NAM's code, not a sum. So it weighs less than a squared
    error beside another term of the objective.  To switch: beta.
    Departs: above 64x64, yedidh/glann adds the same loss on images of a quarter of the size. This loss uses the full
    size only.  No switch.

    Raises:
        ValueError: the weights are missing or are not the published ones.
    """
    prepared = [_prepare(images) for images in (x, y)]
    levels = 3 if prepared[0].shape[-1] < 64 else 4 if prepared[0].shape[-1] < 128 else 5
    layers = vgg16(x.device)
    with torch.no_grad():
        real = _taps(layers, prepared[0], levels)
    fake = _taps(layers, prepared[1], levels)
    loss = (prepared[0] - prepared[1]).abs().mean()
    for a, b in zip(real, fake, strict=True):
        loss = loss + (a - b).abs().mean()
    return loss


def _prepare(x: Tensor) -> Tensor:
    """(B, 1 or 3, H, W) in [0, 1] -> (B, 3, at least 32, at least 32) in [-1, 1]."""
    padding = max(0, SMALLEST - x.shape[-1])
    x = nn.functional.pad(x, (padding // 2, padding - padding // 2) * 2)
    return 2 * x.expand(-1, 3, -1, -1) - 1


def _taps(layers: nn.Sequential, x: Tensor, levels: int) -> list[Tensor]:
    """Features at the first `levels` taps: the last one before its ReLU, the others after it."""
    last = TAPS[levels - 1]
    compared = {tap + 1 for tap in TAPS[: levels - 1]} | {last}
    features = []
    for number, layer in enumerate(layers[: last + 1]):
        x = layer(x)
        if number in compared:
            features.append(x)
    return features


def _hash(path: Path) -> str:
    """Hash of a file, cached until the file changes, as hashing 500 MB takes a second."""
    status = path.stat()
    return _sha256(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _sha256(path: Path, mtime_ns: int, size: int) -> str:
    with path.open("rb") as content:
        return file_digest(content, "sha256").hexdigest()


def vgg16(device: torch.device) -> nn.Sequential:
    """VGG-16's convolutions, frozen and in evaluation mode.

    Raises:
        ValueError: the weights are missing, are not the published ones, or cannot be read.
    """
    if problem := VGG16.problem:
        raise ValueError(f"the perceptual loss {problem}")
    assert VGG16.path is not None  # otherwise VGG16.problem would be set
    return _load(VGG16.path, VGG16.sha256, device)


@lru_cache(maxsize=2)
def _load(path: Path, digest: str, device: torch.device) -> nn.Sequential:
    from torchvision.models import vgg16 as architecture  # here: importing it takes a second

    with torch.device("meta"):  # no memory for the classifier, no draws from the random generator
        net: nn.Sequential = architecture(weights=None, init_weights=False).features
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        features = {name.removeprefix("features."): t for name, t in state.items() if name.startswith("features.")}
        net.load_state_dict(features, assign=True)
    except Exception as error:  # torch raises many types for a broken file, and suggests to execute its code
        raise ValueError(
            f"{path.name} does not contain VGG-16 weights: remove it and run {VGG16.download_command}"
        ) from error
    return net.to(device).eval().requires_grad_(False)
