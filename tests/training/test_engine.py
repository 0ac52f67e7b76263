"""All engines give the same run; on a CPU, it has the bits of a plain loop."""

import shutil
import warnings
from math import ceil

import pytest
import torch
from engine_cases import BATCH, CPU, NZ, SHAPE, StaticSteps, build, codes, equal, schedules, trained, weights
from torch._dynamo.utils import counters

import zoo
from benchmarks.protocols import Schedule
from benchmarks.training.engine import (
    COMPILE_SECONDS,
    SAVED_SECONDS_PER_STEP,
    Engine,
    default_runs_per_gpu,
    find_engine_errors,
)
from benchmarks.training.loop import count_steps, make_adam, train
from benchmarks.training.memory import keep_freed_memory
from benchmarks.training.steps import WARMUP_STEPS
from zoo.base import to_float

COMPILER = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler: no g++ here")


pytestmark = pytest.mark.usefixtures("random_vgg")


def plain(name, x):
    """A simple loop: float learning rates, a list of batches, and objectives collected in a list."""
    model = build(name)
    torch.manual_seed(2)
    rows = []
    for stage in model.stages(x):
        schedule = schedules(name)[stage.name]
        optimizers = [make_adam(update, schedule) for update in stage.updates]
        for epoch in range(schedule.epochs):
            if schedule.fresh:
                optimizers = [make_adam(update, schedule) for update in stage.updates]
            model.train()
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = schedule.rate(group["name"], epoch)
            data = stage.data()
            order = torch.randperm(len(data[0]))[: len(data[0]) // BATCH * BATCH]
            objectives = []
            for index in order.split(BATCH):
                batch = [to_float(tensor[index]) for tensor in data]
                for i, (update, optimizer) in enumerate(zip(stage.updates, optimizers, strict=True)):
                    objective, _ = update.loss(*batch)
                    parameters = [p for group in update.groups.values() for p in group]
                    for p, gradient in zip(parameters, torch.autograd.grad(objective, parameters), strict=True):
                        p.grad = gradient
                    optimizer.step()
                    if i == 0:
                        objectives.append(objective.detach())
            rows.append(float(torch.stack(objectives).sum().double() / len(objectives)))
    return model, rows


@pytest.mark.parametrize("name", zoo.MODELS)
def test_the_loop_the_static_step_and_a_plain_loop_give_the_same_bits(name, x, monkeypatch):
    """Every stage of every model is compared, on a CPU."""
    model, rows = trained(name, x)
    other, objectives = plain(name, x)
    assert equal(weights(model), weights(other))
    assert [row["objective"] for row in rows] == pytest.approx(objectives, rel=1e-6)
    monkeypatch.setattr("benchmarks.training.loop.Steps", StaticSteps)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "a stage is trained eagerly")
        static, others = trained(name, x)
    for row in [*rows, *others]:
        del row["seconds"]
    assert rows == others
    assert equal(weights(model), weights(static))


def test_static_steps_support_fresh_optimizers_changing_data_and_resuming(x, monkeypatch):
    expected, _ = codes(x)
    monkeypatch.setattr("benchmarks.training.loop.Steps", StaticSteps)
    model, _ = codes(x)
    for cut in (0, 1, 3, 4):
        resumed, _ = codes(x, codes(x, until=cut)[1])
        assert equal(weights(model), weights(resumed)), cut
    assert equal(weights(expected), weights(model))
    epochs = [torch.cat(expected.seen[i : i + 4]) for i in (0, 4, 8)]
    warm_up_steps = WARMUP_STEPS
    assert len(model.seen) == 12 + warm_up_steps  # one warm-up: later epochs reuse the buffers of the first one
    taken = model.seen[warm_up_steps:]
    assert all(torch.equal(a, torch.cat(taken[i : i + 4])) for a, i in zip(epochs, (0, 4, 8), strict=True))


def test_states_do_not_depend_on_the_engine(x, monkeypatch):
    monkeypatch.setattr("benchmarks.training.loop.Steps", StaticSteps)
    _, state = codes(x, until=1)
    for optimizer in state["optimisers"]:
        for group in optimizer["param_groups"]:
            assert isinstance(group["lr"], float)
            assert group["capturable"] is False


@COMPILER
@pytest.mark.slow
@pytest.mark.parametrize("name", ["glf", "two-stage-vae"])
def test_compiled_losses_give_the_same_run(name, x):
    _, rows = trained(name, x)
    model = build(name)
    torch.manual_seed(2)
    epochs = [*train(model, x, schedules(name), engine=Engine("compiled"))]
    assert {epoch.engine_used for epoch in epochs} == {"compiled"}
    for row, epoch in zip(rows, epochs, strict=True):
        assert epoch.row["objective"] == pytest.approx(row["objective"], rel=2e-3)


def test_unsupported_engines_and_precisions_are_rejected_before_training(x):
    for kind, precision, message in [
        ("graph", "fp32", "--engine graph needs a GPU"),
        ("auto", "bf16", "--precision bf16 needs a GPU: many CPUs are ten times slower"),
        ("auto", "tf32", "--precision tf32 needs a GPU"),
        ("fast", "fp32", "unknown engine 'fast'. Known: auto, eager, compiled, graph"),
        ("eager", "fp8", "unknown precision 'fp8'. Known: fp32, tf32, bf16"),
    ]:
        model = build("glf")
        before = weights(model)
        with pytest.raises(ValueError, match=message):
            next(train(model, x, schedules("glf"), engine=Engine(kind, precision)))
        assert equal(before, weights(model))
    assert find_engine_errors("graph", "bf16", None) == []
    assert len(find_engine_errors("graph", "bf16", CPU)) == 2
    assert Engine().resolve(CPU) == "eager"


def test_auto_compiles_a_stage_only_if_its_steps_save_more_time_than_compiling_takes():
    gpu = torch.device("cuda")
    enough = ceil(COMPILE_SECONDS / SAVED_SECONDS_PER_STEP)
    assert Engine().resolve(gpu, enough - 1) == "graph"
    assert Engine().resolve(gpu, enough + 1) == "compiled"
    assert Engine().resolve(CPU, 10 * enough) == "eager"
    assert Engine("graph").resolve(gpu, 10 * enough) == "graph"
    assert Engine().reason(gpu, enough // 2) == "compiling saves about 12 s and takes up to 24 s"
    assert [Engine().reason(CPU, enough), Engine("graph").reason(gpu, enough)] == ["", ""]


def test_the_steps_of_a_stage_are_those_that_training_takes(x):
    for schedule in (Schedule(3, BATCH, 1e-3), Schedule(3, BATCH, 1e-3, steps=11), Schedule(3, 100, 1e-3)):
        model = build("vae")
        taken = sum(epoch.row["steps"] for epoch in train(model, x, {"train": schedule}))
        assert count_steps(schedule, len(x)) == taken


def test_small_images_share_a_gpu_by_default():
    assert [default_runs_per_gpu("cuda", shape) for shape in ((1, 28, 28), (3, 32, 32), (3, 64, 64))] == [8, 8, 1]
    assert default_runs_per_gpu("cuda:1", (1, 8, 8)) == 8
    assert default_runs_per_gpu("cpu", (1, 28, 28)) == 1


@COMPILER
@pytest.mark.slow
def test_the_second_run_of_a_model_in_a_process_compiles_nothing(x):
    torch._dynamo.reset()
    counters.clear()
    graphs = []
    for beta in (1.0, 1.0, 2.0):
        torch.manual_seed(1)
        model = zoo.build("vae", image_shape=SHAPE, nz=NZ, beta=beta)
        [*train(model, x, schedules("vae", epochs=1), engine=Engine("compiled"))]
        graphs.append(counters["stats"]["unique_graphs"])
    assert graphs == [1, 1, 2], "another setting needs other kernels"


def test_channels_last_gives_the_same_run(x):
    _, rows = trained("glf", x)
    _, others = trained("glf", x, Engine(channels_last=True))
    for row, other in zip(rows, others, strict=True):
        assert other["objective"] == pytest.approx(row["objective"], rel=1e-3)


def test_keeping_freed_memory_does_not_change_a_bit(x):
    expected, _ = trained("glf", x)
    with keep_freed_memory(CPU):
        model, _ = trained("glf", x)
    assert equal(weights(expected), weights(model))
