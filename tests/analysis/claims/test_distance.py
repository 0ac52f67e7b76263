"""Claims about distances: the comparisons, their correction, and the effect that is shown."""

import pandas as pd
import pytest
from claim_cases import first_finding, without_model
from fake_evidence import distance_evidence, jpeg_evidence, make_evidence, table1_evidence

from benchmarks.analysis.claims import CONTRADICTED, NOT_TESTED, SUPPORTED


def test_the_model_that_contradicts_is_shown():
    """RAE + GMM is best by its mean, but only the WAE is significantly better."""
    evaluations = table1_evidence(30.0, rae_gmm=20.0, wae_gan=25.0).evaluations
    is_rae = evaluations["dataset"].eq("mnist") & evaluations["model"].eq("rae-gmm")
    evaluations.loc[is_rae, "fid"] = [0.0, 10.0, 20.0, 30.0, 40.0]
    finding = first_finding(1, make_evidence(evaluations))
    assert (finding.answer, finding.effect_name) == (CONTRADICTED, "GLF minus WAE-GAN")
    assert finding.effect.value == pytest.approx(5)
    assert finding.effect.p < 0.05


@pytest.mark.parametrize(("glf", "rae_gmm", "answer"), [
    (10.0, 20.0, SUPPORTED), (20.0, 20.0, SUPPORTED), (20.0, 19.9, SUPPORTED), (20.0, 10.0, CONTRADICTED)])  # fmt: skip
def test_the_closest_competitor_of_glf_is_not_ahead_of_it(glf, rae_gmm, answer):
    """A competitor that is as good as GLF supports the claim; one that beats GLF contradicts it."""
    finding = first_finding(2, table1_evidence(glf, rae_gmm=rae_gmm))
    assert finding.answer == answer
    assert ("RAE + GMM is significantly better than GLF" in finding.text) is (answer == CONTRADICTED)
    if answer == CONTRADICTED:
        assert (finding.effect_name, finding.effect.value) == ("RAE + GMM minus GLF", pytest.approx(rae_gmm - glf))


def test_a_competitor_is_not_tested_without_the_leader():
    finding = first_finding(2, without_model(table1_evidence(10.0, rae_gmm=20.0), "glf"))
    assert (finding.answer, finding.reason) == (NOT_TESTED, "no measured runs of GLF")
    assert "--only glf,vae,wae-gan," in finding.command


def test_a_lead_over_glf_contradicts_even_if_other_models_are_missing():
    evidence = distance_evidence(("mnist",), glf=20.0, rae_gmm=10.0)
    finding = first_finding(2, evidence)
    assert (finding.answer, finding.reason, finding.command) == (CONTRADICTED, "", "")


def test_jpeg_needs_three_runs_of_one_model():
    evaluations = jpeg_evidence(0.8, n=4).evaluations
    is_late = evaluations["seed"].ge(2)
    evaluations.loc[is_late, "model"] = "two-stage-vae"
    evaluations.loc[is_late, "key"] = "x" + evaluations["seed"].astype(str)
    finding = first_finding(18, make_evidence(evaluations))
    assert finding.answer == NOT_TESTED
    assert "GLF: 2, Two-Stage VAE: 2" in finding.reason
    both = pd.concat([jpeg_evidence(0.8).evaluations, evaluations[is_late]])
    finding = first_finding(18, make_evidence(both))
    assert (finding.answer, dict(finding.run_counts)) == (SUPPORTED, {"glf": 5})


@pytest.mark.parametrize("change", [{"n_fake": 5000}, {"n_real": 5000}, {"input": "other"}, {"split": "train"},
                                    {"extractor": "other"}])  # fmt: skip
def test_jpeg_is_compared_with_a_protocol_that_differs_in_the_reference_images_only(change):
    """Scores of fewer images or of images at another size are not compared with the base protocol."""
    evaluations = jpeg_evidence(0.8).evaluations
    evaluations.loc[evaluations["real_transform"].ne("as they are"), [*change]] = [*change.values()]
    finding = first_finding(18, make_evidence(evaluations))
    assert (finding.answer, "JPEG reference images" in finding.reason) == (NOT_TESTED, True)
