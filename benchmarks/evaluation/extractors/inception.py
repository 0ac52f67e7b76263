"""The Inception features of FID."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import file_digest
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.data.fingerprint import INCEPTION_SHA256
from benchmarks.evaluation.extractors.base import Extractor
from benchmarks.program import program

FETCH_COMMAND = f"{program()} fetch inception"


def _resize_to_299(mode: str, antialias: bool) -> Callable[[Tensor], Tensor]:
    def transform(x: Tensor) -> Tensor:
        x = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x
        resized = functional.interpolate(x, (299, 299), mode=mode, align_corners=False, antialias=antialias)
        return resized.clamp(0, 1) if mode == "bicubic" else resized  # bicubic overshoots

    return transform


class MissingWeights(ValueError):
    """An extractor lacks its published weights, or the package of its network, on this machine."""


class InceptionExtractor(Extractor):
    """The pool3 features of FID, 2048 wide, by pytorch-fid's network with its batch norms folded.

    The weights come from torch hub's cache (the command `fetch inception`) or from a file; jobs never use the network.
    Folding and channels-last change features by less than 1e-5.

    Args:
        device: where it runs.
        path: a file of weights, in the layout of pytorch-fid's; None: torch hub's cache.
    """

    name, dims, backend = "inception", 2048, "pytorch-fid's InceptionV3"
    inputs = MappingProxyType({
        "gray replicated to 3 channels, 299x299 plain bilinear": _resize_to_299("bilinear", False),
        "gray replicated to 3 channels, 299x299 antialiased bilinear": _resize_to_299("bilinear", True),
        "gray replicated to 3 channels, 299x299 antialiased bicubic": _resize_to_299("bicubic", True),
    })  # fmt: skip
    batch = 16  # larger ones are no faster on a CPU and need gigabytes; a GPU has its own below

    def __init__(self, device: torch.device, path: Path | None = None):
        file = inception_weights_path() if path is None else path
        if not file.is_file():
            if path is None:
                raise MissingWeights(missing_inception_message(self.name))
            raise ValueError(f"the Inception weights do not exist: {path}")
        self.weights = file_sha256(file)
        self.device = device
        if device.type == "cuda":
            self.batch = 250
        self.net = fold_batch_norms(_load_network(file)).to(device).to(memory_format=torch.channels_last)

    @property
    def metric(self) -> str:
        """`fid` for the published weights only."""
        return "fid" if self.weights == INCEPTION_SHA256 else "fd_inception_unknown"

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, 299, 299) -> (B, 2048)."""
        out: Tensor = self.net(x.contiguous(memory_format=torch.channels_last))[0].flatten(1)
        return out


def _load_network(path: Path) -> torch.nn.Module:
    """pytorch-fid's network with the weights of a file, loaded with weights_only=True and without the internet."""
    from pytorch_fid import inception

    def load_file(url: str, progress: bool = True) -> dict[str, Tensor]:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        return state

    corrupt = f"{path.name} is not a file of Inception weights: remove it, and {FETCH_COMMAND}"

    # The library loads through this name, without weights_only, and downloads where the file is absent.
    original = inception.load_state_dict_from_url
    inception.load_state_dict_from_url = load_file
    try:
        blocks = [inception.InceptionV3.BLOCK_INDEX_BY_DIM[2048]]
        net: torch.nn.Module = inception.InceptionV3(blocks, resize_input=False)
    except Exception as error:  # torch raises many types for a broken file, and advises to execute it
        raise ValueError(corrupt) from error
    finally:
        inception.load_state_dict_from_url = original
    return net.eval()


def fold_batch_norms(net: torch.nn.Module) -> torch.nn.Module:
    """Fold each batch norm into the convolution before it, in float64; the network must be in eval mode."""
    for block in net.modules():
        conv, norm = getattr(block, "conv", None), getattr(block, "bn", None)
        if isinstance(conv, torch.nn.Conv2d) and isinstance(norm, torch.nn.BatchNorm2d):
            block.conv = torch.nn.utils.fuse_conv_bn_eval(conv.double(), norm.double()).float()
            block.bn = torch.nn.Identity()
    return net


def inception_weights_path() -> Path:
    """Where pytorch-fid looks for its weights: torch hub's cache."""
    from pytorch_fid.inception import FID_WEIGHTS_URL

    return Path(torch.hub.get_dir()) / "checkpoints" / Path(FID_WEIGHTS_URL).name


def missing_inception_message(features: str) -> str:
    """What to do if there are no Inception weights for these features."""
    return (
        f"no Inception weights in {inception_weights_path().absolute()}. Get them: {FETCH_COMMAND}; or name a file by "
        f"--features {features}:PATH, or choose --features classifier"
    )


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
