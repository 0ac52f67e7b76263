"""The training loop, observed through a model with two parameters."""

import io
import time

import pytest
import torch
from torch import nn

from benchmarks.protocols import Schedule
from benchmarks.training.loop import Diverged, train
from zoo.base import LatentModel, Stage, Update


class Watcher(LatentModel):
    """Records the arguments of its losses. It has one scalar parameter per group."""

    def __init__(self, data=None, poison=None):
        super().__init__((1, 4, 4), 2)
        self.decoder = nn.Identity()
        self.a, self.b = nn.Parameter(torch.ones(())), nn.Parameter(torch.ones(()))
        self.seen, self.asked, self.data, self.poison = [], 0, data, poison

    def loss(self, x, *more):
        self.seen.append((x.clone(), *[m.clone() for m in more]))
        bad = self.poison is not None and len(self.seen) == self.poison[0]
        part = self.a.square() + self.b.square() + x.mean() + (self.poison[1] if bad else 0.0)
        return part, {"part": part, "fine": torch.ones(())}

    def stages(self, x):
        def data():
            self.asked += 1
            return (x,) if self.data is None else (x, self.data)

        yield Stage("only", data, [Update(self.loss, {"a": [self.a], "b": [self.b]})])

    def sample_latent(self, n, generator):
        return torch.zeros(n, 2)


def images(n=10):
    """n images; each has a different gray value."""
    return torch.arange(n, dtype=torch.uint8)[:, None, None, None].expand(n, 1, 4, 4).contiguous()


def run(schedule, model=None, x=None):
    model = model or Watcher()
    return model, [e.row for e in train(model, images() if x is None else x, {"only": schedule})]


def test_every_epoch_takes_each_example_at_most_once_in_whole_batches():
    model, rows = run(Schedule(3, 4, 1e-3))
    assert [row["steps"] for row in rows] == [2, 2, 2]  # int(10 / 4)
    epochs = [[round(v * 255) for (x,) in model.seen[i : i + 2] for v in x[:, 0, 0, 0].tolist()] for i in (0, 2, 4)]
    assert all(len(set(epoch)) == 8 for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert model.asked == 3


def test_pixels_arrive_as_floats_and_other_tensors_as_they_are():
    model = Watcher(data=torch.arange(10))
    run(Schedule(1, 5, 1e-3), model)
    for x, index in model.seen:
        assert x.dtype == torch.float32
        assert index.dtype == torch.int64
        assert torch.equal((x[:, 0, 0, 0] * 255).round().long(), index)


def test_a_row_holds_the_mean_of_the_losses():
    model, rows = run(Schedule(1, 2, 0.0))
    expected = sum(2 + x.mean().item() for (x,) in model.seen) / 5
    assert rows[0]["objective"] == rows[0]["part"] == pytest.approx(expected)
    assert rows[0]["fine"] == 1
    assert (rows[0]["stage"], rows[0]["epoch"]) == ("only", 0)


def test_learning_rates_follow_group_and_epoch():
    """The size of Adam's first step is the learning rate."""
    model = Watcher()
    before = []
    schedule = Schedule(3, 10, {"a": 1e-2, "b": 1e-3}, {1: 1 / 2, 2: 1 / 5}, fresh=True)
    for _ in train(model, images(), {"only": schedule}):
        before.append((model.a.item(), model.b.item()))
    steps = [(x - y) for (x, _), (y, _) in zip([(1.0, 1.0), *before], before, strict=False)]
    assert steps == pytest.approx([1e-2, 5e-3, 1e-3], rel=1e-3)
    assert 1 - before[0][1] == pytest.approx(1e-3, rel=1e-3)


def test_optimizers_are_reset_in_every_epoch_only_if_fresh():
    def last_step(fresh):
        model, at = Watcher(), []
        for _ in train(model, images(), {"only": Schedule(6, 10, 0.1, fresh=fresh)}):
            at.append(model.a.item())
        return at[-2] - at[-1]

    assert last_step(True) == pytest.approx(0.1, rel=1e-3)
    assert abs(last_step(False) - 0.1) > 1e-3


def test_weight_decay_applies_to_the_named_group_only():
    class Flat(Watcher):
        def loss(self, x):
            return 0 * (self.a + self.b), {}

    model, _ = run(Schedule(1, 10, 1e-2, weight_decay={"b": 1.0}), Flat())
    assert model.a.item() == 1
    assert model.b.item() == pytest.approx(0.99, rel=1e-4)


def test_the_limit_of_steps_can_end_a_stage_within_an_epoch():
    _, rows = run(Schedule(3, 2, 1e-3, steps=12))
    assert [row["steps"] for row in rows] == [5, 5, 2]


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_divergence_names_stage_epoch_and_part(poison):
    model = Watcher(poison=(4, poison))  # in the second epoch of two steps
    with pytest.raises(Diverged, match=r"part is not finite in stage 'only', epoch 1") as caught:
        run(Schedule(5, 5, 1e-3), model)
    assert (caught.value.stage, caught.value.epoch, caught.value.part) == ("only", 1, "part")
    assert caught.value.row["steps"] == 2


def test_missing_settings_are_reported_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no schedule for stage 'only'\. Stages with one: other"):
        next(train(Watcher(), images(), {"other": Schedule(1, 2, 1e-3)}))
    with pytest.raises(ValueError, match=r"no learning rate for group 'b'\. Groups with one: a"):
        run(Schedule(1, 2, {"a": 1e-3}))


def test_seconds_exclude_time_between_epochs():
    rows = []
    for epoch in train(Watcher(), images(), {"only": Schedule(3, 5, 1e-3)}):
        rows.append(epoch.row)
        time.sleep(0.2)
    assert all(0 < row["seconds"] < 0.15 for row in rows)


def test_a_state_does_not_depend_on_when_it_is_requested():
    """Random numbers drawn between the epoch and the call of state() do not change it."""
    torch.manual_seed(3)
    model = Watcher()
    epochs = train(model, images(), {"only": Schedule(4, 5, 0.1)})
    next(epochs)
    epoch = next(epochs)
    torch.randn(100)
    file = io.BytesIO()
    torch.save(epoch.state(), file)
    file.seek(0)
    torch.manual_seed(3)
    uninterrupted, _ = run(Schedule(4, 5, 0.1))
    other = Watcher()
    for _ in train(other, images(), {"only": Schedule(4, 5, 0.1)}, torch.load(file, weights_only=True)):
        pass
    assert (uninterrupted.a.item(), uninterrupted.b.item()) == (other.a.item(), other.b.item())
    assert [x.tolist() for (x,) in uninterrupted.seen[4:]] == [x.tolist() for (x,) in other.seen]


def test_fewer_examples_than_a_batch_are_rejected():
    with pytest.raises(ValueError, match="batches of 11, but there are 10 examples"):
        run(Schedule(1, 11, 1e-3))


def test_later_epochs_do_not_change_a_state_in_memory():
    epochs = train(Watcher(), images(), {"only": Schedule(3, 5, 0.1)})
    state = next(epochs).state()
    before = [s["exp_avg"].clone() for s in state["optimisers"][0]["state"].values()]
    next(epochs)
    after = [s["exp_avg"] for s in state["optimisers"][0]["state"].values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
