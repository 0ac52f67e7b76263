"""The residual network: few enough weights for a file below 500 kB, and at most 64 features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.data.preprocessing import Shape

WIDTHS = (16, 32, 64)  # He et al. 2016, section 4.2; 10,000 images estimate a covariance of 64 features well
BLOCKS = 2  # in each stage: ResNet-14, 175 thousand weights
LARGEST_SIDE = 32  # of the first stage; larger images are halved by convolutions of stride 2 before it


class ResidualBlock(nn.Module):
    """Two convolutions of 3x3 with batch norms, and a sum with the input.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        stride: of the first convolution.  The input passes a 1x1 convolution where the shape changes.
    """

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.body = nn.Sequential(
            *convolution(inputs, outputs, 3, stride), nn.ReLU(inplace=True), *convolution(outputs, outputs, 3, 1)
        )
        is_same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if is_same else nn.Sequential(*convolution(inputs, outputs, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""
        return torch.relu(self.body(x) + self.shortcut(x))


class ResidualClassifier(nn.Module):
    """A residual network for small images (He et al. 2016, section 4.2), with standardized features.

    The features are the averages of the last stage's channels over all positions, as those of Inception are.  A batch
    norm without weights gives each of them mean 0 and variance 1 on the training images.  Logits are linear in them.

    Args:
        shape: (C, H, W) of the images; H equals W and is at least 8.
        classes: number of labels.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, shape: Shape, classes: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape[0], 1, 1))
        self.register_buffer("std", torch.ones(shape[0], 1, 1))
        layers: list[nn.Module] = [*convolution(shape[0], WIDTHS[0], 3, 1), nn.ReLU(inplace=True)]
        side = shape[1]
        while side > LARGEST_SIDE:
            layers += [*convolution(WIDTHS[0], WIDTHS[0], 3, 2), nn.ReLU(inplace=True)]
            side = -(-side // 2)
        inputs = WIDTHS[0]
        for stage, width in enumerate(WIDTHS):
            for block in range(BLOCKS):
                layers.append(ResidualBlock(inputs, width, 2 if stage and not block else 1))
                inputs = width
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(inputs, affine=False))
        self.head = nn.Linear(inputs, classes)

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1] -> (B, 64)."""
        normalized = ((x - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        out: Tensor = self.body(normalized)
        return out

    def forward(self, x: Tensor) -> Tensor:
        """Logits, (B, classes)."""
        out: Tensor = self.head(self.features(x))
        return out


def convolution(inputs: int, outputs: int, side: int, stride: int) -> list[nn.Module]:
    """A convolution without bias, and its batch norm."""
    return [nn.Conv2d(inputs, outputs, side, stride, side // 2, bias=False), nn.BatchNorm2d(outputs)]


def make_network(shape: Shape, classes: int) -> ResidualClassifier:
    """A network with random weights, in the memory format that is fastest on a CPU."""
    net: ResidualClassifier = ResidualClassifier(shape, classes).to(memory_format=torch.channels_last)
    return net
