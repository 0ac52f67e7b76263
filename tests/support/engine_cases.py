"""Models, data and comparisons for tests of engines."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import zoo
from benchmarks.protocols import Schedule, protocol
from benchmarks.training.engine import Engine
from benchmarks.training.loop import train
from benchmarks.training.steps import Steps
from zoo.base import LatentModel, Stage, Update

N, SHAPE, NZ, K, BATCH = 256, (1, 8, 8), 8, 16, 64


CPU = torch.device("cpu")


GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


def build(name):
    torch.manual_seed(1)
    hyper = protocol(name, "digits", "demo", N).resolve(name).hyper
    return zoo.build(name, image_shape=SHAPE, nz=NZ, k=K, **hyper)


def schedules(name, epochs=2):
    stages = protocol(name, "digits", "demo", N).stages
    return {stage: replace(s, epochs=epochs, batch=BATCH, steps=None) for stage, s in stages.items()}


def trained(name, x, engine_used=Engine()):  # noqa: B008
    model = build(name)
    torch.manual_seed(2)
    rows = [epoch.row for epoch in train(model, x, schedules(name), engine=engine_used)]
    return model, rows


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class StaticSteps(Steps):
    """Takes steps as for a CUDA graph: static tensors, rates as tensors, warm-ups, everything but the capture."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.requested, self.is_prepared = "graph", False


class Codes(LatentModel):
    """A stage of images that stay, one whose data change places every epoch, and a fresh Adam in both."""

    def __init__(self):
        super().__init__((1, 8, 8), 2)
        self.decoder = nn.Linear(2, 64)
        self.codes = nn.Parameter(torch.zeros(N, 2))
        self.seen = []

    def code_loss(self, x, index):
        recon = (x.flatten(1) - self.decoder(self.codes[index])).square().sum() / len(x)
        return recon, {"recon": recon}

    def map_loss(self, eps):
        self.seen.append(eps.clone())
        distance = self.decoder(eps).square().mean()
        return distance, {"distance": distance}

    def stages(self, x):
        groups = {"codes": [self.codes], "decoder": [*self.decoder.parameters()]}
        yield Stage("codes", lambda: (x, torch.arange(len(x))), [Update(self.code_loss, groups)])
        yield Stage("map", lambda: (torch.randn(N, 2),), [Update(self.map_loss, {"m": [*self.decoder.parameters()]})])

    def sample_latent(self, n, generator):
        return torch.zeros(n, 2)


CODES = {"codes": Schedule(3, BATCH, 1e-2, fresh=True), "map": Schedule(3, BATCH, 1e-3, {1: 1 / 2}, fresh=True)}


def codes(x, resume=None, until=None, **options):
    torch.manual_seed(1)
    model = Codes()
    torch.manual_seed(2)
    for number, epoch in enumerate(train(model, x, CODES, resume, **options)):
        if number == until:
            return model, epoch.state()
    return model, None


class Constant(LatentModel):
    """A model whose objective is its parameter, with a part of each dtype."""

    def __init__(self, parts):
        super().__init__((1, 4, 4), 2)
        self.level, self.parts = nn.Parameter(torch.ones(())), parts

    def stages(self, x):
        yield Stage("train", lambda: (x,), [Update(self.loss, {"level": [self.level]})])

    def sample_latent(self, n, generator):
        return torch.zeros(n, 2)

    def loss(self, x):
        return self.level * x.mean(), {str(dtype): torch.ones((), dtype=dtype) for dtype in self.parts}
