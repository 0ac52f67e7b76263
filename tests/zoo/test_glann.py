"""GLANN: codes on the sphere, nearest neighbors, the number of codes, and resuming."""

import io
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

import zoo
from benchmarks.data import datasets
from benchmarks.protocols import protocol
from benchmarks.training.loop import train
from benchmarks.training.precision import matmul_precision
from zoo import glann
from zoo.base import evaluating
from zoo.glann import nearest

N = 256
SHAPE = (1, 8, 8)


@pytest.fixture(scope="module")
def x():
    return datasets.load("digits", None).train.canonical(N).images


def build():
    torch.manual_seed(1)
    return zoo.build("glann-mse", image_shape=SHAPE, nz=8)


def short(glo, imle):
    stages = protocol("glann-mse", "digits", "demo", N).stages
    return {name: replace(stages[name], epochs=epochs) for name, epochs in (("glo", glo), ("imle", imle))}


@pytest.fixture(scope="module")
def model(x):
    torch.set_num_threads(1)
    made = build()
    made.rows = [epoch.row for epoch in train(made, x, short(10, 20))]
    return made


@given(n=st.integers(1, 40), m=st.integers(1, 90), d=st.integers(1, 12), block=st.integers(1, 500))
@settings(deadline=None)
def test_neighbors_are_those_of_a_brute_force_search(n, m, d, block):
    g = torch.Generator().manual_seed(n + 100 * m)
    points, among = (torch.randn(size, d, generator=g, dtype=torch.float64) for size in (n, m))
    brute = [min(range(m), key=lambda j, p=p: float((among[j] - p).square().sum())) for p in points]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(glann, "BLOCK", block)
        assert nearest(points, among).tolist() == brute


class Settings(TorchDispatchMode):
    """Whether TF32 was on at each matrix product."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten.mm.default:
            self.seen.append(torch.backends.cuda.matmul.allow_tf32)
        return function(*args, **(kwargs or {}))


def test_neighbors_are_never_found_in_tf32():
    with matmul_precision("tf32"), Settings() as settings:
        nearest(torch.rand(3, 2), torch.rand(4, 2))
        assert torch.backends.cuda.matmul.allow_tf32
        torch.rand(3, 2) @ torch.rand(2, 3)
    assert settings.seen == [False, True]


def test_each_code_is_matched_with_the_nearest_mapped_draw(model):
    model.train()
    torch.manual_seed(3)
    e, codes = model.match()
    torch.manual_seed(3)
    draws = torch.randn(2 * N, 32)
    with torch.no_grad():
        mapped = torch.cat([model.mapping(part) for part in draws.split(128)]).double()
    distances = (mapped[None] - codes.double()[:, None]).square().sum(2)
    assert torch.equal(e, draws[distances.argmin(1)])
    assert codes.shape == (N, 64)


def test_codes_and_sampled_latents_have_length_one(model):
    assert torch.allclose(model.codes.norm(dim=1), torch.ones(N), atol=1e-6)
    with evaluating(model):
        z = model.sample_latent(50, torch.Generator().manual_seed(0))
        path = model.latent_path(2, torch.linspace(0, 1, 5), torch.Generator().manual_seed(0))
    assert torch.allclose(z.norm(dim=1), torch.ones(50), atol=1e-6)
    assert torch.allclose(path.norm(dim=2), torch.ones(2, 5), atol=1e-6)


def test_training_reduces_both_the_reconstruction_error_and_the_distance_to_codes(model, x):
    with evaluating(model):
        y = model.decoder(model.codes)
    images = x.float() / 255
    assert (y - images).square().mean() < 0.3 * (images - images.mean(0)).square().mean()
    distances = [row["distance"] for row in model.rows if row["stage"] == "imle"]
    assert distances[-1] < 0.5 * distances[0]


def test_the_number_of_codes_comes_from_the_weights(model, tmp_path):
    zoo.save(model, tmp_path / "w.pt")
    other = zoo.load(tmp_path / "w.pt")
    assert other.codes.shape == (N, 64)
    assert isinstance(other.codes, torch.nn.Parameter)
    assert torch.equal(other.sample(5, seed=0), model.sample(5, seed=0))
    assert len(build().codes) == 0


@pytest.mark.parametrize("stop", [1, 3, 4, 5])
def test_a_run_resumed_in_either_stage_gives_the_bits_of_an_uninterrupted_run(x, stop):
    def run(resume=None, until=None):
        made = build()
        torch.manual_seed(2)
        for number, epoch in enumerate(train(made, x, short(3, 3), resume), 1):
            if number == until:
                file = io.BytesIO()
                torch.save(epoch.state(), file)
                file.seek(0)
                return torch.load(file, weights_only=True)
        return made.state_dict()

    uninterrupted, state = run(), run(until=stop)
    torch.manual_seed(99)
    resumed = run(state)
    assert [name for name in uninterrupted if not torch.equal(uninterrupted[name], resumed[name])] == []


def test_every_epoch_starts_with_a_new_optimizer_as_in_the_original():
    for dataset in ("mnist", "cifar10", "celeba", "digits"):
        for s in protocol("glann", dataset, "paper", 10_000).stages.values():
            assert s.fresh
            assert s.betas == (0.5, 0.999)


def test_settings_are_those_of_table_2_and_of_the_original():
    stages = protocol("glann", "cifar10", "paper", 50_000).stages
    glo, imle = stages["glo"], stages["imle"]
    assert (glo.epochs, imle.epochs, glo.batch, imle.batch) == (500, 50, 128, 128)
    assert [glo.rate("codes", e) for e in (0, 49, 50, 499)] == [0.01, 0.01, 0.005, 0.01 / 2**9]
    assert [glo.rate("decoder", e) for e in (0, 499)] == pytest.approx([0.001, 0.001 / 2**9])
    assert [imle.rate("mapping", e) for e in (0, 49)] == [0.001, 0.001]
    assert (imle.decay("mapping"), glo.decay("codes")) == (1e-5, 0)
    assert protocol("glann", "mnist", "paper", 60_000).resolve("glann").hyper == {
        "codes": 64, "noise": 32, "recon": "perceptual",
    }  # fmt: skip
