"""Data that do not fit on the device are streamed, with the same batches."""

import pytest
import torch
from engine_cases import BATCH, GPU, N, StaticSteps, build, codes, equal, schedules, weights

from benchmarks.training import streaming
from benchmarks.training.engine import Engine
from benchmarks.training.loop import train
from benchmarks.training.steps import Steps

pytestmark = pytest.mark.usefixtures("random_vgg")


@pytest.mark.parametrize("limit", [0, 64 * BATCH * 2, 64 * BATCH * 5])
@pytest.mark.parametrize("engine_used", [Steps, StaticSteps])
def test_streamed_data_give_the_same_run_bit_for_bit(limit, engine_used, x, monkeypatch):
    monkeypatch.setattr("benchmarks.training.loop.Steps", engine_used)
    expected, _ = codes(x)
    model, _ = codes(x, engine=Engine(limit=limit))
    assert equal(weights(expected), weights(model))


def test_portions_contain_the_batches_of_the_epoch_in_order(x):
    order = torch.randperm(N).view(8, 32)
    parts = [
        *streaming.stream_batches([x, torch.arange(N)], order, 2 * 3 * 32 * (64 + 8))
    ]  # half of the limit at a time
    assert [len(rows) for _, rows in parts] == [3, 3, 2]
    assert torch.equal(torch.cat([index[rows.flatten()] for (_, index), rows in parts]), order.flatten())
    assert all(torch.equal(images[rows.flatten()], x[index[rows.flatten()]]) for (images, index), rows in parts)
    (((uninterrupted,), rows),) = streaming.stream_batches([x], order)
    assert uninterrupted is x
    assert rows is order


def test_runs_of_a_process_share_one_copy_of_the_images_while_they_last(x):
    device = torch.device("cpu")
    copies = [x.clone(), x.clone(), x.clone()]
    first = streaming.place_once(copies[0], device, ("a", N))
    assert streaming.place_once(copies[1], device, ("a", N)) is first
    assert streaming.place_once(copies[2], device, ("b", N)) is not first
    del first, copies[0]
    assert streaming.place_once(copies[0], device, ("a", N)) is copies[0], "no run used it any more"


def test_an_error_of_the_fetching_thread_is_raised(x):
    with pytest.raises(IndexError):
        [*streaming.stream_batches([x], torch.full((2, 4), N), 0)]


@GPU
def test_images_that_do_not_fit_on_the_gpu_are_streamed(x):
    pinned = streaming.place_images(x, torch.device("cuda"), 0)
    assert pinned.is_pinned()
    results = []
    for images in (pinned, x.cuda()):
        model = build("glf").cuda()
        torch.manual_seed(2)
        results.append([epoch.row["objective"] for epoch in train(model, images, schedules("glf"))])
    assert results[0] == pytest.approx(results[1], rel=1e-3)
