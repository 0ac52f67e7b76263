"""The source of an external model, which tests write into a file."""

MODEL = """
import torch
from torch import nn
from benchmarks.protocols import Protocol, Schedule
from zoo import LatentModel, Stage, Update
from zoo.base import standard_normal
from zoo.losses import reconstruction
from zoo.nets import Decoder, Encoder

class Plain(LatentModel):
    label = "Plain & simple"
    def __init__(self, image_shape, nz, recon="half-sse", weight=1.0):
        super().__init__(image_shape, nz)
        self.recon, self.weight = reconstruction(recon), weight
        self.encoder, self.decoder = Encoder(image_shape, nz), Decoder(image_shape, nz)
    def loss(self, x):
        recon = self.recon(x, self.decoder(self.encoder(x)))
        return self.weight * recon, {"recon": recon}
    def stages(self, x):
        yield Stage("train", lambda: (x,), [Update(self.loss, {"ae": [*self.parameters()]})])
    def sample_latent(self, n, generator):
        return standard_normal(n, self.nz, generator, self.device)

class Own(Plain):
    protocols = {"digits": Protocol({"train": Schedule(1, 64, 1e-3)}, {"weight": 2.0}, source="mine")}

class OddRows(Plain):
    protocols = {"digits": {"epochs": 1}}

class NoRows(Plain):
    protocols = 5

class Vague(Plain):
    def __init__(self, image_shape, nz, weight):
        super().__init__(image_shape, nz)

class Refusing(Plain):
    def __init__(self, image_shape, nz):
        raise RuntimeError("not today")

class OtherStage(Plain):
    def stages(self, x):
        yield Stage("fit", lambda: (x,), [Update(self.loss, {"ae": [*self.parameters()]})])

class Unfinished(Plain):
    def loss(self, x):
        return self.decoder(x), {}

class Lonely(LatentModel):
    def sample_latent(self, n, generator):
        return None

class Nothing:
    pass

def function(image_shape, nz):
    return Own(image_shape, nz)
"""
