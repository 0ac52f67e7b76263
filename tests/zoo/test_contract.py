"""The contract of all models: those of the registry, and a made-up one that uses every feature of the loop."""

import io
from dataclasses import replace

import pytest
import torch
from torch import nn

import zoo
import zoo.base
from benchmarks import protocols
from benchmarks.data import datasets
from benchmarks.presets import PRESETS
from benchmarks.protocols import Schedule, protocol
from benchmarks.training.loop import make_adam, train
from zoo import LatentModel, NotFitted, Stage, Update
from zoo.base import evaluating, standard_normal, to_float
from zoo.losses import PRETRAINED
from zoo.nets import Decoder

N, SHAPE, NZ, K, BATCH = 256, (1, 8, 8), 8, 16, 64
MADE_UP = "made-up"
NAMES = [*zoo.MODELS, MADE_UP]
pytestmark = pytest.mark.usefixtures("random_vgg")


class MadeUp(LatentModel):
    """Learns codes per example, then a mapping whose targets change in every epoch, as in GLO and IMLE."""

    per_example = ("codes",)

    def __init__(self, image_shape=SHAPE, nz=NZ):
        super().__init__(image_shape, nz)
        self.decoder = Decoder(image_shape, nz)
        self.mapping = nn.Linear(nz, nz)
        self.codes = nn.Parameter(torch.zeros(0, nz))

    def code_loss(self, x, index):
        recon = (x - self.decoder(self.codes[index])).square().sum() / len(x)
        return recon, {"recon": recon}

    def match(self, shift):
        """Twice as many draws as codes; each code with its nearest draw, moved by the stage's own shift."""
        eps = torch.randn(2 * len(self.codes), self.nz)
        with torch.no_grad():
            nearest = torch.cdist(self.codes, self.mapping(eps)).argmin(1)
        return eps[nearest], self.codes.detach() + shift

    def map_loss(self, eps, z):
        distance = (self.mapping(eps) - z).square().sum() / len(z)
        return distance, {"distance": distance}

    def stages(self, x):
        if len(self.codes) != len(x):
            self.codes = nn.Parameter(0.1 * torch.randn(len(x), self.nz))
        groups = {"codes": [self.codes], "decoder": [*self.decoder.parameters()]}
        yield Stage("codes", lambda: (x, torch.arange(len(x))), [Update(self.code_loss, groups)])
        shift = 0.1 * torch.randn(self.nz)  # drawn between stages: a resumed run must draw the same
        groups = {"mapping": [*self.mapping.parameters()]}
        yield Stage("mapping", lambda: self.match(shift), [Update(self.map_loss, groups)])

    def sample_latent(self, n, generator):
        return self.mapping(standard_normal(n, self.nz, generator, self.device))


def batch_of(name):
    """Batch size: smaller for perceptual losses, which pass every image through VGG-16."""
    return 4 if name in zoo.MODELS and zoo.hyper_parameters(name).get("recon") in PRETRAINED else BATCH


@pytest.fixture(scope="module")
def x():
    return datasets.load("digits", None).train.canonical(N).images


def build(name, shape=SHAPE):
    torch.manual_seed(1)
    if name == MADE_UP:
        return MadeUp(shape)
    hyper = protocol(name, "digits", "demo", N).resolve(name).hyper
    return zoo.build(name, image_shape=shape, nz=NZ, k=K, **hyper)


def schedules(name, epochs=1):
    """The model's schedules on digits, shortened to `epochs` epochs of four steps per stage."""
    if name == MADE_UP:
        return {"codes": Schedule(epochs, BATCH, {"codes": 1e-2, "decoder": 1e-3}, fresh=True),
                "mapping": Schedule(epochs, BATCH, 1e-3)}  # fmt: skip
    stages = protocol(name, "digits", "demo", N).stages
    return {stage: replace(s, epochs=epochs, steps=None, batch=batch_of(name)) for stage, s in stages.items()}


def trained(name, x, epochs=1, resume=None, stop=None):
    """A trained model; with `stop`, the state after that many epochs, saved to a file and loaded again."""
    model, x = build(name), x[: 4 * batch_of(name)]
    if resume is None:
        torch.manual_seed(2)
    for number, epoch in enumerate(train(model, x, schedules(name, epochs), resume), 1):
        if number == stop:
            file = io.BytesIO()
            torch.save(epoch.state(), file)
            file.seek(0)
            return torch.load(file, weights_only=True)
    return model


def equal_states(one, other):
    assert one.keys() == other.keys()
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert not different


@pytest.fixture(scope="module", params=NAMES)
def case(request, x):
    """A name and a trained model, shared by all tests of this file that do not train it."""
    torch.set_num_threads(1)
    return request.param, trained(request.param, x)


def test_samples_are_images(case):
    images = case[1].sample(10, seed=0)
    assert images.shape == (10, *SHAPE)
    assert images.isfinite().all()
    assert images.min() >= 0
    assert images.max() <= 1
    assert images.flatten(1).std(0).max() > 0  # the ten images differ


def test_samples_depend_on_the_seed_and_not_on_the_global_generator(case):
    model = case[1]
    torch.manual_seed(3)
    first = model.sample(6, seed=5)
    torch.randn(7)
    assert torch.equal(first, model.sample(6, seed=5))
    assert not torch.equal(first, model.sample(6, seed=6))


def test_samples_do_not_depend_on_the_decoding_batch(case, monkeypatch):
    model = case[1]
    whole = model.sample(9, seed=0)
    monkeypatch.setattr(zoo.base, "BATCH", 4)
    assert (model.sample(9, seed=0) - whole).abs().max() < 1e-5


def test_sampling_changes_no_weight_mode_or_random_state(case):
    model = case[1].train()
    model.decoder.eval()  # each module has its own mode
    modes = [module.training for module in model.modules()]
    before, buffers = torch.get_rng_state(), {k: v.clone() for k, v in model.state_dict().items()}
    model.sample(3, seed=0)
    assert torch.equal(before, torch.get_rng_state())
    assert modes == [module.training for module in model.modules()]
    equal_states(buffers, model.state_dict())


def test_a_path_has_the_same_ends_whatever_its_number_of_steps(case):
    path = case[1].path(2, 5, seed=0)
    assert path.shape == (2, 5, *SHAPE)
    assert path.isfinite().all()
    assert torch.allclose(path[:, [0, 4]], case[1].path(2, 2, seed=0), atol=1e-5)


def test_a_saved_model_loads_with_the_same_weights_and_samples(case, tmp_path):
    name, model = case
    if name == MADE_UP:
        other = MadeUp()
        other.load_state_dict(model.state_dict())
        with pytest.raises(ValueError, match=r"zoo\.build"):
            zoo.save(model, tmp_path / "weights.pt")
    else:
        zoo.save(model, tmp_path / "weights.pt")
        other = zoo.load(tmp_path / "weights.pt")
        assert [path.name for path in tmp_path.iterdir()] == ["weights.pt"]
        assert not other.training
    equal_states(model.state_dict(), other.state_dict())
    assert torch.equal(model.sample(4, seed=0), other.sample(4, seed=0))


def test_latents_and_reconstructions_have_the_right_shapes(case, x):
    _, model = case
    if not hasattr(model, "encoder"):
        with pytest.raises(NotImplementedError, match="no encoder"):
            model.encode(x)
        return
    z = model.encode(x[:5])
    assert z.shape == (5, NZ)
    assert torch.allclose(z, model.encode(x[:5].float() / 255))
    assert model.reconstruct(x[:5]).shape == (5, *SHAPE)


def test_draws_from_the_encoder_are_latents_whatever_the_batch(case, x, monkeypatch):
    model = case[1]
    if not hasattr(model, "encoder"):
        with pytest.raises(NotImplementedError, match="has no encoder"):
            model.encode(x, torch.Generator().manual_seed(1))
        return
    z = model.encode(x, torch.Generator().manual_seed(1))
    assert z.shape == (N, NZ)
    assert torch.isfinite(z).all()
    monkeypatch.setattr(zoo.base, "BATCH", 100)
    assert torch.allclose(model.encode(x, torch.Generator().manual_seed(1)), z, atol=1e-5)


def test_the_density_of_latents_is_higher_at_samples_than_far_from_them(case):
    """A model without a density in closed form raises NotImplementedError."""
    model = case[1]
    with evaluating(model):
        z = model.sample_latent(500, torch.Generator().manual_seed(0))
        if type(model).log_prob is LatentModel.log_prob:
            with pytest.raises(NotImplementedError, match="no density of latents in closed form"):
                model.log_prob(z)
            return
        inside = model.log_prob(z)
        outside = model.log_prob(z + 10 * z.std() * torch.randn(z.shape, generator=torch.Generator().manual_seed(1)))
    assert inside.shape == (500,)
    assert torch.isfinite(inside).all()
    assert inside.mean() > outside.mean()


@pytest.mark.parametrize("name", NAMES)
def test_a_resumed_run_gives_the_bits_of_an_uninterrupted_run(name, x):
    """It may be interrupted after any epoch of any stage."""
    whole = trained(name, x, epochs=2)
    epochs = 2 * len(schedules(name))
    for stop in range(1, epochs + 1):
        state = trained(name, x, epochs=2, stop=stop)
        torch.manual_seed(99)  # a new process has other generators
        equal_states(whole.state_dict(), trained(name, x, epochs=2, resume=state).state_dict())


@pytest.mark.parametrize("name", NAMES)
def test_a_run_resumed_after_every_epoch_gives_the_bits_of_an_uninterrupted_run(name, x):
    """States of resumed runs are complete, too."""
    state = None
    for _ in range(2 * len(schedules(name))):
        state = trained(name, x, epochs=2, resume=state, stop=1)
        torch.manual_seed(99)
    whole = trained(name, x, epochs=2)
    equal_states(whole.state_dict(), trained(name, x, epochs=2, resume=state).state_dict())


@pytest.mark.parametrize("name", NAMES)
def test_sampling_between_epochs_does_not_change_the_trained_weights(name, x):
    model = build(name)
    torch.manual_seed(2)
    for _ in train(model, x[: 4 * batch_of(name)], schedules(name, 2)):
        try:
            model.sample(3, seed=0)
        except NotFitted:
            continue
    equal_states(trained(name, x, epochs=2).state_dict(), model.state_dict())


@pytest.mark.parametrize("name", NAMES)
def test_an_update_moves_its_own_parameters_and_no_others(name, x):
    model = build(name)
    touched = set()
    for stage in model.stages(x):
        schedule = schedules(name)[stage.name]
        batch = [to_float(tensor[: batch_of(name)]) for tensor in stage.data()]
        model.train()
        counts = norm_counts(model)
        trains_encoder = False
        for update in stage.updates:
            own = [p for group in update.groups.values() for p in group]
            assert len({id(p) for p in own}) == len(own)
            trains_encoder |= any(p is q for q in encoder_parameters(model) for p in own)
            touched |= {id(p) for p in own}
            before = {name: p.detach().clone() for name, p in model.named_parameters()}
            optimizer = make_adam(update, schedule)
            optimizer.zero_grad()
            update.loss(*batch)[0].backward(inputs=own)
            optimizer.step()
            for other, parameter in model.named_parameters():
                if not any(parameter is p for p in own):
                    assert parameter.grad is None, other
                    assert torch.equal(before[other], parameter), other
            assert any(not torch.equal(before[n], p) for n, p in model.named_parameters() if any(p is q for q in own))
            for p in own:
                p.grad = None
        moved = {name: after - counts[name] for name, after in norm_counts(model).items()}
        assert set(moved.values()) <= {0, 1}, "batch norm's statistics move once per batch"
        assert {by for name, by in moved.items() if name.startswith("encoder.")} <= {int(trains_encoder)}
    assert touched == {id(p) for p in model.parameters()}, "every parameter belongs to a group"


def norm_counts(model):
    """Batches that each batch norm has seen in training mode."""
    norms = (nn.BatchNorm1d, nn.BatchNorm2d)
    return {name: int(m.num_batches_tracked) for name, m in model.named_modules() if isinstance(m, norms)}


def encoder_parameters(model):
    return [*model.encoder.parameters()] if hasattr(model, "encoder") else []


@pytest.mark.parametrize("name", zoo.MODELS)
def test_stages_and_groups_match_every_protocol_row(name, x):
    stages = [(s.name, [g for u in s.updates for g in u.groups]) for s in build(name).stages(x)]
    own_rates = [preset.lr.get(name, {}) for preset in PRESETS.values()]
    assert {stage for rates in own_rates for stage in rates} <= {stage for stage, _ in stages}
    for row in protocols.rows(name).values():
        assert [*row.stages] == [stage for stage, _ in stages]
        for stage, groups in stages:
            schedule = row.stages[stage]
            for group in groups:
                assert schedule.rate(group, 0) > 0
            named = [m for m in (schedule.lr, schedule.weight_decay) if isinstance(m, dict)]
            named += [rates[stage] for rates in own_rates if isinstance(rates.get(stage), dict)]
            assert {group for mapping in named for group in mapping} <= set(groups)
            assert all(set(rates[stage]) == set(groups) for rates in own_rates if isinstance(rates.get(stage), dict))


@pytest.mark.parametrize("name", ["two-stage-vae", "rae-gmm", "rae-l2-gmm", "glann-mse"])
def test_sampling_before_the_density_is_fitted_raises_not_fitted(name):
    with pytest.raises(NotFitted, match=r"cannot sample before"):
        build(name).sample(1, seed=0)


@pytest.mark.parametrize("name", zoo.MODELS)
def test_every_model_takes_color_images_of_any_side_divisible_by_four(name):
    model = zoo.build(name, image_shape=(3, 12, 12), nz=6, k=8)
    with evaluating(model):
        assert model.decoder(torch.zeros(2, model.nz)).shape == (2, 3, 12, 12)
    if hasattr(model, "encoder"):
        assert model.encode(torch.zeros(2, 3, 12, 12, dtype=torch.uint8)).shape == (2, 6)


@pytest.mark.parametrize(
    ("shape", "nz", "words"),
    [
        ((1, 10, 10), 8, "divisible by 4"),
        ((2, 8, 8), 8, "1 or 3 channels"),
        ((1, 8, 12), 8, "square"),
        ((1, 8, 8), 7, "nz must be even"),
        ((1, 8, 8), 0, "nz must be even"),
        ((8, 8), 8, r"\(C, H, W\)"),
    ],
)
@pytest.mark.parametrize("name", zoo.MODELS)
def test_invalid_sizes_are_rejected(name, shape, nz, words):
    with pytest.raises(ValueError, match=words):
        zoo.build(name, image_shape=shape, nz=nz, k=K)


def test_all_wrong_sizes_are_reported_at_once():
    with pytest.raises(ValueError, match=r"channels.*divisible by 4.*even"):
        zoo.build("vae", image_shape=(2, 9, 9), nz=3)
    with pytest.raises(ValueError, match=r"divisible by 4.*k, the width .* must be positive, got 0"):
        zoo.build("glf", image_shape=(1, 9, 9), nz=4, k=0)


@pytest.mark.parametrize(
    ("name", "hyper"),
    [("glf", "beta"), ("vae", "beta"), ("wae-gan", "lam"), ("wae-gan", "sigma2"), ("wae-mmd", "lam"),
     ("rae-gmm", "gamma"), ("vae-flow-prior", "beta"), ("vae-flow-posterior", "beta"), ("glf", "bn_eps")],
)  # fmt: skip
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_weights_must_be_positive(name, hyper, value):
    with pytest.raises(ValueError, match=f"{hyper} must be positive"):
        zoo.build(name, image_shape=SHAPE, nz=NZ, k=K, **{hyper: value})


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown model 'glff' .*Known: vae, .*zoo/registry\.py"):
        zoo.build("glff", image_shape=SHAPE, nz=NZ)
    with pytest.raises(ValueError, match=r"vae has no hyper-parameter 'gamma'\. Known: beta, recon"):
        zoo.build("vae", image_shape=SHAPE, nz=NZ, gamma=1.0)
    with pytest.raises(ValueError, match=r"unknown reconstruction loss 'l1'\. Known: half-sse, sse, bce"):
        zoo.build("vae", image_shape=SHAPE, nz=NZ, recon="l1")
    with pytest.raises(ValueError, match="give k, the width of its networks"):
        zoo.build("glf", image_shape=SHAPE, nz=NZ)


def test_every_hyper_parameter_is_a_json_scalar():
    for name in zoo.MODELS:
        assert all(isinstance(value, float | int | str | bool) for value in zoo.hyper_parameters(name).values())


def test_a_learned_variance_requires_the_squared_error():
    with pytest.raises(ValueError, match="learn_gamma needs a Gaussian decoder: recon must be 'half-sse', got 'bce'"):
        zoo.build("vae-learned", image_shape=SHAPE, nz=NZ, recon="bce")
