"""Claims about distances: what is tested together, and what is shown."""

import pandas as pd
import pytest
from claim_cases import first_finding
from fake_evidence import jpeg_evidence, make_evidence, table1_evidence

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
    """A score of fewer images, or of images at another size, is not compared with the tables' own protocol."""
    evaluations = jpeg_evidence(0.8).evaluations
    evaluations.loc[evaluations["real_transform"].ne("as they are"), [*change]] = [*change.values()]
    finding = first_finding(18, make_evidence(evaluations))
    assert (finding.answer, "JPEG reference images" in finding.reason) == (NOT_TESTED, True)
