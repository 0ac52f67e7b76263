"""Precision: what bf16 may and may not change."""

import pytest
import torch
from engine_cases import BATCH, SHAPE, Constant, build

from benchmarks.protocols import Schedule
from benchmarks.training.engine import Engine
from benchmarks.training.loop import make_adam
from benchmarks.training.precision import Autocast, find_loss_errors
from benchmarks.training.steps import Steps
from zoo.base import Update

pytestmark = pytest.mark.usefixtures("random_vgg")


def test_what_needs_fp32_has_it_in_bf16():
    """Bit for bit the log-density of the latents, which alone are rounded; everything else is as coarse as asked."""
    model, autocast = build("glf"), Autocast(build("vae"), "bf16")
    with torch.no_grad():
        for p in model.flow.parameters():
            p.copy_(0.1 * torch.randn_like(p))
    x = torch.rand(BATCH, *SHAPE)
    with Autocast(model, "bf16")():
        z = model.encoder(x)
        found = model.flow.log_prob(z)
        assert model.decoder(z).dtype == torch.bfloat16
    assert z.dtype == torch.bfloat16
    assert torch.equal(found, model.flow.log_prob(z.float()))
    with autocast():  # of another model, which leaves this flow alone
        assert not torch.equal(found, model.flow.log_prob(z))
    assert "forward" not in vars(model.flow)
    with Autocast(model, "fp32")():
        assert model.encoder(x).dtype == torch.float32


def test_a_loss_that_bf16_cannot_bear_is_refused():
    assert find_loss_errors("vae-bce", "bce", "bf16") == [
        "vae-bce cannot be trained at --precision bf16: its reconstruction loss, bce, needs fp32 or tf32"
    ]
    assert find_loss_errors("vae-bce", "bce", "tf32") == find_loss_errors("vae", "half-sse", "bf16") == []


def test_means_of_coarse_parts_are_exact():
    """In bf16, 256 + 1 is 256."""
    model = Constant([torch.bfloat16, torch.float16, torch.float32, torch.float64])
    update = Update(model.loss, {"level": [model.level]})
    steps = Steps(model, [update], [make_adam(update, Schedule(1, 1, 1e-3))], Engine())
    steps.start_epoch([{"level": 0.0}])
    x = torch.full((1000, 1, 4, 4), 255, dtype=torch.uint8)
    steps.run([x], torch.arange(1000)[:, None])
    assert steps.means(1000) == dict.fromkeys(["objective", *map(str, model.parts)], 1.0)
    assert [s.dtype for s in steps.sums.values()] == [torch.float32] * 4 + [torch.float64]
