"""The perceptual loss of NAM (Hoshen & Wolf), which the paper uses (Appendix B.1): L1 distances in VGG-16's features.

The pretrained network is a tool, not a part of any model: it is in no `state_dict`, no optimizer and no checkpoint, and
is loaded when the first loss is asked for, so that a trained model is loaded and sampled without it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from hashlib import file_digest
from pathlib import Path

import torch
from torch import Tensor, nn


@dataclass
class Weights:
    """A published file of weights that a loss needs; no other file of that name is taken for it.

    Attributes:
        name: of the file, as torch.hub keeps it.
        digest: first digits of its sha256.
        download_command: the command that downloads it.
    """

    name: str
    digest: str
    download_command: str

    @property
    def path(self) -> Path | None:
        """The published file, in torch hub's cache or in the folder AE_BENCH_DATA; else one of its name, or None."""
        files = [*self._files().values()]
        return next((path for path in files if self._is_published(path)), files[0] if files else None)

    @property
    def sha256(self) -> str:
        """Hash of the file's bytes; "" where there is none."""
        return "" if self.path is None else _hash(self.path)

    @property
    def problem(self) -> str | None:
        """Why no file can be used here, and what to do; None where one can."""
        files = self._files()
        if not files:
            return f"needs {self.name} in torch hub's cache or in the folder AE_BENCH_DATA: {self.download_command}"
        if any(map(self._is_published, files.values())):
            return None
        mismatches = " and ".join(
            f"that in {location} has sha256 {_hash(path)[:8]}..." for location, path in files.items()
        )
        return (f"needs {self.name}, but of the files of that name {mismatches}, not {self.digest}...: remove "
                f"{'it' if len(files) == 1 else 'them'}, and {self.download_command}")  # fmt: skip

    def _files(self) -> dict[str, Path]:
        """Description of a folder, without paths, as it is shown in tables -> file of this name there."""
        data = os.environ.get("AE_BENCH_DATA")
        folders = {"torch hub's cache": Path(torch.hub.get_dir()) / "checkpoints"}
        folders |= {"the folder AE_BENCH_DATA": Path(data)} if data else {}
        return {
            description: folder / self.name for description, folder in folders.items() if (folder / self.name).is_file()
        }

    def _is_published(self, path: Path) -> bool:
        return _hash(path).startswith(self.digest)


VGG16 = Weights("vgg16-397923af.pth", "397923af", "python -m benchmarks.run fetch vgg16")  # torchvision's, of ImageNet

# Modules of torchvision's vgg16().features that are compared: conv1_2, conv2_2, conv3_2, conv4_3, pool5 (NAM).
TAPS = (2, 7, 12, 21, 30)
SMALLEST = 32  # pixels a side; smaller images are padded with zeros


def perceptual(x: Tensor, y: Tensor) -> Tensor:
    """Mean |x - y| plus, for each tap, the mean |phi(x) - phi(y)|, all of equal weight: (B, C, H, W) twice -> ().

    Pixels in [0, 1] are mapped to [-1, 1]; gray images are replicated to three channels, and those below 32x32 padded
    with zeros before that (as yedidh/glann does).  The first three taps are used below 64x64, the first four below
    128x128, all five above.  VGG's rectifiers work in place in NAM's code, so every tap but the last one used is
    compared after its ReLU and the last one before it.

    Departs: the paper's text speaks of activations alone; the code that it points to adds the images' own L1 distance,
    and uses no ImageNet mean and standard deviation.  No switch: it is NAM's loss.
    Departs: means over pixels and channels, not sums, as in NAM's code: beside another term in the objective it weighs
    less than a squared error does.  To switch: beta.
    Departs: for images above 64x64 yedidh/glann adds the same loss at a quarter of the size; ours has one size.  No
    switch.

    Raises:
        ValueError: the weights are not there, or not the published ones.
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
    """Features at the first taps: after the ReLU that follows, but for the last one."""
    last = TAPS[levels - 1]
    compared = {tap + 1 for tap in TAPS[: levels - 1]} | {last}
    features = []
    for number, layer in enumerate(layers[: last + 1]):
        x = layer(x)
        if number in compared:
            features.append(x)
    return features


def _hash(path: Path) -> str:
    """Hash of a file's bytes; 500 MB take a second, so it is kept while the file stays as it is."""
    status = path.stat()
    return _sha256(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _sha256(path: Path, mtime_ns: int, size: int) -> str:
    with path.open("rb") as content:
        return file_digest(content, "sha256").hexdigest()


def vgg16(device: torch.device) -> nn.Sequential:
    """VGG-16's convolutions, frozen and in evaluation mode.

    Raises:
        ValueError: the weights are not there, not the published ones, or cannot be read.
    """
    if problem := VGG16.problem:
        raise ValueError(f"the perceptual loss {problem}")
    assert VGG16.path is not None  # else there would be a problem
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
    except Exception as error:  # torch raises many kinds for a broken file, and advises to execute it
        raise ValueError(
            f"{path.name} is not a file of VGG-16's weights: remove it, and {VGG16.download_command}"
        ) from error
    return net.to(device).eval().requires_grad_(False)
