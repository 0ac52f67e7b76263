"""Feature extractors behind one interface: uint8 images in, a feature matrix out.

`FEATURES` is the registry.  A distance is called `fid` only on the Inception weights of 2015-12-05; other
weights give `fd_inception_unknown`, other extractors `fd_` and their name.  An extractor of your own is a
subclass of `Extractor` anywhere on the Python path: `--features mypackage.mymodule:MyExtractor`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import file_digest
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from benchmarks.data.fingerprint import digest
from benchmarks.data.readers import Shape
from benchmarks.evaluation import classifier
from benchmarks.training.precision import tf32
from zoo import sources
from zoo.named import import_module

GET_INCEPTION = "python -m benchmarks.run fetch inception"
INCEPTION_SHA256 = "6726825d"  # first digits of pt_inception-2015-12-05-6726825d.pth
AS_GIVEN = "as given"


class Extractor(ABC):
    """Images in, features out; calling one checks the images, cuts them into batches and puts TF32 off.

    A subclass sets the attributes and writes `features`; `--features` calls it with (image_shape, device).

    Attributes:
        name: as `--features` takes it, and as records print it.
        dims: number of features.
        weights: sha256 of the weights, or "none" where there are none to change; a number depends on it.
        backend: whose network it is.
        inputs: name -> what is done to images (B, C, H, W) in [0, 1] before the network sees them; the first
            is what numbers are made with, the others are for `run sensitivity`.
        batch: images per forward pass.
        note: what a caption should say of it.
        device: where it runs.
    """

    name: str
    dims: int
    weights: str
    device: torch.device
    backend: str = "torch"
    inputs: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType({AS_GIVEN: lambda x: x})
    batch: int = 500
    note: str = ""

    @property
    def metric(self) -> str:
        """The column of the Fréchet distance on these features."""
        return "fd_" + re.sub(r"\W+", "_", self.name)

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) float in [0, 1], on `device` -> (B, dims); called without gradients."""

    def __call__(self, images: Tensor, kind: str | None = None) -> NDArray[np.float32]:
        """Features of images, in their order; they do not depend on the batch but for the last digits.

        Args:
            images: (N, C, H, W), uint8, or float in [0, 1].
            kind: a key of `inputs`; None is the first.

        Returns:
            (N, dims) float32.

        Raises:
            ValueError: images of another kind, not finite or out of range, or features that are not (N, dims).
        """
        check_images(images)
        prepare = self.inputs[next(iter(self.inputs)) if kind is None else kind]
        # Filled in place: small tensors that stay among large ones that go would leave the memory full of holes.
        values = np.empty((len(images), self.dims), np.float32)
        with torch.no_grad(), tf32("fp32"):
            for start in range(0, len(images), self.batch):
                x = images[start : start + self.batch].to(self.device)
                found = self.features(prepare(x.float().div_(255) if x.dtype == torch.uint8 else x)).float().cpu()
                if found.shape != (len(x), self.dims):
                    raise ValueError(f"{self.name} gives features {tuple(found.shape)}, not {(len(x), self.dims)}")
                values[start : start + len(x)] = found.numpy()
        return values


def check_images(images: Tensor) -> None:
    """Raise ValueError unless these are (N, C, H, W), N >= 1, uint8 or float in [0, 1]."""
    if images.ndim != 4 or not len(images):
        raise ValueError(f"images must be (N, C, H, W), N at least 1, got {tuple(images.shape)}")
    if images.dtype == torch.uint8:
        return
    if not images.dtype.is_floating_point:
        raise ValueError(f"images must be uint8, or floats in [0, 1], not {images.dtype}")
    low, high = images.min().item(), images.max().item()  # a NaN is neither
    if not (low >= 0 and high <= 1):
        bad = ~torch.isfinite(images.flatten(1)).all(1)
        what = f"{int(bad.sum())} of {len(images)} are not finite" if bad.any() else f"they lie in [{low:g}, {high:g}]"
        raise ValueError(f"images must be finite and in [0, 1]: {what}")


def _resized(mode: str, antialias: bool) -> Callable[[Tensor], Tensor]:
    def prepare(x: Tensor) -> Tensor:
        x = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x
        big = functional.interpolate(x, (299, 299), mode=mode, align_corners=False, antialias=antialias)
        return big.clamp(0, 1) if mode == "bicubic" else big  # bicubic overshoots

    return prepare


class Inception(Extractor):
    """The pool3 features of FID, 2048 wide, by pytorch-fid's network with its batch norms folded.

    The weights come from torch hub's cache (`run fetch inception`) or from a file that is named; jobs never
    use the network.  Folding and channels-last change features by less than 1e-5.

    Args:
        device: where it runs.
        path: a file of weights, in the layout of pytorch-fid's; None: torch hub's cache.
    """

    name, dims, backend = "inception", 2048, "pytorch-fid's InceptionV3"
    inputs = MappingProxyType({
        "gray replicated to 3 channels, 299x299 plain bilinear": _resized("bilinear", False),
        "gray replicated to 3 channels, 299x299 antialiased bilinear": _resized("bilinear", True),
        "gray replicated to 3 channels, 299x299 antialiased bicubic": _resized("bicubic", True),
    })  # fmt: skip
    batch = 16  # larger ones are no faster on a CPU and need gigabytes; a GPU has its own below

    def __init__(self, device: torch.device, path: Path | None = None):
        file = inception_file() if path is None else path
        if not file.is_file():
            raise ValueError(missing_inception() if path is None else f"there is no file of Inception weights {path}")
        self.weights = file_sha256(file)
        self.device = device
        if device.type == "cuda":
            self.batch = 250
        self.net = fold(_inception(file)).to(device).to(memory_format=torch.channels_last)

    @property
    def metric(self) -> str:
        """`fid` on the published weights alone."""
        return "fid" if self.weights.startswith(INCEPTION_SHA256) else "fd_inception_unknown"

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, 299, 299) -> (B, 2048)."""
        out: Tensor = self.net(x.contiguous(memory_format=torch.channels_last))[0].flatten(1)
        return out


def _inception(path: Path) -> torch.nn.Module:
    """pytorch-fid's network with the weights of a file, by weights_only=True and without a network."""
    from pytorch_fid import inception

    def from_file(url: str, progress: bool = True) -> dict[str, Tensor]:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        return state

    corrupt = f"{path.name} is not a file of Inception weights: remove it, and {GET_INCEPTION}"

    # The library loads through this name, without weights_only, and downloads where the file is absent.
    original = inception.load_state_dict_from_url
    inception.load_state_dict_from_url = from_file
    try:
        blocks = [inception.InceptionV3.BLOCK_INDEX_BY_DIM[2048]]
        net: torch.nn.Module = inception.InceptionV3(blocks, resize_input=False)
    except Exception as error:  # torch raises many kinds for a broken file, and advises to execute it
        raise ValueError(corrupt) from error
    finally:
        inception.load_state_dict_from_url = original
    return net.eval()


def fold(net: torch.nn.Module) -> torch.nn.Module:
    """Fold each batch norm into the convolution before it, in float64; the network must be in eval mode."""
    for block in net.modules():
        conv, norm = getattr(block, "conv", None), getattr(block, "bn", None)
        if isinstance(conv, torch.nn.Conv2d) and isinstance(norm, torch.nn.BatchNorm2d):
            block.conv = torch.nn.utils.fuse_conv_bn_eval(conv.double(), norm.double()).float()
            block.bn = torch.nn.Identity()
    return net


def inception_file() -> Path:
    """Where pytorch-fid looks for its weights: torch hub's cache."""
    from pytorch_fid.inception import FID_WEIGHTS_URL

    return Path(torch.hub.get_dir()) / "checkpoints" / Path(FID_WEIGHTS_URL).name


def missing_inception() -> str:
    """What to do where the Inception weights are not there."""
    return (
        f"the Inception weights {inception_file().name} are not in torch hub's cache: {GET_INCEPTION}, "
        f"name a file by --features inception:PATH, or choose --features classifier"
    )


class Classifier(Extractor):
    """Penultimate features of the small classifier that ships for digits, mnist and fashion (32 or 64 wide)."""

    def __init__(self, of: str, device: torch.device):
        self.net, content, self.weights = classifier.load(of)
        self.net.to(device)
        self.device, self.spec = device, content["spec"]
        self.name, self.dims = f"classifier:{of}", int(self.spec["width"])
        self.note = f"test accuracy {content['accuracy']:.4f}"

    @property
    def metric(self) -> str:
        """One column for all data sets: their own classifiers stand in the metric protocol."""
        return "fd_classifier"

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) of the classifier's size -> (B, dims)."""
        return self.net.features(x)


class Pixels(Extractor):
    """The pixels themselves, in [0, 1]."""

    name, weights, backend = "pixels", "none", "none"
    device = torch.device("cpu")

    def __init__(self, shape: Shape):
        self.dims = shape[0] * shape[1] * shape[2]

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C * H * W)."""
        return x.flatten(1)


def _classifier(argument: str, row: str, shape: Shape, device: torch.device) -> Extractor:
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
FEATURES: dict[str, Callable[[str, str, Shape, torch.device], Extractor]] = {
    "inception": lambda argument, row, shape, device: Inception(device, Path(argument) if argument else None),
    "classifier": _classifier,
    "pixels": lambda argument, row, shape, device: Pixels(shape),
}
FORMS = ("inception", "inception:PATH", "classifier", "classifier:NAME", "pixels", "package.module:Class")


@lru_cache(maxsize=4)
def extractor(features: str, row: str, shape: Shape, device: torch.device) -> Extractor:
    """The extractor that `--features` names, for a data set.

    Args:
        features: inception, inception:PATH (a file of weights), classifier, classifier:NAME (the one of
            another data set), pixels, or package.module:Class (a subclass of `Extractor`).
        row: the data set, or the one that a folder is like.
        shape: (C, H, W) of its images.
        device: where it runs.

    Raises:
        ValueError: unknown name, missing weights, or images that it cannot take; says what to do.
    """
    name, colon, argument = features.partition(":")
    if name in FEATURES and (argument or not colon) and not (colon and name == "pixels"):
        return FEATURES[name](argument, row, shape, device)
    if is_foreign(features):
        return foreign(name, argument, shape, device)
    raise ValueError(f"unknown features {features!r}. Known: {', '.join(FORMS)} (benchmarks/evaluation/extractors.py)")


def is_foreign(features: str) -> bool:
    """Whether `--features` names a class of the user's, whose module is to be imported."""
    name, _, argument = features.partition(":")
    return name not in FEATURES and bool(re.fullmatch(r"\w+(\.\w+)*", name)) and argument.isidentifier()


def foreign(module: str, name: str, shape: Shape, device: torch.device) -> Extractor:
    """An extractor of the user's own, checked before any model is trained.

    Its distances are `fd_` and its dotted name: it cannot call itself one of ours, nor FID.  The text of its module
    and of those beside it that it imports count as a part of its weights.

    Raises:
        ValueError: it cannot be imported or made, or is no `Extractor`; says why.
    """
    said = f"--features {module}:{name}"
    try:
        found = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise ValueError(f"{said}: {error}; it must be on the Python path") from error
    except Exception as error:  # a stranger's module may raise anything
        raise ValueError(f"{said}: {type(error).__name__}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Extractor)):
        raise ValueError(f"{said} is no subclass of benchmarks.evaluation.extractors.Extractor")
    if found.metric is not Extractor.metric:
        raise ValueError(f"{said} names its own metric: leave `metric` alone, so that nobody takes it for another's")
    try:
        made: Extractor = found(shape, device)  # type: ignore[call-arg]
        made.name, made.device = f"{module}:{name}", device
        # A changed class gives other numbers, whatever it says of its weights.
        texts = sources.of_class(found) | sources.texts(module)
        made.weights = digest([made.weights, *(texts[name].decode(errors="replace") for name in sorted(texts))])
        probe = made(torch.zeros(2, *shape, dtype=torch.uint8))
    except Exception as error:  # whatever a stranger's class raises, before any model is trained
        raise ValueError(f"{said} does not work on images of {shape}: {type(error).__name__}: {error}") from error
    if not np.isfinite(probe).all():
        raise ValueError(f"{said} gives features of a black image that are not finite")
    return made


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
