"""Distances are compared under one metric protocol, even if others were measured, too."""

from dataclasses import replace

import pandas as pd
import pytest
from claim_cases import first_finding
from fake_evidence import distance_evidence, fake_evaluation, make_evidence

from benchmarks.analysis.claims import NOT_TESTED, SUPPORTED
from benchmarks.analysis.evidence import Evidence
from benchmarks.evaluation.protocol import VARIANTS


def test_a_distance_other_than_fid_has_its_own_name():
    evidence = distance_evidence(("mnist",), glf=10.0, vae_flow_prior=20.0)
    evaluations = evidence.evaluations.rename(columns={"fid": "fd_classifier"}).assign(metric="fd_classifier")
    finding = first_finding(5, replace(evidence, evaluations=evaluations))
    assert finding.answer == SUPPORTED
    assert finding.metric == "fd_classifier"


def test_distances_of_two_protocols_are_not_compared():
    """GLF was measured under one protocol and the VAE under another, so their numbers are not compared."""
    evidence = distance_evidence(("mnist",), glf=10.0, vae_flow_prior=20.0)
    evaluations = evidence.evaluations.assign(protocol_id=[f"of {model}" for model in evidence.evaluations["model"]])
    assert first_finding(5, replace(evidence, evaluations=evaluations)).answer == NOT_TESTED


def test_models_are_never_compared_by_a_variant_of_the_preprocessing():
    """Both protocols have equally many runs and images. The base is used, whatever its name."""
    base = distance_evidence(("celeba",), glf=50.0, vae=60.0).evaluations.assign(protocol_id="z", crop=160)
    changes = [VARIANTS[name].changes for name in ("crop128", "resize-plain", "input-bilinear", "jpeg75", "train")]
    others = [base.assign(protocol_id=f"a{i}", fid=base["fid"] / 2, **c) for i, c in enumerate(changes)]
    evidence = make_evidence(pd.concat([*others, base]))
    assert evidence.distances.protocols == {"celeba": ("fid", "z")}
    assert evidence.distance("glf", "celeba").mean == pytest.approx(50)


@pytest.mark.parametrize("change", ["weights", "backend", "estimator"])
def test_a_protocol_with_other_weights_or_another_estimator_is_not_a_variant(change):
    """The runs with other weights are fewer and come first. The base is the protocol of the most runs."""
    base = distance_evidence(("mnist",), glf=50.0, vae=60.0).evaluations
    other = base.iloc[:3].assign(protocol_id="a", **{change: "x"})
    jpeg = {"real_transform": "JPEG, quality 75"}
    through = [base.assign(protocol_id="j", **jpeg), base.assign(protocol_id="k", **jpeg, **{change: "x"})]
    for frames in ([other, *through, base], [other, *through[::-1], base]):
        evidence = make_evidence(pd.concat(frames))
        assert evidence.distances.variants("mnist") == {"base": "p", "jpeg75": "j"}


@pytest.mark.parametrize("n", [2000, 5000])
def test_5k_is_not_a_variant_if_there_are_at_most_5000_images(n):
    base = distance_evidence(("mnist",), glf=50.0, vae=60.0).evaluations
    few = base.assign(n_fake=n, n_real=n)
    assert make_evidence(few).distances.variants("mnist") == {"base": "p"}
    more = few.assign(protocol_id="q", n_fake=5001)  # from another command, with more images: not "5k" either
    assert make_evidence(pd.concat([few, more.iloc[:3]])).distances.variants("mnist") == {"base": "p"}
    half = base.assign(protocol_id="h", n_fake=5000, n_real=500)  # all 500 reference images
    both = make_evidence(pd.concat([half, base.assign(n_real=500)]))
    assert both.distances.variants("mnist") == {"base": "p", "5k": "h"}


def test_a_single_fid_does_not_hide_the_distance_that_compares_models():
    rows = distance_evidence(("mnist",), glf=10.0, vae=20.0).evaluations.to_dict("records")
    fid = [row | {"fid": 50.0, "protocol_id": "i"} for row in rows[:1]]
    other = [row | {"fd_classifier": row.pop("fid"), "metric": "fd_classifier"} for row in rows]
    evidence = Evidence(pd.DataFrame([*fid, *other]), make_evidence([]).epochs, "paper")
    assert evidence.distances.protocols == {"mnist": ("fd_classifier", "p")}


def test_distances_are_means_over_the_sample_sets_that_all_runs_have():
    evidence = make_evidence(
        fake_evaluation("glf", "mnist", seed, 10.0 + 10 * draw, draw=draw)
        for seed in range(3)
        for draw in range(3 if seed == 0 else 1)
    )
    assert evidence.distance("glf", "mnist").values.tolist() == [10.0] * 3
    assert evidence.distances.n_sample_sets("mnist") == 1
