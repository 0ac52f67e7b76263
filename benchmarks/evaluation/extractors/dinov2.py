"""The features of FD-DINOv2: the class token of a vision transformer that was trained by DINOv2."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.data.fingerprint import DINOV2_SHA256
from benchmarks.evaluation.extractors.base import Extractor
from benchmarks.evaluation.extractors.inception import MissingWeights, file_sha256
from benchmarks.evaluation.image_input import resize_images
from benchmarks.evaluation.image_ops import round_to_uint8
from benchmarks.program import program

INSTALL = "pip install 'ae-bench[dinov2]'"
SIDE, PATCH = 224, 14  # pixels
POSITION_OFFSET = 0.1  # in patches; see `resize_positions`
HASH = re.compile(r"(.*)#sha256=([0-9a-fA-F]{64})")  # a file and its hash, as pip writes them
# Of ImageNet, by channel: github.com/layer6ai-labs/dgm-eval, dgm_eval/models/dinov2.py
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# The name is stored in metric protocols: a changed function needs a new name.
DGM_EVAL_INPUT = "gray replicated to 3 channels, 224x224 bicubic of 8-bit images by Pillow, ImageNet mean and deviation"


class Architecture(NamedTuple):
    """One size of the network."""

    timm: str  # its name in timm
    dims: int  # number of features


# Source: the model list of github.com/facebookresearch/dinov2, networks without registers
ARCHITECTURES = {
    "dinov2-vits14": Architecture("vit_small_patch14_dinov2", 384),
    "dinov2-vitb14": Architecture("vit_base_patch14_dinov2", 768),
    "dinov2-vitl14": Architecture("vit_large_patch14_dinov2", 1024),
}
DEFAULT = "dinov2-vitl14"  # of --features dinov2; FD-DINOv2 of Stein et al. (2023) uses it


def prepare_as_dgm_eval(x: Tensor) -> Tensor:
    """Images as dgm-eval gives them to DINOv2.

    Images are rounded to 8 bits first, because Pillow resizes 8-bit RGB images to 8-bit ones.

    Args:
        x: (B, 1 or 3, H, W) in [0, 1].

    Returns:
        (B, 3, 224, 224), less ImageNet's mean and divided by its standard deviation.
    """
    resized = resize_images(round_to_uint8(x).cpu(), SIDE, "DINOv2").to(x.device).float().div_(255)
    mean, std = (x.new_tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (resized.expand(-1, 3, -1, -1) - mean) / std


class Dinov2Extractor(Extractor):
    """The class token of DINOv2 after the last norm, by timm's network.

    The weights come from torch hub's cache (the command `fetch`) or from a file; jobs never use the network. The hash
    of a file must be a published one, unless the user names it.

    Args:
        name: key of `ARCHITECTURES`.
        device: where it runs.
        argument: a file of weights, "PATH" or "PATH#sha256=HASH"; "": torch hub's cache.

    Raises:
        MissingWeights: timm or the published weights are not on this machine.
        ValueError: the file does not exist, has another hash, or holds other weights. The message says which.
    """

    backend = "timm's VisionTransformer"
    inputs = MappingProxyType({DGM_EVAL_INPUT: prepare_as_dgm_eval})
    batch = 16  # larger ones are no faster on a CPU; a GPU has its own below

    def __init__(self, name: str, device: torch.device, argument: str = ""):
        self.name, self.device = name, device
        self.dims = ARCHITECTURES[name].dims
        match = HASH.fullmatch(argument)
        file = Path(match[1] if match else argument) if argument else hub_path(name)
        _check_installed(name, file, is_named=bool(argument))
        self.weights = file_sha256(file)
        _check_hash(name, file, self.weights, match[2].lower() if match else None)
        if not self.is_published:
            self.note = "weights that are not published"
        if device.type == "cuda":
            self.batch = 128
        self.net = _load_network(name, file).to(device)

    @property
    def is_published(self) -> bool:
        """Whether the weights are the published ones."""
        return self.weights == DINOV2_SHA256[_file_stem(self.name)]

    @property
    def metric(self) -> str:
        """Such as `fd_dinov2_vitl14`; with weights that are not the published ones, it ends with "_unknown"."""
        return super().metric + ("" if self.is_published else "_unknown")

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, 224, 224) -> (B, dims)."""
        out: Tensor = self.net(x)
        return out


def _file_stem(name: str) -> str:
    return name.replace("-", "_")


def hub_path(name: str) -> Path:
    """Where torch hub keeps the published weights of a network."""
    return Path(torch.hub.get_dir()) / "checkpoints" / f"{_file_stem(name)}_pretrain.pth"


def _check_installed(name: str, file: Path, is_named: bool) -> None:
    """Raise an error unless timm and the file are there; one message says all that is missing."""
    problems = []
    try:
        importlib.import_module("timm")
    except ImportError as error:
        problems.append(f"--features {name} needs timm, which cannot be imported ({error}). Install it: {INSTALL}")
    if not file.is_file():
        if is_named:
            raise ValueError("; ".join([f"the DINOv2 weights do not exist: {file}", *problems]))
        problems.append(
            f"no DINOv2 weights in {file.absolute()}. Get them: {program()} fetch {name}; or name a file by --features "
            f"{name}:PATH"
        )
    if problems:
        raise MissingWeights("; ".join(problems))


def _check_hash(name: str, file: Path, found: str, named: str | None) -> None:
    """Raise ValueError unless a file has the published hash of its network, or the one that the user names."""
    if named is not None:
        if found != named:
            raise ValueError(f"{file} has the sha256 {found}, and --features names {named}")
        return
    for stem, published in DINOV2_SHA256.items():
        other = stem.replace("_", "-")
        if found == published and other != name:
            raise ValueError(f"{file} holds the weights of {other}, not of {name}: choose --features {other}:{file}")
    expected = DINOV2_SHA256[_file_stem(name)]
    if found != expected:
        raise ValueError(
            f"{file} is not the published file of {name}: its sha256 is {found}, not {expected}. "
            f"Remove it, and {program()} fetch {name}; or accept its weights by --features {name}:{file}#sha256={found}"
        )


def _load_network(name: str, file: Path) -> torch.nn.Module:
    """timm's network with the weights of a file, loaded with weights_only=True and without the internet.

    Raises:
        ValueError: the file is broken, or holds weights of another network.
    """
    import timm

    net: torch.nn.Module = timm.create_model(ARCHITECTURES[name].timm, pretrained=False, num_classes=0, img_size=SIDE)
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for a broken file, and advises to execute it
        raise ValueError(f"{file} is not a file of DINOv2 weights") from error
    try:
        net.load_state_dict(convert_state(state))
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        width = ARCHITECTURES[name].dims
        raise ValueError(
            f"{file} does not hold weights of {name}, which is {width} wide: {_first_line(error)}"
        ) from error
    return net.eval().requires_grad_(False)


def _first_line(error: Exception) -> str:
    """The first mismatch that an error of `load_state_dict` lists, or its first line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[1] if len(lines) > 1 else lines[0] if lines else type(error).__name__)[:200]


def convert_state(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state dict of a published file as timm's network of 224 x 224 pixels takes it.

    timm has the same names. It lacks the token of masked patches, which only training uses, and it has one position for
    each patch of the image, where the file has those of 518 x 518 pixels.
    """
    converted = {key: value for key, value in state.items() if key != "mask_token"}
    converted["pos_embed"] = resize_positions(state["pos_embed"], SIDE // PATCH)
    return converted


def resize_positions(positions: Tensor, grid: int) -> Tensor:
    """Position embeddings for another number of patches, as the published network interpolates them.

    timm's own conversion has an antialiased filter, and the exact ratio of both grids. The published network, which
    dgm-eval runs, has neither: it samples a bicubic filter at a ratio with 0.1 patches more, which its authors chose
    against rounding errors. Features differ.

    Source: interpolate_pos_encoding of github.com/facebookresearch/dinov2, dinov2/models/vision_transformer.py.

    Args:
        positions: (1, 1 + n * n, d), that of the class token first.
        grid: patches of a side of the image.

    Returns:
        (1, 1 + grid * grid, d).

    Raises:
        ValueError: the positions are not those of a square.
    """
    side = round((positions.shape[1] - 1) ** 0.5)
    if positions.ndim != 3 or side * side != positions.shape[1] - 1:
        raise ValueError(f"pos_embed {tuple(positions.shape)} is not that of a square of patches")
    if side == grid:
        return positions
    patches = positions[:, 1:].float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
    ratio = (grid + POSITION_OFFSET) / side
    resized = functional.interpolate(patches, scale_factor=(ratio, ratio), mode="bicubic")
    return torch.cat([positions[:, :1].float(), resized.flatten(2).transpose(1, 2)], dim=1)
