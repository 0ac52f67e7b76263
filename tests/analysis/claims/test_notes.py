"""Notes of a finding."""

from dataclasses import replace

import numpy as np
from fake_evidence import distance_evidence

from benchmarks.analysis.claims import SUPPORTED, claim_by_number


def test_a_run_whose_latents_are_far_from_the_others_is_named():
    evidence = distance_evidence(glf=50.0, glf_two_stage=50.0)
    model, seed = evidence.evaluations["model"], evidence.evaluations["seed"]
    nll = np.where(model.eq("glf-two-stage") & seed.eq(2), 2e6, 20.0 + seed)
    outlying, calm = (
        claim_by_number(15).verdict(replace(evidence, evaluations=evidence.evaluations.assign(latent_nll=values)))
        for values in (nll, np.minimum(nll, 2e4))
    )
    note = "outlier: latent_nll of GLF (two stages) is 2e+06 for seed 2, and 20 to 24 for the other seeds"
    assert all(f.answer == SUPPORTED and note in f.text for f in outlying.findings)
    assert not any("latent_nll" in f.text for f in calm.findings)
