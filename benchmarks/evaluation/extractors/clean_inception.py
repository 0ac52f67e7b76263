"""The Inception features of FID, with the resize of clean-fid."""

from __future__ import annotations

from types import MappingProxyType

from torch import Tensor
from torch.nn import functional

from benchmarks.data.fingerprint import INCEPTION_SHA256
from benchmarks.evaluation.extractors.inception import InceptionExtractor

SIDE = 299  # pixels
# The name is stored in metric protocols: a changed function needs a new name.
CLEAN_INPUT = "gray replicated to 3 channels, 299x299 bicubic of floats as Pillow, (255 x - 128) / 128"


def resize_as_clean_fid(x: Tensor) -> Tensor:
    """Images as clean-fid gives them to Inception.

    clean-fid resizes each channel as floats by Pillow's bicubic filter, clips and does not round. torch's antialiased
    filter is the same one. In float64 both agree in all digits of float32. It also works in batches and on a GPU.

    clean-fid gives its network (255 x - 128) / 128, and pytorch-fid's gets 2 x - 1, which the network computes itself.
    So the result is multiplied by 255 / 256: 2 (255 / 256) x - 1 = (255 x - 128) / 128.

    Source: `build_resizer("clean")` and the TorchScript wrapper of github.com/GaParmar/clean-fid.

    Args:
        x: (B, 1 or 3, H, W) in [0, 1].

    Returns:
        (B, 3, 299, 299) in [0, 255 / 256].
    """
    resized = functional.interpolate(x.double(), (SIDE, SIDE), mode="bicubic", align_corners=False, antialias=True)
    return resized.clamp(0, 1).mul(255 / 256).float().expand(-1, 3, -1, -1)


class CleanInceptionExtractor(InceptionExtractor):
    """The network and the weights of `InceptionExtractor`, with clean-fid's resize and value range.

    The distance is not called FID, because another resize gives other features: its numbers compare with those of
    clean-fid in mode "clean", not with the paper's. clean-fid runs a TorchScript copy of the same network.
    """

    name = "clean-inception"
    inputs = MappingProxyType({CLEAN_INPUT: resize_as_clean_fid})

    @property
    def metric(self) -> str:
        """`fd_clean_inception` for the published weights only."""
        return "fd_clean_inception" if self.weights == INCEPTION_SHA256 else "fd_clean_inception_unknown"
