"""Claims against frames whose answer is known: each can be supported, contradicted, and left undecided."""

import shlex
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.analysis import statistics
from benchmarks.analysis.claims import CLAIMS, CONTRADICTED, SUPPORTED, UNDECIDED, claim_of, judge, printed
from benchmarks.analysis.claims.finding import PAPER, PRIORS, REGULARIZED
from benchmarks.analysis.evidence import Evidence, presets
from benchmarks.evaluation.scoring import VARIANTS
from benchmarks.execution.options import Options
from benchmarks.execution.plan import plan
from benchmarks.reporting.registry import REQUIREMENTS

RAW = {"reals": "as they are", "fakes": "as they are", "split": "test", "quantisation": "round(255 x) to uint8",
       "input": "299x299 plain bilinear", "crop": np.nan, "resize": np.nan, "weights": "w", "backend": "b",
       "estimator": "e"}  # fmt: skip
OTHERS = ("vae", "wae-gan", "two-stage-vae", "rae-gmm", "vae-flow-prior", "vae-flow-posterior")


def around(mean, n=5, spread=0.01):
    """n numbers of a mean, evenly within a share of it."""
    return [mean * (1 + spread * (2 * i / (n - 1) - 1)) for i in range(n)] if n > 1 else [mean] * n


def row(model, dataset, seed, value=None, preset="paper", **more):
    return {
        "key": f"{model}/{dataset}/{seed}/{preset}", "model": model, "label": model, "revision": 1, "dataset": dataset,
        "row": dataset, "preset": preset, "seed": seed, "precision": "fp32", "status": "done", "error": None,
        "source": "prior", "draw": 0, "metric": "fid", "protocol_id": "p", "n": 10_000, "n_real": 10_000,
        "n_fake": 10_000, "extractor": "inception", "dims": 2048, **RAW, "fid": value, "posterior_var": np.nan,
        "device": "GPU", "torch": "2", "engine": "graph", "commit": "abc", "dirty": False, "train": "t",
        "test": "u", **more,
    }  # fmt: skip


def evidence(rows, epochs=(), preset="paper"):
    names = ["key", "model", "dataset", "preset", "seed", "stage", "epoch", "protocol_id", "seconds", "steps", "recon",
             "nll", "fid"]  # fmt: skip
    return Evidence(pd.DataFrame(rows, columns=[*row("", "", 0)]), pd.DataFrame([*epochs], columns=names), preset)


def distances(datasets=PAPER, n=5, spread=0.01, **means):
    """Some models' trainings, by their mean distance; names with _ for -."""
    return evidence([
        row(model.replace("_", "-"), dataset, seed, value)
        for dataset in datasets for model, mean in means.items() for seed, value in enumerate(around(mean, n, spread))
    ])  # fmt: skip


def table1(glf, **others):
    means = dict.fromkeys((o.replace("-", "_") for o in OTHERS), 30.0) | others
    return distances(glf=glf, **means)


def sweep(values, column="fid", learned=None, glf=10.0, n=5, dataset="cifar10", models=PRIORS):
    """A model at each beta, with a number each; and GLF, and a learned beta."""
    more = {"glf": glf, "vae-flow-prior-learned": learned}
    each = {models[b]: v for b, v in zip(models, values, strict=True)} | {m: v for m, v in more.items() if v}
    return evidence([
        row(model, dataset, seed, **{"value": 20.0} | {("value" if column == "fid" else column): value})
        for model, mean in each.items() for seed, value in enumerate(around(mean, n))
    ])  # fmt: skip


def trained(cells, datasets=("cifar10",), n=5, preset="paper", epochs=12):
    """Trainings with epochs: (model, stage) -> a function of (seed, epoch) that gives columns, or a status."""
    rows, lines = {}, []
    for dataset in datasets:
        for (model, stage), columns in cells.items():
            for seed in range(n):
                one = row(model, dataset, seed, 10.0, preset=preset)
                rows[one["key"]] = one
                for epoch in range(epochs):
                    found = columns(seed, epoch)
                    one["status"] = found.pop("status", one["status"])
                    lines.append({"key": one["key"], "model": model, "dataset": dataset, "preset": preset, "seed": seed,
                                  "stage": stage, "epoch": epoch, "protocol_id": "c", "seconds": 1.0, "steps": 100,
                                  **found})  # fmt: skip
    return evidence([*rows.values()], lines, preset)


def noise(seed, epoch):
    return np.random.default_rng([seed, epoch]).standard_normal()


def ends(*, one, ten, n=5):
    """Regularized GLF at beta 1 and 10: diverged, got through, or reconstructs worse than at first."""
    kinds = {
        "diverged": lambda s, e: {"recon": 1.0, "status": "diverged"},
        "done": lambda s, e: {"recon": 10.0 - e / 2},
        "worse": lambda s, e: {"recon": 10.0 + e},
        "half": lambda s, e: {"recon": 10.0 + (e if s % 2 else -e / 2)},
    }
    cells = {(REGULARIZED[1], "train"): kinds[one], (REGULARIZED[10], "train"): kinds[ten]}
    return trained(cells, n=n)


def waves(glf, regularized, n=5):
    """Distances that fall steadily, with oscillations of a size."""

    def curve(size):
        return lambda seed, epoch: {"fid": 50 * 0.97**epoch * float(np.exp(size * noise(seed, epoch)))}

    models = ["glf", *(REGULARIZED[b] for b in (50, 100, 400))]
    return trained({(m, "train"): curve(glf if m == "glf" else regularized) for m in models}, n=n, epochs=24)


def nlls(regularized, prior, n=5):
    def last(value):
        return lambda seed, epoch: {"nll": 80 + (value - 80) * epoch / 11 + noise(seed, epoch)}

    cells = {(REGULARIZED[b], "train"): last(regularized) for b in (50, 100, 400)}
    return trained(cells | {(PRIORS[b], "train"): last(prior) for b in (50, 100, 400)}, n=n)


def steps(glf, rae, n=5):
    """Seconds per epoch."""
    return trained({("glf", "train"): lambda s, e: {"seconds": glf * (1 + s / 100)},
                    ("rae-gmm", "train"): lambda s, e: {"seconds": rae * (1 + s / 100)}}, PAPER, n)  # fmt: skip


def totals(glf, two_stage, n=5, preset="paper"):
    """Seconds per epoch; the Two-Stage VAE has two stages of the same number of epochs."""
    return trained({("glf", "train"): lambda s, e: {"seconds": glf * (1 + s / 100)},
                    ("two-stage-vae", "first"): lambda s, e: {"seconds": two_stage * (1 + s / 100)},
                    ("two-stage-vae", "second"): lambda s, e: {"seconds": two_stage}}, PAPER, n, preset)  # fmt: skip


def jpeg(factor, n=5, spread=0.01):
    rows = []
    for seed, value in enumerate(around(80.0, n)):
        scored = value * factor * (1 + spread * noise(seed, 0))
        rows += [row("glf", "cifar10", seed, value),
                 row("glf", "cifar10", seed, scored, protocol_id="j", reals="JPEG, quality 75")]  # fmt: skip
    return evidence(rows)


FALLING, RISING = (30.0, 25.0, 20.0, 15.0, 12.0), (12.0, 15.0, 20.0, 25.0, 30.0)
VARIANCES = (1e-1, 1e-2, 1e-3, 4e-4, 1e-4)
# claim -> what supports it, what contradicts it, what leaves it open (each in more than one way where there is one)
CASES = {
    1: ([table1(10.0)], [table1(10.0, rae_gmm=9.0), table1(40.0)], [table1(29.9), distances(glf=10.0, vae=20.0)]),
    2: ([table1(10.0, rae_gmm=20.0)], [table1(10.0, rae_gmm=40.0)], [table1(10.0, rae_gmm=29.9)]),
    3: ([distances(vae=50.0, vae_flow_posterior=50.0), distances(vae=50.0, vae_flow_posterior=70.0)],
        [distances(vae=50.0, vae_flow_posterior=30.0)], [distances(vae=50.0, vae_flow_posterior=50.0, spread=0.5)]),
    4: ([evidence([*distances(("cifar10", "celeba"), vae=50.0, vae_flow_prior=40.0).runs.to_dict("records"),
                   *distances(("mnist",), vae=50.0, vae_flow_prior=50.0).runs.to_dict("records")])],
        [distances(vae=50.0, vae_flow_prior=40.0), distances(vae=50.0, vae_flow_prior=60.0)],
        [distances(("cifar10", "celeba"), vae=50.0, vae_flow_prior=40.0)]),
    5: ([distances(glf=10.0, vae_flow_prior=20.0)], [distances(glf=20.0, vae_flow_prior=10.0)],
        [distances(glf=10.0, vae_flow_prior=10.0), distances(glf=10.0, vae_flow_prior=20.0, n=2)]),
    6: ([sweep(FALLING)], [sweep(RISING), sweep(FALLING, glf=99.0), sweep(FALLING, glf=20.0)],
        [sweep(FALLING, n=2), sweep((20.0,) * 5)]),
    7: ([sweep(FALLING, learned=40.0)], [sweep(FALLING, learned=11.0), sweep(FALLING, learned=12.1)],
        [sweep(FALLING, learned=40.0, n=2), sweep(FALLING)]),
    8: ([sweep(VARIANCES, "posterior_var")],
        [sweep(VARIANCES[::-1], "posterior_var"), sweep((*VARIANCES[:3], 2e-2, 1e-2), "posterior_var")],
        [sweep(FALLING), sweep(VARIANCES, "posterior_var", n=2)]),
    9: ([ends(one="diverged", ten="diverged"), ends(one="diverged", ten="worse", n=3)],
        [ends(one="done", ten="done"), ends(one="diverged", ten="done", n=6)],
        [ends(one="diverged", ten="diverged", n=2), ends(one="half", ten="half"),
         ends(one="diverged", ten="done", n=3)]),
    10: ([waves(0.01, 0.2)], [waves(0.2, 0.01)], [waves(0.1, 0.1), waves(0.01, 0.2, n=2), distances(glf=1.0)]),
    11: ([nlls(-50.0, 80.0)], [nlls(70.0, 80.0), nlls(-50.0, -20.0)], [nlls(-50.0, 80.0, n=2), nlls(0.0, 80.0)]),
    13: ([steps(1.05, 1.0)], [steps(2.0, 1.0)], [steps(1.25, 1.0), steps(1.0, 1.0, n=2)]),
    14: ([totals(1.0, 3.0)], [totals(9.0, 1.0)], [totals(2.0, 1.0), totals(1.0, 3.0, n=2)]),
    15: ([distances(glf=50.0, glf_two_stage=50.0)], [distances(glf=50.0, glf_two_stage=60.0)],
         [distances(glf=50.0, glf_two_stage=50.0, spread=0.5), distances(glf=50.0)]),
    16: ([distances(glf=50.0, glf_perceptual=40.0)], [distances(glf=40.0, glf_perceptual=50.0)],
         [distances(glf=50.0, glf_perceptual=50.0)]),
    17: ([distances(wae_gan=40.0, wae_mmd=50.0)], [distances(wae_gan=50.0, wae_mmd=40.0)],
         [distances(wae_gan=40.0)]),
    18: ([jpeg(0.8)], [jpeg(1.2)], [jpeg(1.0, spread=0.1), jpeg(0.8, n=2), distances(glf=50.0)]),
}  # fmt: skip


def cases():
    for number, three in CASES.items():
        for answer, frames in zip((SUPPORTED, CONTRADICTED, UNDECIDED), three, strict=True):
            for i, frame in enumerate(frames):
                yield pytest.param(number, answer, frame, id=f"{number}-{answer}-{i}")


@pytest.mark.parametrize(("number", "answer", "frame"), [*cases()])
def test_a_claim_is_what_its_frame_makes_it(number, answer, frame):
    verdict = claim_of(number).verdict(frame)
    assert verdict.answer == answer, [(f.dataset, f.answer, f.says) for f in verdict.findings]
    for finding in verdict.findings:
        assert finding.says
        if finding.answer != UNDECIDED:  # an answer comes with its test, its size and its records
            assert finding.test
            assert finding.effect.low <= finding.effect.value <= finding.effect.high
            assert finding.keys
            assert set(finding.keys) <= set(frame.trainings.index)
            assert not finding.command


@pytest.mark.parametrize(("number", "answer", "frame"), [*cases()])
def test_a_finding_is_of_the_models_that_it_counts_and_would_train(number, answer, frame):
    claim = claim_of(number)
    for finding in claim.verdict(frame).findings:
        used = {frame.trainings.at[key, "model"] for key in finding.keys}
        assert used <= {*finding.trainings}
        assert sum(finding.used.values()) == len(finding.keys)
        assert all(n <= finding.trainings[model] for model, n in finding.used.items())
        if finding.command:
            words = shlex.split(finding.command)
            assert used <= {*words[words.index("--only") + 1].split(",")} == {*finding.trainings}


def test_the_flow_is_timed_beside_the_auto_encoder_that_decides():
    """GLF in two stages where there are enough of it that ran alike, else RAE + GMM."""
    cells = {("glf", "train"): 1.05, ("glf-two-stage", "ae"): 1.0, ("rae-gmm", "train"): 0.5}
    some = trained({at: lambda s, e, t=t: {"seconds": t * (1 + s / 100)} for at, t in cells.items()})
    finding = claim_of(13).verdict(some).findings[2]
    assert (finding.answer, {*finding.trainings}) == (SUPPORTED, {"glf", "glf-two-stage"})
    runs = some.runs.assign(device=np.where(some.runs["model"] == "glf-two-stage", "CPU", "GPU"))
    finding = claim_of(13).verdict(replace(some, runs=runs)).findings[2]
    assert (finding.answer, {*finding.trainings}) == (CONTRADICTED, {"glf", "rae-gmm"})
    few = some.runs[(some.runs["model"] != "glf-two-stage") | (some.runs["seed"] < 2)]
    few = few[few["model"] != "rae-gmm"]
    finding = claim_of(13).verdict(evidence(few.to_dict("records"), some.epochs.to_dict("records"))).findings[2]
    assert "--only glf,glf-two-stage " in finding.command
    assert "GLF, two stages: 2" in finding.says


def test_every_claim_has_all_three_cases():
    assert {claim.number for claim in CLAIMS} - {*CASES} == {12}  # counted from the modules
    assert [claim.number for claim in CLAIMS] == [*range(1, 19)]


def test_the_flows_share_is_counted():
    """The ledger's numbers for eight couplings: 0.37 %, 4.22 %, 1.07 %."""
    verdict = claim_of(12).verdict(evidence([]))
    shares = {f.dataset: (f.answer, round(100 * f.effect.value, 2)) for f in verdict.findings}
    assert shares == {"mnist": (SUPPORTED, 0.37), "fashion": (SUPPORTED, 0.37), "cifar10": (UNDECIDED, 4.22),
                      "celeba": (SUPPORTED, 1.07)}  # fmt: skip
    assert verdict.answer == UNDECIDED
    assert {f.dataset: f.barred for f in verdict.findings if f.barred} == {
        "cifar10": "it takes the authors to say how many couplings a block has"}  # fmt: skip


def test_what_is_missing_leaves_all_claims_undecided_with_what_to_run():
    for claim, verdict in judge(evidence([])):
        if claim.number == 12:
            continue
        assert verdict.answer == UNDECIDED
        assert all(f.command for f in verdict.findings), claim.number


def test_commands_are_plans_that_the_command_line_takes(tmp_path):
    """On digits, at preset demo: each names models, data set and trainings that decide."""
    some = evidence([row("vae", "digits", 0, 1.0, preset="demo", metric="fd_classifier")], preset="demo")
    found = {}
    for claim, verdict in judge(some, str(tmp_path)):
        for finding in verdict.findings:
            words = shlex.split(finding.command)
            if finding.dataset != "digits" or not words or claim.number == 16:  # a plan of it needs VGG's weights
                continue
            assert words[:3] == ["python", "-m", "benchmarks.run"]
            given = dict(zip(words[4::2], words[5::2], strict=True))
            options = Options(**{name.removeprefix("--"): value for name, value in given.items()})
            jobs = plan(options, ["auto"], REQUIREMENTS[words[3]]).jobs
            found[claim.number] = len(jobs)
            assert {job.trial.model for job in jobs} == set(claim.models)
    assert found[5] == 6
    assert len(found) >= 13


def test_enough_trainings_that_do_not_decide_call_for_more():
    finding = claim_of(5).verdict(distances(("mnist",), glf=10.0, vae_flow_prior=10.0)).findings[0]
    assert "--seeds 10" in finding.command
    finding = claim_of(5).verdict(distances(("mnist",), glf=10.0, vae_flow_prior=10.0, n=12)).findings[0]
    assert "--seeds 24" in finding.command


def test_a_distance_that_is_not_fid_is_never_called_so():
    some = distances(("mnist",), glf=10.0, vae_flow_prior=20.0)
    runs = some.runs.rename(columns={"fid": "fd_classifier"}).assign(metric="fd_classifier")
    finding = claim_of(5).verdict(replace(some, runs=runs)).findings[0]
    assert finding.answer == SUPPORTED
    assert finding.metric == "fd_classifier"


def test_distances_of_two_protocols_are_not_compared():
    """GLF was measured under one, the VAE under another: nothing to compare, although the numbers lie far apart."""
    some = distances(("mnist",), glf=10.0, vae_flow_prior=20.0)
    mixed = some.runs.assign(protocol_id=[f"of {model}" for model in some.runs["model"]])
    assert claim_of(5).verdict(replace(some, runs=mixed)).findings[0].answer == UNDECIDED


def test_presets_and_repeated_seeds_are_kept_apart():
    """A shortened training, an older revision and tf32 beside fp32 change nothing."""
    runs = distances(("mnist",), glf=10.0, vae_flow_prior=20.0).runs
    more = [row("glf", "mnist", s, 99.0, preset="quick") for s in range(9)]
    more += [row("glf", "mnist", s, 99.0, revision=0) | {"key": f"old {s}"} for s in range(5)]
    more += [row("glf", "mnist", s, 99.0, precision="tf32") | {"key": f"tf32 {s}"} for s in range(5)]
    both = evidence([*runs.to_dict("records"), *more])
    finding = claim_of(5).verdict(both).findings[0]
    assert (finding.answer, finding.trainings["glf"]) == (SUPPORTED, 5)
    assert presets(both.runs) == ["paper", "quick"]
    assert claim_of(5).verdict(replace(both, preset="quick")).answer == UNDECIDED


def test_other_preparations_of_the_images_are_never_what_models_are_compared_by():
    """As many trainings, as many images, other crops, filters and input sizes: the base counts, whatever its name."""
    base = distances(("celeba",), glf=50.0, vae=60.0).runs.assign(protocol_id="z", crop=160)
    changes = [VARIANTS[name].changes for name in ("crop128", "resize-plain", "input-bilinear", "jpeg75", "train")]
    others = [base.assign(protocol_id=f"a{i}", fid=base["fid"] / 2, **c) for i, c in enumerate(changes)]
    some = evidence(pd.concat([*others, base]).to_dict("records"))
    assert some.protocols == {"celeba": ("fid", "z")}
    assert some.distance("glf", "celeba").mean == pytest.approx(50)


@pytest.mark.parametrize("change", ["weights", "backend", "estimator"])
def test_another_protocol_of_the_same_images_is_no_variant(change):
    """Fewer trainings were measured with other weights, and come first: the base is what models are compared by."""
    base = distances(("mnist",), glf=50.0, vae=60.0).runs
    other = base.iloc[:3].assign(protocol_id="a", **{change: "x"})
    jpeg = {"reals": "JPEG, quality 75"}
    through = [base.assign(protocol_id="j", **jpeg), base.assign(protocol_id="k", **jpeg, **{change: "x"})]
    for frames in ([other, *through, base], [other, *through[::-1], base]):
        some = evidence(pd.concat(frames).to_dict("records"))
        assert some.variants("mnist") == {"base": "p", "jpeg75": "j"}


@pytest.mark.parametrize("n", [2000, 5000])
def test_five_thousand_of_no_more_than_five_thousand_images_are_no_variant(n):
    base = distances(("mnist",), glf=50.0, vae=60.0).runs
    few = base.assign(n_fake=n, n_real=n)
    assert evidence(few.to_dict("records")).variants("mnist") == {"base": "p"}
    more = few.assign(protocol_id="q", n_fake=5001)  # of another call, with more images: no "5k", either
    assert evidence(pd.concat([few, more.iloc[:3]]).to_dict("records")).variants("mnist") == {"base": "p"}
    half = base.assign(protocol_id="h", n_fake=5000, n_real=500)  # of 500 reals, all
    both = evidence(pd.concat([half, base.assign(n_real=500)]).to_dict("records"))
    assert both.variants("mnist") == {"base": "p", "5k": "h"}


def test_fp32_comes_before_other_precisions_whatever_their_names():
    names = ("bf16", "tf32", "fp32")
    rows = [row("glf", "mnist", s, 10.0, precision=p) | {"key": f"{p} {s}"} for p in names for s in range(4)]
    assert {*evidence(rows).trainings["precision"]} == {"fp32"}
    assert {*evidence(rows[:8]).trainings["precision"]} == {"tf32"}


@pytest.mark.parametrize("other", [{"revision": 0}, {"precision": "bf16"}, {"train": "cut"}, {"row": "fashion"}])
def test_a_cell_is_of_one_revision_precision_data_and_row(other):
    """Seeds that only another kind of training has are left out and counted, not mixed in."""
    rows = [row("glf", "mnist", s, 10.0) for s in range(4)]
    rows += [row("glf", "mnist", s, 99.0, **other) | {"key": f"other {s}"} for s in range(2, 5)]
    some = evidence(rows)
    assert some.distance("glf", "mnist").values.tolist() == [10.0] * 4
    assert some.left_out("glf", "mnist") == 3


def test_one_fid_does_not_silence_what_compares_models():
    rows = distances(("mnist",), glf=10.0, vae=20.0).runs.to_dict("records")
    fid = [one | {"fid": 50.0, "protocol_id": "i"} for one in rows[:1]]
    other = [one | {"fd_classifier": one.pop("fid"), "metric": "fd_classifier"} for one in rows]
    frame = pd.DataFrame([*fid, *other])
    assert Evidence(frame, evidence([]).epochs, "paper").protocols == {"mnist": ("fd_classifier", "p")}


def test_distances_are_means_over_the_draws_that_all_trainings_have():
    rows = [row("glf", "mnist", s, 10.0 + 10 * d, draw=d) for s in range(3) for d in range(1 + 2 * (s == 0))]
    assert evidence(rows).distance("glf", "mnist").values.tolist() == [10.0] * 3
    assert evidence(rows).draws("mnist") == 1


def test_failed_and_diverged_trainings_have_no_distance():
    runs = distances(("mnist",), glf=10.0, vae_flow_prior=20.0, n=4).runs
    runs.loc[runs["model"].eq("glf") & runs["seed"].lt(2), ["status", "fid", "metric"]] = ["diverged", np.nan, None]
    finding = claim_of(5).verdict(evidence(runs.to_dict("records"))).findings[0]
    assert finding.answer == UNDECIDED
    assert "GLF: 2" in finding.says


@pytest.mark.parametrize(("number", "winner"), [(1, "glf"), (3, "vae"), (5, "glf"), (15, "glf")])
def test_who_wins_by_its_survivors_does_not_win(number, winner):
    """One diverged training of the winner, in trainings that support the claim, and it is counted in words."""
    some = CASES[number][0][0]
    assert claim_of(number).verdict(some).answer == SUPPORTED
    runs = some.runs.copy()
    lost = runs["model"].eq(winner) & runs["seed"].eq(0)
    runs.loc[lost, ["status", "fid", "metric"]] = ["diverged", np.nan, None]
    findings = claim_of(number).verdict(replace(some, runs=runs)).findings
    assert {f.answer for f in findings} == {UNDECIDED}
    assert all("1 diverged" in f.says and not f.command for f in findings)


def test_diverged_trainings_are_made_up_for_by_as_many_more():
    runs = distances(("mnist",), glf=10.0, vae_flow_prior=20.0, n=12).runs
    runs.loc[runs["model"].eq("glf") & runs["seed"].lt(11), ["status", "fid", "metric"]] = ["diverged", np.nan, None]
    assert "--seeds 14" in claim_of(5).verdict(evidence(runs.to_dict("records"))).findings[0].command
    runs.loc[runs["model"].eq("glf"), ["status", "fid", "metric"]] = ["diverged", np.nan, None]
    assert claim_of(5).verdict(evidence(runs.to_dict("records"))).findings[0].command == ""


def test_what_records_name_is_one_word_of_a_command():
    evil = "x; touch /tmp/pwn"
    some = evidence([row("glf", evil, 0, 1.0, preset="quick", row=evil)], preset="quick")
    finding = claim_of(5).verdict(some, "a b").findings[0]
    words = shlex.split(finding.command)
    assert words.count(evil) == 2
    assert words[-2:] == ["--results", "a b"]


def test_a_command_measures_as_its_cell_was_measured():
    rows = [row("glf", "mnist", 0, 10.0, draw=d, precision="bf16", n_fake=2000) for d in range(3)]
    finding = claim_of(5).verdict(evidence(rows)).findings[0]
    assert "--draws 3 --images 2000 --allow-few --precision bf16" in finding.command
    plain = claim_of(5).verdict(distances(("mnist",), glf=10.0)).findings[0].command
    assert "--images" not in plain
    assert "--allow-few" not in plain
    assert "--precision" not in plain


def test_a_shortened_budget_does_not_decide_how_long_trainings_take():
    verdict = claim_of(14).verdict(totals(1.0, 3.0, preset="quick"))
    assert verdict.answer == UNDECIDED
    assert not any(f.command for f in verdict.findings), "more trainings would not help"


@pytest.mark.parametrize("number", [13, 14])
@pytest.mark.parametrize("apart", ["device", "engine", "torch", "precision"])
def test_times_of_trainings_that_ran_otherwise_are_not_compared(apart, number):
    some = steps(1.0, 1.0) if number == 13 else totals(1.0, 3.0)
    runs = some.runs.assign(**{apart: some.runs["model"]})
    findings = claim_of(number).verdict(replace(some, runs=runs)).findings
    assert {f.answer for f in findings} == {UNDECIDED}
    assert all("times compare only" in f.says and not f.command for f in findings)


def test_times_compare_where_older_records_do_not_say_their_engine():
    some = steps(1.05, 1.0)
    unsaid = replace(some, runs=some.runs.assign(engine=np.nan))
    assert claim_of(13).verdict(unsaid).answer == SUPPORTED
    without = replace(some, epochs=some.epochs.drop(columns=["seconds", "steps"]).iloc[:0])
    assert claim_of(13).verdict(without).answer == claim_of(14).verdict(without).answer == UNDECIDED


@pytest.mark.parametrize("number", [8, 9, 11])
def test_a_shortened_budget_contradicts_no_claim_of_values(number):
    for some in CASES[number][1]:
        quick = evidence(some.runs.assign(preset="quick").to_dict("records"),
                         some.epochs.assign(preset="quick").to_dict("records"), "quick")  # fmt: skip
        verdict = claim_of(number).verdict(quick)
        assert verdict.answer in (UNDECIDED, SUPPORTED)
        assert all("paper’s budget" in f.says for f in verdict.findings)
        assert not any(f.command for f in verdict.findings if "to contradict" in f.says), "more would not help"


def on_digits(some):
    """One data set's part of some evidence, as if it were of digits."""
    runs = some.runs[some.runs["dataset"] == some.runs["dataset"].iloc[0]]
    epochs = some.epochs[some.epochs["key"].isin(runs["key"])]
    renamed = (frame.assign(dataset="digits").to_dict("records") for frame in (runs.assign(row="digits"), epochs))
    return evidence(*renamed)


def test_what_is_not_the_papers_is_told_apart():
    """A budget of our own, images that the paper has not under its budget, and CelebA-HQ, which is the paper's."""
    rows = [row("glf", "digits", 0), row("glf", "letters", 0, row="mnist"), row("glf", "celeba-hq", 0),
            row("glf", "small", 0, row="digits"), row("glf", "fashion", 0, row="mnist")]  # fmt: skip
    some = evidence(rows)
    assert {d: some.lacks(d) for d in some.datasets} == {
        "celeba-hq": (), "digits": ("budget", "images"), "fashion": (), "letters": ("images",),
        "small": ("budget", "images"),
    }  # fmt: skip
    assert {d: some.beside(d) for d in some.datasets if not some.full(d)} == {
        "digits": "which the paper has not, all images and schedules of our own",
        "letters": "which the paper has not, all images and Appendix B’s schedules for MNIST",
        "small": "which the paper has not, all images and schedules of our own",
    }
    quick = evidence([one | {"preset": "quick"} for one in rows], preset="quick")
    assert quick.lacks("celeba-hq") == ("budget",)
    assert {quick.beside(d) for d in quick.datasets} == {""}


def test_every_rule_says_when_a_claim_is_supported_and_when_contradicted():
    for claim in CLAIMS:
        support, contradict = claim.rule.split("; contradicted")
        assert len(support) > 20, claim.number
        assert len(contradict) > 20, claim.number


def test_the_flows_finding_says_what_both_readings_come_to():
    says = {f.dataset: f.says for f in claim_of(12).verdict(evidence([])).findings}
    told = "4.2 % of the parameters of encoder and decoder, which is not less than 3 %; with 4, as Figure 1b may be"
    assert says["cifar10"].endswith(f"{told} read (glf-4-couplings), 2.1 %, which is less")
    assert "not less" not in says["mnist"]


@pytest.mark.parametrize(("glf", "at", "value"), [(20.0, 400, -8.0), (99.0, 1, -69.0)])
def test_where_a_turned_gap_decides_it_is_what_is_printed(glf, at, value):
    """The gap shrinks significantly all the same: neither its test nor its p are shown."""
    finding = claim_of(6).verdict(sweep(FALLING, glf=glf)).findings[0]
    assert finding.answer == CONTRADICTED
    assert finding.says.endswith(f"; at β = {at} the gap is the other way round")
    assert f"β = {at} against GLF" in finding.test
    assert (finding.effect.value, finding.unit) == (pytest.approx(value), "gap to GLF")
    assert finding.effect.high < 0
    assert 0 < finding.effect.p < 0.05


def test_a_gap_is_judged_by_all_its_comparisons_together():
    """Three trainings whose change is significant by itself (p < 0.05), and not among seven comparisons."""
    some = sweep((20.0, 19.0, 18.0, 17.0, 16.0), glf=10.0, n=3)
    runs = some.runs.copy()
    ends = runs["model"].isin([PRIORS[1], PRIORS[400]])
    runs.loc[ends, "fid"] = runs.loc[ends, "fid"] + np.tile([-1.4, 0.0, 1.4], 2)
    finding = claim_of(6).verdict(replace(some, runs=runs)).findings[0]
    raw = statistics.welch(*(runs.loc[runs["model"].eq(PRIORS[b]), "fid"] for b in (400, 1))).p
    assert raw < 0.05 < finding.effect.p
    assert (finding.answer, finding.unit) == (UNDECIDED, "change of the gap")
    assert "Holm over 7" in finding.test


@pytest.mark.parametrize(("number", "some", "winner"), [
    (6, sweep(FALLING), PRIORS[400]), (6, sweep(FALLING), "glf"), (6, sweep(RISING), PRIORS[1]),
    (6, sweep(FALLING, glf=20.0), PRIORS[400]), (7, sweep(FALLING, learned=40.0), PRIORS[400]),
    (7, sweep(FALLING, learned=11.0), "vae-flow-prior-learned"),
])  # fmt: skip
def test_no_beta_wins_by_its_survivors(number, some, winner):
    assert claim_of(number).verdict(some).answer != UNDECIDED
    runs = some.runs.copy()
    runs.loc[runs["model"].eq(winner) & runs["seed"].eq(0), ["status", "fid", "metric"]] = ["diverged", np.nan, None]
    finding = claim_of(number).verdict(replace(some, runs=runs)).findings[0]
    assert (finding.answer, finding.command) == (UNDECIDED, "")
    assert "wins by the trainings that did not diverge" in finding.says


@pytest.mark.parametrize("values", [VARIANCES, VARIANCES[::-1], (1e-3,) * 5])
def test_a_variance_whose_value_cannot_be_judged_supports_nothing(values):
    finding = claim_of(8).verdict(on_digits(sweep(values, "posterior_var"))).findings[0]
    assert (finding.answer, finding.command) == (UNDECIDED, "")
    assert ("that it falls is shown" in finding.says) is (values == VARIANCES)
    assert "takes the paper’s budget on CIFAR-10 to judge" in finding.says


def test_what_is_printed_of_the_variance_is_what_decides():
    value = claim_of(8).verdict(CASES[8][1][1]).findings[0]
    assert value.unit == "logarithm at β = 400, less −4"
    assert value.effect.low > 0.5
    assert claim_of(8).verdict(CASES[8][1][0]).findings[0].unit == "τ"


@pytest.mark.parametrize(("number", "helps"), [(5, True), (8, False), (9, True), (14, False)])
def test_no_command_is_given_where_no_training_of_a_preset_would_decide(number, helps):
    """Neither where there is one of its models, nor where there is none."""
    models = claim_of(number).models
    for model in (*models[:1], "glann"):
        one = evidence([row(model, "mnist", 0, 1.0, preset="quick")], preset="quick")
        finding = claim_of(number).verdict(one).findings[0]
        assert (finding.answer, finding.dataset, bool(finding.command)) == (UNDECIDED, "mnist", helps)


def test_diverging_trainings_that_do_not_decide_call_for_more_where_more_would():
    """On CIFAR-10 none of six would contradict; on digits nothing can, and a β at which none diverges not support."""
    half = ends(one="diverged", ten="done", n=3)
    finding = claim_of(9).verdict(half).findings[0]
    assert "none of six at one of them contradict" in finding.says
    assert "--seeds 10" in finding.command
    digits = claim_of(9).verdict(on_digits(half)).findings[0]
    assert (digits.answer, digits.command) == (UNDECIDED, "")
    assert "can only be supported" in digits.says
    assert "six" not in digits.says
    few = claim_of(9).verdict(on_digits(ends(one="diverged", ten="diverged", n=2))).findings[0]
    assert "--seeds 10" in few.command


def test_the_sign_that_contradicts_is_what_is_printed():
    finding = claim_of(11).verdict(nlls(-50.0, -20.0)).findings[0]
    assert finding.unit.startswith("nats, VAE + flow prior at β = ")
    assert finding.effect.high < 0
    raw = statistics.paired(finding_values(nlls(-50.0, -20.0), finding.unit)).p
    assert finding.effect.p >= raw


def finding_values(some, unit):
    """The last NLLs of the VAE with a flow prior that a unit names."""
    return some.last("nll", some.keys(PRIORS[int(unit.rsplit(" ", 1)[1])], "cifar10")).values


def test_the_rival_that_contradicts_is_what_is_printed():
    """RAE + GMM is best by its mean, but only the WAE is significantly better."""
    runs = table1(30.0, rae_gmm=20.0, wae_gan=25.0).runs
    mnist = runs["dataset"].eq("mnist") & runs["model"].eq("rae-gmm")
    runs.loc[mnist, "fid"] = [0.0, 10.0, 20.0, 30.0, 40.0]
    finding = claim_of(1).verdict(evidence(runs.to_dict("records"))).findings[0]
    assert (finding.answer, finding.unit) == (CONTRADICTED, "difference of mean distances, GLF less WAE-GAN")
    assert finding.effect.value == pytest.approx(5)
    assert finding.effect.p < 0.05


@pytest.mark.parametrize("number", [3, 13, 15])
def test_an_interval_against_a_margin_has_no_p(number):
    """That of no difference would be another question's."""
    for frames in CASES[number][:2]:
        for finding in claim_of(number).verdict(frames[0]).findings:
            assert np.isnan(finding.effect.p)


def test_jpeg_needs_three_trainings_of_one_model():
    runs = jpeg(0.8, n=4).runs
    runs.loc[runs["seed"].ge(2), ["model", "key"]] = ["two-stage-vae", "x"]
    runs.loc[runs["seed"].ge(2), "key"] += runs["seed"].astype(str)
    finding = claim_of(18).verdict(evidence(runs.to_dict("records"))).findings[0]
    assert finding.answer == UNDECIDED
    assert "GLF: 2, Two-Stage VAE: 2" in finding.says
    both = jpeg(0.8).runs.to_dict("records")
    finding = claim_of(18).verdict(evidence([*both, *runs[runs["seed"].ge(2)].to_dict("records")])).findings[0]
    assert (finding.answer, dict(finding.trainings)) == (SUPPORTED, {"glf": 5})


def test_a_training_whose_latents_are_far_from_the_others_is_named():
    some = distances(glf=50.0, glf_two_stage=50.0)
    nll = np.where(some.runs["model"].eq("glf-two-stage") & some.runs["seed"].eq(2), 2e6, 20.0 + some.runs["seed"])
    findings = claim_of(15).verdict(replace(some, runs=some.runs.assign(latent_nll=nll))).findings
    told = "latent_nll of GLF, two stages, seed 2, is 2e+06, of its others 20 to 24"
    assert all(f.answer == SUPPORTED and told in f.says for f in findings)
    calm = replace(some, runs=some.runs.assign(latent_nll=np.minimum(nll, 2e4)))
    assert not any("latent_nll" in f.says for f in claim_of(15).verdict(calm).findings)


def test_a_contradiction_says_what_of_the_papers_it_would_take():
    renamed = ends(one="done", ten="done")
    frames = (f.assign(dataset="letters") for f in (renamed.runs.assign(row="mnist"), renamed.epochs))
    finding = claim_of(9).verdict(evidence(*(f.to_dict("records") for f in frames))).findings[0]
    assert finding.says.endswith("other images can do this alone: it takes the paper’s images to contradict")
    says = claim_of(9).verdict(on_digits(renamed)).findings[0].says
    assert says.endswith("another budget or other images can do this alone: it takes the paper’s budget and images to "
                         "contradict")  # fmt: skip


@pytest.mark.parametrize("number", [1, 5, 6, 8, 9, 10, 11, 14])
def test_a_data_set_that_the_paper_has_not_is_looked_at_where_there_is_no_other(number):
    """Digits have a full budget, too, but it is ours: it can contradict no claim of values or times."""
    judge = claim_of(number).verdict
    support, contradict, _ = ([judge(on_digits(some)) for some in frames] for frames in CASES[number])
    assert {f.dataset for verdict in (*support, *contradict) for f in verdict.findings} == {"digits"}
    assert {v.answer for v in support} == {UNDECIDED if number in (8, 14) else SUPPORTED}
    assert (CONTRADICTED in {v.answer for v in contradict}) is (number not in (8, 9, 11, 14))


def test_beside_a_data_set_of_the_paper_no_other_is_looked_at():
    some = sweep(VARIANCES, "posterior_var")
    digits = some.runs.assign(dataset="digits", key=some.runs["key"] + "d")
    both = evidence([*some.runs.to_dict("records"), *digits.to_dict("records")], some.epochs.to_dict("records"))
    assert {f.dataset for f in claim_of(8).verdict(both).findings} == {"cifar10"}


def test_beta_is_not_called_the_papers_where_a_row_scales_it():
    some = sweep(VARIANCES, "posterior_var")
    assert "11 times" not in claim_of(8).verdict(some).findings[0].says
    runs = some.runs.assign(dataset="digits", row="digits", preset="demo")
    assert "11 times" in claim_of(8).verdict(Evidence(runs, some.epochs, "demo")).findings[0].says


def test_a_curve_is_named_by_its_own_metric_and_protocol():
    """Distances are by FID under p, the curves by the classifier under c."""
    some = waves(0.01, 0.2)
    curves = some.epochs.rename(columns={"fid": "fd_classifier"})
    finding = claim_of(10).verdict(replace(some, epochs=curves)).findings[0]
    assert (finding.answer, finding.metric, finding.protocol) == (SUPPORTED, "fd_classifier", "c")


def test_jpeg_is_paired_with_what_differs_in_the_reals_alone():
    """A score of fewer images, or of images seen at another size, is not set beside the tables' own protocol."""
    runs = jpeg(0.8).runs
    through = runs["reals"].ne("as they are")
    for change in ({"n_fake": 5000}, {"n_real": 5000}, {"input": "other"}, {"split": "train"}, {"extractor": "other"}):
        other = runs.copy()
        other.loc[through, [*change]] = [*change.values()]
        finding = claim_of(18).verdict(evidence(other.to_dict("records"))).findings[0]
        assert (finding.answer, "too few" in finding.says) == (UNDECIDED, True), change


def test_the_papers_own_table_under_the_same_rules():
    """Its means and spreads, ten trials each: claim 2 is stricter than the paper's numbers are."""
    sample = printed.table1().distance("vae", "mnist")
    assert (sample.mean, sample.values.std(ddof=1), len(sample)) == pytest.approx((28.2, 0.3, 10))
    found = {claim.number: claim.printed for claim in CLAIMS if claim.printed}
    assert {1, 2, 3, 4, 5} <= {*found}
    assert found[1] == "supported on MNIST, supported on Fashion, supported on CIFAR-10, supported on CelebA"
    assert "contradicted" in found[2] or "undecided" in found[2]
    assert not {8, 9, 12, 13, 14} & {*found}


def test_holm_corrects_as_by_hand():
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.holm([]) == []


def test_welch_is_scipys_and_certain_where_nothing_varies():
    a, b = [1.0, 2.0, 3.0], [4.0, 5.0, 7.0]
    effect = statistics.welch(a, b)
    assert effect.value == pytest.approx(-10 / 3)
    assert effect.low < effect.value < effect.high < 0
    assert effect.p == pytest.approx(0.0419, abs=5e-4)  # t = -3.16, 3.45 degrees of freedom
    same = statistics.welch([1.0, 1.0], [2.0, 2.0])
    assert (same.value, same.low, same.high, same.p) == (-1, -1, -1, 0)


def test_a_trend_is_kendalls_tau():
    effect = statistics.trend([1, 1, 2, 2, 3, 3], [9.0, 8.0, 7.0, 6.0, 5.0, 4.0])
    assert effect.value == pytest.approx(-12 / np.sqrt(12 * 15))  # 12 pairs fall, of 12 that differ in x and 15 in y
    assert effect.low <= effect.value <= effect.high < 0
    assert statistics.trend([1, 1], [1.0, 2.0]).p == 1
