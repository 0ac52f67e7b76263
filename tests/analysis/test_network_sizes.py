"""Parameters and multiply-adds, counted by hand."""

import torch
from torch import nn

from benchmarks.analysis.network_sizes import flow_parameter_share, measure_layers
from benchmarks.data.datasets import DATASETS


def test_layers_are_counted_as_by_hand():
    network = nn.Sequential(nn.Conv2d(1, 2, 4, stride=2, padding=1), nn.BatchNorm2d(2), nn.ReLU(),
                            nn.ConvTranspose2d(2, 1, 4, stride=2, padding=1), nn.Flatten(),
                            nn.Linear(64, 3))  # fmt: skip
    assert measure_layers(network, torch.zeros(1, 1, 8, 8)) == [
        ("conv 4x4 /2, 2", "2x4x4", 16 * 2 + 2, 16 * 2 * 4 * 4),  # each of 4x4 pixels is a product with 16 weights
        ("batch norm", "2x4x4", 4, 0),
        ("deconv 4x4 x2, 1", "1x8x8", 2 * 16 + 1, 2 * 16 * 4 * 4),
        ("fully connected, 3", "3", 64 * 3 + 3, 64 * 3),
    ]


def test_a_flow_of_half_the_blocks_has_half_the_parameters():
    mnist = DATASETS["mnist"]
    assert flow_parameter_share(mnist) == 2 * flow_parameter_share(mnist, blocks=2)
