"""Precision: what is computed in bf16, and what in fp32."""

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


def test_flows_are_computed_in_fp32_at_precision_bf16():
    """The log-density has the bits of fp32, given latents in bf16. Other modules are computed in bf16."""
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
    with autocast():  # the context of another model does not change this flow
        assert not torch.equal(found, model.flow.log_prob(z))
    assert "forward" not in vars(model.flow)
    with Autocast(model, "fp32")():
        assert model.encoder(x).dtype == torch.float32


def test_losses_that_need_fp32_are_rejected_at_precision_bf16():
    assert find_loss_errors("vae-bce", "bce", "bf16") == [
        "vae-bce cannot be trained at --precision bf16: its reconstruction loss, bce, needs fp32 or tf32"
    ]
    assert find_loss_errors("vae-bce", "bce", "tf32") == find_loss_errors("vae", "half-sse", "bf16") == []


def test_means_of_terms_in_low_precision_are_exact():
    """In bf16, 256 + 1 is 256."""
    model = Constant([torch.bfloat16, torch.float16, torch.float32, torch.float64])
    update = Update(model.loss, {"level": [model.level]})
    steps = Steps(model, [update], [make_adam(update, Schedule(1, 1, 1e-3))], Engine())
    steps.start_epoch([{"level": 0.0}])
    x = torch.full((1000, 1, 4, 4), 255, dtype=torch.uint8)
    steps.run([x], torch.arange(1000)[:, None])
    assert steps.means(1000) == dict.fromkeys(["objective", *map(str, model.parts)], 1.0)
    assert [s.dtype for s in steps.sums.values()] == [torch.float32] * 4 + [torch.float64]
