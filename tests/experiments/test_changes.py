"""Settings of `--set`: the resulting protocol and its name, and when it equals the plain protocol."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trials import DIGITS

import zoo
from benchmarks import protocols
from benchmarks.experiments.changes import changed_protocol, find_change_errors, parse_changes, split_name
from benchmarks.experiments.trial import Trial

N_DIGITS = len(DIGITS.train)


def changed(text, model="glf", dataset="digits", preset="demo", n=N_DIGITS):
    """The protocol with the settings of one --set, and its description."""
    errors = []
    requested = parse_changes(text, errors)
    assert not errors
    return changed_protocol(model, dataset, preset, n, requested)


def plain(model="glf", dataset="digits", preset="demo", n=N_DIGITS):
    return protocols.protocol(model, dataset, preset, n).resolve(model)


def digits_trial(text="", model="glf", seed=0):
    return Trial.for_cell(model, DIGITS, "demo", seed, changes=parse_changes(text or None, []))


def errors_of(text, model="glf"):
    return find_change_errors(model, plain(model), parse_changes(text, []))


@pytest.mark.parametrize("model", [name for name in zoo.MODELS if protocols.has_row(name, "digits")])
def test_setting_every_value_to_its_default_gives_the_same_key_and_name(model):
    protocol, values = plain(model), {}
    values |= {name: str(value) for name, value in protocol.hyper.items() if name != "recon"}
    for stage, schedule in protocol.stages.items():
        values |= {f"{stage}.batch": str(schedule.batch), f"{stage}.epochs": str(schedule.epochs)}
        for name in ("lr", "weight_decay"):
            value = getattr(schedule, name)
            if not isinstance(value, dict) or len({*value.values()}) == 1:  # different values per group cannot be set
                values[f"{stage}.{name}"] = str(next(iter(value.values())) if isinstance(value, dict) else value)
    trial = Trial.for_cell(model, DIGITS, "demo", 0, changes=values)
    assert trial == Trial.for_cell(model, DIGITS, "demo", 0)
    assert (trial.name, trial.changes) == (model, "")


def test_a_budget_multiplies_the_epochs_of_every_stage_and_those_of_its_schedule():
    full = plain("glf", "mnist", "paper", 60_000).stages["train"]
    quarter, text = changed("budget=0.25", "glf", "mnist", "paper", 60_000)
    assert text == "budget=0.25"
    assert (full.epochs, full.factors) == (100, {50: 0.5})
    assert (quarter.stages["train"].epochs, quarter.stages["train"].factors) == (25, {12: 0.5})
    two_stages, _ = changed("budget=0.5", "two-stage-vae", "mnist", "paper", 60_000)
    for stage, schedule in plain("two-stage-vae", "mnist", "paper", 60_000).stages.items():
        assert two_stages.stages[stage].epochs == schedule.epochs // 2


@given(st.floats(1e-9, 100))
def test_a_run_of_any_budget_trains_at_least_an_epoch(budget):
    stages = changed(f"budget={budget!r}", "glf", "mnist", "paper", 60_000)[0].stages
    assert stages["train"].epochs == max(1, round(100 * budget))
    assert all(1 <= start <= max(1, stages["train"].epochs) for start in stages["train"].factors)


def test_a_budget_of_one_changes_nothing_and_another_one_makes_another_model():
    assert digits_trial("budget=1") == digits_trial()
    assert digits_trial("budget=2").name == "glf[budget=2]"
    assert digits_trial("budget=2").settings["hyper"] == digits_trial().settings["hyper"]
    assert digits_trial("budget=2").key != digits_trial().key


def test_a_wrong_budget_is_named():
    for text in ("0", "-1", "nan", "inf", "1e9", "x"):
        (error,) = errors_of(f"budget={text}")
        assert "must be a number above 0, at most 100" in error
    (error,) = errors_of("budget=0.5,epochs=3")
    assert "both set the number of epochs" in error


def test_a_changed_value_gives_another_key_and_name():
    base = digits_trial()
    others = [digits_trial(text) for text in ("beta=4", "beta=5", "lr=2e-3", "epochs=3", "batch=32", "weight_decay=0",
                                              "stop_gradient=false", "blocks=2")]  # fmt: skip
    assert len({base.key, *(other.key for other in others)}) == 9
    assert len({base.name, *(other.name for other in others)}) == 9
    assert others[0].settings == base.settings | {"hyper": {**base.settings["hyper"], "beta": 4.0}}


def test_the_name_and_the_label_have_the_changed_settings():
    trial = digits_trial("lr=2e-3,beta=4.0,stop_gradient=FALSE,blocks=4")
    assert trial.name == "glf[beta=4,stop_gradient=false,lr=0.002]"
    assert trial.label == "GLF [beta=4,stop_gradient=false,lr=0.002]"
    assert split_name(trial.name) == ("glf", trial.changes)
    assert split_name("glf") == ("glf", "")


def test_a_hyper_parameter_of_set_is_not_scaled_by_the_row_of_settings():
    """On digits the row multiplies beta by 11, also for variants in the registry."""
    assert changed("beta=4")[0].hyper["beta"] == 4.0
    assert plain("vae-flow-prior-10").hyper["beta"] == 110.0
    assert changed("beta=4", "vae-flow-prior-10")[0].hyper["beta"] == 4.0


def test_a_schedule_setting_applies_to_all_stages_or_to_the_named_one():
    both = changed("lr=5e-4", "two-stage-vae")[0]
    assert [{*schedule.lr.values()} for schedule in both.stages.values()] == [{5e-4}, {5e-4}]
    second, text = changed("second.lr=5e-4", "two-stage-vae")
    assert second.stages["first"] == plain("two-stage-vae").stages["first"]
    assert {*second.stages["second"].lr.values()} == {5e-4}
    assert text == "second.lr=0.0005"
    mixed, text = changed("lr=5e-4,first.lr=2e-4", "two-stage-vae")
    assert [{*schedule.lr.values()} for schedule in mixed.stages.values()] == [{2e-4}, {5e-4}]
    assert text == "first.lr=0.0002,second.lr=0.0005"


def test_the_same_change_has_one_name_however_it_is_written():
    for one, other in [("train.lr=2e-3", "lr=0.0020"), ("beta=4,lr=2e-3", "lr=2e-3,beta=4.00")]:
        assert digits_trial(one) == digits_trial(other)
    spelled_out = "first.epochs=2,second.epochs=2"
    assert digits_trial(spelled_out, "two-stage-vae") == digits_trial("epochs=2", "two-stage-vae")


def test_changed_epochs_are_not_shortened_and_rate_changes_scale_with_them():
    schedule = changed("epochs=60", preset="demo")[0].stages["train"]
    assert (schedule.epochs, schedule.steps, schedule.factors) == (60, None, {30: 0.5})
    assert schedule.total(N_DIGITS) == 60 * (N_DIGITS // 64) > 500
    longer = changed("epochs=400", "vae", "cifar10", "paper", 50_000)
    assert longer == (plain("vae", "cifar10", "paper", 50_000), "")
    halved = changed("epochs=200", "vae", "cifar10", "paper", 50_000)[0].stages["train"]
    assert halved.factors == {50: 0.5, 100: 0.5, 150: 0.5}


def test_a_changed_batch_keeps_the_presets_steps_and_the_papers_epochs():
    short, text = changed("batch=32", preset="demo")
    assert (short.stages["train"].batch, text) == (32, "batch=32")
    assert 500 - N_DIGITS // 32 < short.stages["train"].total(N_DIGITS) <= 500
    full = changed("batch=128", "glf", "mnist", "paper", 60_000)[0].stages["train"]
    assert (full.batch, full.epochs) == (128, 100)


def test_a_learning_rate_applies_to_all_groups_and_decay_to_those_with_decay():
    gan = changed("train.lr=2e-4", "wae-gan")[0]
    assert gan.stages["train"].lr == {"ae": 2e-4, "adversary": 2e-4}
    assert gan.stages["pretrain"] == plain("wae-gan").stages["pretrain"]
    assert changed("weight_decay=1e-3")[0].stages["train"].weight_decay == {"flow": 1e-3}
    assert changed("weight_decay=1e-3", "vae")[0].stages["train"].weight_decay == 1e-3


def test_the_source_of_a_changed_protocol_names_the_changes():
    assert changed("beta=4")[0].source == f"{plain().source}; changed by --set: beta=4"
    assert changed("beta=11")[0].source == plain().source


@given(
    st.floats(1e-6, 1e6), st.floats(1e-9, 10), st.integers(2, 1000), st.integers(1, 1000), st.floats(0, 1),
    st.booleans(), st.sampled_from(["glf", "two-stage-vae", "wae-gan", "glf-two-stage"]),
)  # fmt: skip
def test_the_description_of_changes_gives_the_same_protocol_again(beta, lr, batch, epochs, decay, is_all, model):
    """`retry` and the commands of the report pass these descriptions on."""
    stage = "" if is_all else f"{next(iter(plain(model).stages))}."
    text = f"{stage}lr={lr!r},{stage}batch={batch},{stage}epochs={epochs},{stage}weight_decay={decay!r}"
    text += f",beta={beta!r}" if "beta" in plain(model).hyper else ""
    protocol, description = changed(text, model)
    assert changed(description, model) == (protocol, description)


@pytest.mark.parametrize(("text", "error"), [
    ("betta=4", "glf has no setting 'betta' (did you mean 'beta'?). Known: beta, stop_gradient, recon, blocks, bound, "
                "bn_eps, lr, batch, epochs, weight_decay, budget; in one stage (train): STAGE.lr, STAGE.batch, "
                "STAGE.epochs, STAGE.weight_decay"),
    ("beta=large", "--set beta=large: beta of glf must be a number"),
    ("beta=inf", "--set beta=inf: beta of glf must be a number"),
    ("blocks=1.5", "--set blocks=1.5: blocks of glf must be an integer, at most 10,000"),
    ("blocks=10001", "--set blocks=10001: blocks of glf must be an integer, at most 10,000"),
    ("blocks=" + "9" * 4400, f"--set blocks={'9' * 4400}: blocks of glf must be an integer, at most 10,000"),
    ("stop_gradient=0", "--set stop_gradient=0: stop_gradient of glf must be true or false"),
    ("lr=0", "--set lr=0: lr of glf must be a number above 0"),
    ("lr=nan", "--set lr=nan: lr of glf must be a number above 0"),
    ("train.lr=inf", "--set train.lr=inf: train.lr of glf must be a number above 0"),
    ("batch=1", "--set batch=1: batch of glf must be an integer from 2 on"),
    ("batch=64.0", "--set batch=64.0: batch of glf must be an integer from 2 on"),
    ("epochs=0", "--set epochs=0: epochs of glf must be an integer from 1 to 1000000"),
    ("weight_decay=-1", "--set weight_decay=-1: weight_decay of glf must be a number from 0 on"),
])  # fmt: skip
def test_a_wrong_setting_has_one_clear_error(text, error):
    assert errors_of(text) == [error]


def test_a_stage_of_another_model_is_an_error():
    (error,) = errors_of("first.lr=1e-3")
    assert error.startswith("glf has no setting 'first.lr'. Known: ")
    assert not errors_of("first.lr=1e-3", "two-stage-vae")


@pytest.mark.parametrize("text", ["", "lr", "lr=", "=3", "lr=1,", ",", "beta 4"])
def test_a_change_that_is_not_name_and_value_is_an_error(text):
    errors = []
    parse_changes(text, errors)
    assert errors
    assert all(error.startswith("--set takes NAME=VALUE, got ") for error in errors)


def test_a_setting_that_is_given_twice_is_an_error():
    errors = []
    parse_changes("lr=1,beta=2,lr=1", errors)
    assert errors == ["--set has lr twice; give it once"]


def test_a_batch_larger_than_the_data_is_an_error():
    with pytest.raises(ValueError, match="batches of 5000 but there are 1297 training images"):
        changed("batch=5000")


def test_a_changed_model_is_built_with_its_settings():
    model = digits_trial("blocks=2,beta=4").build()
    assert (model.beta, len(model.flow.layers)) == (4.0, len(digits_trial("blocks=2").build().flow.layers))
    assert sum(math.prod(p.shape) for p in model.parameters()) < sum(
        math.prod(p.shape) for p in digits_trial().build().parameters()
    )
