"""Appendix B, typed a second time."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from benchmarks import protocols
from benchmarks.presets import PRESETS
from benchmarks.protocols import protocol
from benchmarks.settings_text import describe_own_settings

N = {"mnist": 60_000, "fashion": 60_000, "cifar10": 50_000, "celeba": 162_770, "digits": 1_297}


def stage(model, dataset, name="train", preset="paper"):
    return protocol(model, dataset, preset, N[dataset]).stages[name]


def rates(schedule, group, *epochs):
    return pytest.approx([schedule.rate(group, e) for e in epochs])


@pytest.mark.parametrize("model", ["glf", "rae-gmm", "glf-regularized", "glf-4-couplings"])
def test_b1_glf_and_b5_rae(model):
    for dataset, epochs, halved in [("mnist", 100, [50]), ("cifar10", 200, [50, 100, 150]), ("celeba", 40, [])]:
        s = stage(model, dataset)
        assert (s.epochs, s.batch, s.betas) == (epochs, 256, (0.9, 0.999))
        assert [s.rate("ae", e) for e in range(epochs)] == [1e-3 * 0.5 ** sum(e >= h for h in halved)
                                                             for e in range(epochs)]  # fmt: skip
        assert s.decay("ae") == 0
        assert s.decay("flow") == (0 if model == "rae-gmm" else 2e-5)


def test_b5_gamma():
    assert protocol("rae-gmm", "mnist", "paper", 60_000).resolve("rae-gmm").hyper["gamma"] == 0.5


@pytest.mark.parametrize("model", ["vae", "vae-flow-prior", "vae-flow-posterior"])
def test_b2_vaes(model):
    for dataset, epochs, halved in [("mnist", 200, [100]), ("cifar10", 400, [100, 200, 300]), ("celeba", 80, [40])]:
        s = stage(model, dataset)
        assert (s.epochs, s.batch) == (epochs, 256)
        assert [s.rate("vae", e) for e in range(epochs)] == [1e-3 * 0.5 ** sum(e >= h for h in halved)
                                                              for e in range(epochs)]  # fmt: skip
        assert protocol(model, dataset, "paper", N[dataset]).resolve(model).hyper["beta"] == 1


@pytest.mark.parametrize(
    ("dataset", "epochs", "first", "second", "ae", "adversary", "lam", "sigma2"),
    [("mnist", 100, 30, 50, 1e-3, 5e-4, 10, 1), ("cifar10", 200, 60, 120, 1e-3, 5e-4, 10, 1),
     ("celeba", 55, 30, 50, 3e-4, 1e-3, 1, 2)],
)  # fmt: skip
def test_b3_wae_gan(dataset, epochs, first, second, ae, adversary, lam, sigma2):
    s = stage("wae-gan", dataset)
    assert (s.epochs, s.batch, s.betas) == (epochs, 100, (0.5, 0.999))
    for group, rate in (("ae", ae), ("adversary", adversary)):
        expected = [rate, rate, rate / 2, rate / 2, rate / 10]
        assert [s.rate(group, e) for e in (0, first - 1, first, second - 1, second)] == pytest.approx(expected)
    hyper = protocol("wae-gan", dataset, "paper", N[dataset]).resolve("wae-gan").hyper
    assert (hyper["lam"], hyper["sigma2"], hyper["recon_weight"]) == (lam, sigma2, 0.05)


@pytest.mark.parametrize(
    ("dataset", "one", "every", "two", "each"),
    [("mnist", 400, 150, 800, 300), ("cifar10", 1000, 300, 2000, 600), ("celeba", 120, 48, 300, 120)],
)
def test_b4_two_stage_vae(dataset, one, every, two, each):
    for name, epochs, period in (("first", one, every), ("second", two, each)):
        s = stage("two-stage-vae", dataset, name)
        assert (s.epochs, s.batch) == (epochs, 100)
        for group in ("vae", "gamma"):
            assert [s.rate(group, e) for e in range(epochs)] == [1e-4 * 0.5 ** (e // period) for e in range(epochs)]


def test_fashion_is_trained_as_mnist():
    for model in zoo.MODELS:
        assert protocol(model, "fashion", "paper", 60_000) == protocol(model, "mnist", "paper", 60_000)
        assert protocols.row(model, "fashion") == "mnist"


@pytest.mark.parametrize("model", zoo.MODELS)
@pytest.mark.parametrize("dataset", ["mnist", "fashion", "cifar10", "celeba", "digits"])
@pytest.mark.parametrize("preset", ["quick", "demo"])
def test_short_presets_keep_their_budget(model, dataset, preset):
    budget = PRESETS[preset]
    n = min(N[dataset], budget.images or N[dataset])
    paper = protocol(model, dataset, "paper", n).stages
    for name, s in protocol(model, dataset, preset, n).stages.items():
        assert 0 < s.total(n) <= budget.steps
        assert s.epochs >= 1
        ratio = s.epochs / paper[name].epochs
        for group in ("ae", "flow", "encoder", "vae", "gamma", "adversary"):  # the rates end where the paper's end
            try:
                falls = s.rate(group, s.epochs - 1) / s.rate(group, 0)
                full = paper[name].rate(group, paper[name].epochs - 1) / paper[name].rate(group, 0)
            except ValueError:
                continue
            assert falls == pytest.approx(full) or s.epochs < 3
        if len(s.factors) == len(paper[name].factors):
            for at, was in zip(s.factors, paper[name].factors, strict=True):
                assert abs(at - was * ratio) <= 1


def test_budgets_are_those_of_the_interface():
    assert (PRESETS["quick"].images, PRESETS["quick"].steps) == (10_000, 1_000)
    assert [(p.seeds, p.draws) for p in PRESETS.values()] == [(10, 10), (1, 1), (3, 1)]
    assert PRESETS["paper"].images is PRESETS["paper"].steps is None
    assert set(PRESETS["demo"].models) == {"glf", "vae", "wae-gan", "two-stage-vae", "rae-gmm"}


@given(n=st.integers(1000, 200_000), preset=st.sampled_from(["paper", "quick", "demo"]))
@settings(deadline=None)
def test_pretraining_has_200_steps_whatever_the_data(n, preset):
    assert protocol("wae-gan", "mnist", preset, n).stages["pretrain"].total(n) == 200


@given(n=st.integers(256, 200_000))
@settings(deadline=None)
def test_nothing_is_left_open(n):
    for model in ("glf", "vae", "rae-gmm"):
        for s in protocol(model, "mnist", "quick", n).stages.values():
            assert s.epochs * (n // s.batch) <= 1000 or s.steps == 1000
            assert 0 < s.total(n) <= 1000


def test_b1_celeba_hq():
    s = protocol("glf", "celeba-hq", "paper", 27_000).stages["train"]
    assert (s.epochs, s.batch, s.betas, s.decay("flow"), s.decay("ae")) == (60, 64, (0.9, 0.999), 2e-5, 0)
    assert [s.rate(group, e) for group in ("ae", "flow") for e in (0, 39, 40, 59)] == [1e-3, 1e-3, 5e-4, 5e-4] * 2
    assert protocols.rows("glf-perceptual")["celeba-hq"] is protocols.rows("glf")["celeba-hq"]


@pytest.mark.parametrize("model", zoo.MODELS)
def test_every_model_has_its_rows(model):
    assert {"mnist", "cifar10", "celeba", "digits"} <= set(protocols.rows(model))
    assert protocols.rows(model)["digits"].source.startswith("ours")


def test_digits_rescales_the_weight_of_any_variant():
    for model, name, value in [("glf", "beta", 11), ("glf-regularized", "beta", 1100), ("wae-gan", "lam", 10 / 11),
                               ("vae-flow-prior-10", "beta", 110), ("rae-gmm", "gamma", 0.5 / 11)]:  # fmt: skip
        assert protocol(model, "digits", "demo", 1297).resolve(model).hyper[name] == pytest.approx(value)


def test_captions_say_which_rows_are_ours():
    assert describe_own_settings("glf", "mnist", "paper") is None
    assert describe_own_settings("glf", "mnist", "quick") is None
    assert "lr vae 0.001, gamma 0.005 in stages first and second" in describe_own_settings(
        "two-stage-vae", "mnist", "quick"
    )
    assert describe_own_settings("vae", "digits", "demo").startswith("ours: MNIST's epochs, batch 64, β x 11")


def test_errors_list_what_there_is():
    with pytest.raises(ValueError, match=r"unknown preset 'fast'\. Known: paper, quick, demo"):
        protocol("glf", "mnist", "fast", 60_000)
    with pytest.raises(
        ValueError, match=r"no protocol for 'wae-gan' on 'celeba-hq'\. Data sets with one: mnist, cifar10, celeba"
    ):
        protocol("wae-gan", "celeba-hq", "paper", 30_000)
    with pytest.raises(ValueError, match="batches of 256 but there are 100 training images"):
        protocol("glf", "mnist", "quick", 100)


def test_a_protocol_is_json():
    plain = protocol("two-stage-vae", "mnist", "quick", 10_000).plain()
    assert plain["stages"]["first"]["lr"] == {"vae": 1e-3, "gamma": 5e-3}
    assert plain["stages"]["first"]["factors"] == {"4": 0.5, "8": 0.5}
    assert plain["stages"]["first"]["betas"] == [0.9, 0.999]


@given(n=st.integers(0, 100_000), preset=st.sampled_from(["paper", "quick", "demo"]))
@settings(deadline=None)
def test_pretraining_needs_one_batch_and_no_more(n, preset):
    for dataset, batch in (("mnist", 1000), ("celeba", 1000), ("digits", 250)):
        found = protocol("wae-mmd", dataset, preset, batch + n).stages["pretrain"]
        assert (found.batch, found.total(batch + n)) == (batch, 200)


def test_pretraining_has_the_rate_of_the_auto_encoder():
    for dataset, rate in (("mnist", 1e-3), ("cifar10", 1e-3), ("celeba", 3e-4)):
        assert stage("wae-gan", dataset, "pretrain").rate("encoder", 0) == rate


@pytest.mark.parametrize("model", ["vae-flow-prior", "vae-flow-posterior", "glf", "glf-two-stage"])
def test_weight_decay_is_on_the_flow_only(model):
    for dataset in ("mnist", "cifar10", "celeba"):
        stages = protocol(model, dataset, "paper", N[dataset]).stages
        last = [*stages.values()][-1]
        assert last.decay("flow") == 2e-5
        assert not any(s.decay(group) for s in stages.values() for group in ("ae", "vae", "gamma"))


@pytest.mark.parametrize("model", zoo.MODELS)
def test_a_variant_has_the_rows_of_the_first_entry_of_its_class(model):
    first = next(name for name, e in zoo.MODELS.items() if e.model is zoo.MODELS[model].model)
    assert protocols.rows(model) is protocols.rows(first) is protocols.PROTOCOLS[first]


def test_a_group_without_a_rate_is_refused():
    with pytest.raises(ValueError, match=r"no learning rate for group 'flow'\. Groups with one: ae, adversary"):
        stage("wae-gan", "mnist").rate("flow", 0)


def test_a_variants_value_is_stronger_than_the_rows(monkeypatch):
    strong = zoo.Entry(zoo.MODELS["rae-gmm"].model, "RAE, 2", hyper={"gamma": 2.0})
    monkeypatch.setitem(zoo.MODELS, "rae-2", strong)
    assert protocol("rae-2", "mnist", "paper", 60_000).resolve("rae-2").hyper["gamma"] == 2
    assert protocol("rae-2", "digits", "demo", 1297).resolve("rae-2").hyper["gamma"] == pytest.approx(2 / 11)
