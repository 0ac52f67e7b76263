"""Training of a classifier: augmentation, reproducible bits, and interruption at any epoch."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from labelled_images import shapes

from benchmarks.data.split import Split
from benchmarks.evaluation.residual.fit import Training, augment, channel_moments, predict, reflect
from benchmarks.evaluation.residual.recipe import RECIPE

CPU = torch.device("cpu")
SHORT = replace(RECIPE, epochs=4, min_steps=1)


def trained(recipe=SHORT, precision="fp32", **options):
    training = Training(shapes(20, 0, channels=3).canonical(), 3, recipe, CPU, precision)
    training.fit("key", **options)
    return training.net.state_dict()


def equal(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def generator():
    return torch.Generator().manual_seed(0)


def test_the_same_seed_gives_the_same_bits():
    assert equal(trained(), trained())


def test_another_seed_gives_other_bits():
    assert not equal(trained(), trained(replace(SHORT, seed=1)))


def test_the_state_of_torch_changes_nothing_and_is_not_changed():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = trained()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert equal(first, trained())


def test_measuring_the_time_of_a_step_changes_nothing():
    training = Training(shapes(20, 0, channels=3).canonical(), 3, SHORT, CPU)
    assert training.seconds_per_step() > 0
    training.fit("key")
    assert equal(training.net.state_dict(), trained())


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("epoch", [1, 3])
def test_an_interrupted_training_continues_to_the_same_bits(tmp_path, epoch):
    reports = []

    def interrupt(progress):
        if progress.epoch == epoch:
            raise Interrupted

    with pytest.raises(Interrupted):
        trained(state_file=tmp_path / "state", report=interrupt)
    assert equal(trained(state_file=tmp_path / "state", report=reports.append), trained())
    assert [progress.epoch for progress in reports] == [*range(epoch + 1, SHORT.epochs + 1)]


@pytest.mark.parametrize("change", ["key", "precision", "broken", "lacking"])
def test_a_state_that_does_not_fit_is_ignored(tmp_path, change):
    path = tmp_path / "state"
    trained(replace(SHORT, epochs=2), state_file=path)
    if change == "broken":
        path.write_bytes(path.read_bytes()[:1000])
    else:
        state = torch.load(path, weights_only=True)
        state["net"]["head.bias"] += 1
        state |= {"key": "another"} if change == "key" else {}
        state |= {"precision": "bf16"} if change == "precision" else {}
        if change == "lacking":
            del state["net"]["head.weight"]
        torch.save(state, path)
    reports = []
    assert equal(trained(state_file=path, report=reports.append), trained())
    assert len(reports) == SHORT.epochs


def test_bf16_is_another_training_of_the_same_network():
    fp32, bf16 = trained(), trained(precision="bf16")
    assert not equal(fp32, bf16)
    assert {name: tensor.dtype for name, tensor in fp32.items()} == {n: t.dtype for n, t in bf16.items()}


def test_shapes_are_learned():
    test = shapes(30, 1)

    def accuracy():
        return (predict(training.net.eval(), test.images, CPU) == test.labels).double().mean()

    training = Training(shapes(40, 0).canonical(), 3, replace(RECIPE, min_steps=300), CPU)
    assert accuracy() < 0.7
    training.fit("key")
    assert accuracy() > 0.9


def test_an_augmented_image_is_a_crop_of_the_reflected_image_or_of_its_mirror_image():
    images = torch.randint(256, (40, 3, 8, 8), dtype=torch.uint8)
    padded = torch.nn.functional.pad(images.float(), (2, 2, 2, 2), mode="reflect").to(torch.uint8)
    seen = set()
    for image, source in zip(augment(images, 2, True, generator()), padded, strict=True):
        found = [
            (row, column, mirrored)
            for row in range(5)
            for column in range(5)
            for mirrored in (False, True)
            if torch.equal(image.flip(2) if mirrored else image, source[:, row : row + 8, column : column + 8])
        ]
        assert found
        seen |= {*found}
    assert {mirrored for *_, mirrored in seen} == {False, True}
    assert {row for row, *_ in seen} == {column for _, column, _ in seen} == {*range(5)}


def test_images_without_padding_and_flip_are_unchanged():
    images = torch.randint(256, (4, 1, 8, 8), dtype=torch.uint8)
    assert torch.equal(augment(images, 0, False, generator()), images)


def test_gray_images_are_not_mirrored():
    """A mirrored digit is another one: a network of left and right arrows must learn them."""
    arrow = torch.zeros(1, 8, 8, dtype=torch.uint8)
    arrow[:, :, :4] = 200
    images = torch.stack([arrow, arrow.flip(2)]).repeat(30, 1, 1, 1)
    labels = torch.arange(2).repeat(30)
    for channels, is_learned in ((1, True), (3, False)):
        training = Training(Split(images.repeat(1, channels, 1, 1), labels), 2, replace(SHORT, epochs=10), CPU)
        training.fit("key")
        accuracy = (predict(training.net.eval(), training.images, CPU) == labels).double().mean()
        assert (accuracy > 0.9) == is_learned


@given(index=st.integers(-7, 14), side=st.just(8))
def test_reflected_indices_are_those_of_torch(index, side):
    line = torch.arange(side, dtype=torch.float32)
    padded = torch.nn.functional.pad(line[None, None], (7, 7), mode="reflect")[0, 0]
    assert reflect(torch.tensor(index), side) == padded[index + 7]


def test_channel_moments_are_those_of_the_pixels():
    images = torch.randint(256, (50, 3, 8, 8), dtype=torch.uint8)
    images[:, 2] = 17
    mean, std = channel_moments(images)
    pixels = images.double().transpose(0, 1).flatten(1) / 255
    assert torch.allclose(mean.flatten().double(), pixels.mean(1), atol=1e-6)
    assert torch.allclose(std.flatten()[:2].double(), pixels.std(1, correction=0)[:2], atol=1e-6)
    assert std.flatten()[2] == 1


@given(n=st.integers(20, 10**6))
def test_few_images_have_enough_steps_and_no_batch_is_empty(n):
    batch, steps = RECIPE.batch_size(n), RECIPE.steps(n)
    assert 1 <= batch <= RECIPE.batch
    assert batch * steps <= n
    assert RECIPE.n_epochs(n) * steps >= RECIPE.min_steps
    assert RECIPE.n_epochs(n) == RECIPE.epochs or n < 128 * RECIPE.min_steps
    assert 0 < RECIPE.scaled_lr(n) <= RECIPE.peak_lr
