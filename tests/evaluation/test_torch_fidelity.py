"""torch-fidelity as an oracle: the same features, the same distances."""

import numpy as np
import pytest
import torch

from benchmarks.evaluation.metrics import frechet_distance, kid

pytest.importorskip("torch_fidelity", reason="torch-fidelity is not installed: pip install .[test]")


@pytest.fixture(scope="module")
def pairs_of_features():
    g = np.random.default_rng(8)
    mix = g.normal(size=(24, 24)) * np.geomspace(0.1, 2, 24)
    pair = [np.maximum(g.normal(size=(700, 24)) @ mix + shift, -1).astype(np.float32) for shift in (0, 0.3)]
    return pair, [torch.from_numpy(x) for x in pair]


def test_torch_fidelity_gives_the_same_distance_on_the_same_features(pairs_of_features):
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    (a, b), tensors = pairs_of_features
    reference = fid_statistics_to_metric(*map(fid_features_to_statistics, tensors), verbose=False)
    assert frechet_distance(a, b) == pytest.approx(reference["frechet_inception_distance"], rel=1e-6)


def test_torch_fidelity_gives_the_same_kernel_distance_on_the_same_features(pairs_of_features):
    from torch_fidelity.metric_kid import kid_features_to_metric

    (a, b), tensors = pairs_of_features
    # One subset of all images: whose generator draws it does not matter.
    reference = kid_features_to_metric(*tensors, kid_subsets=1, kid_subset_size=700, kid_kernel="poly", verbose=False,
                                    kid_kernel_poly_degree=3, kid_kernel_poly_gamma=None, kid_kernel_poly_coef0=1,
                                    rng_seed=0)  # fmt: skip
    ours = kid(a, b, subsets=1, size=700)
    assert ours["kid_mean"] == pytest.approx(
        reference["kernel_inception_distance_mean"], rel=1e-4
    )  # theirs is in float32
    many = kid_features_to_metric(*tensors, kid_subsets=100, kid_subset_size=300, kid_kernel="poly", verbose=False,
                                  kid_kernel_poly_degree=3, kid_kernel_poly_gamma=None, kid_kernel_poly_coef0=1,
                                  rng_seed=0)  # fmt: skip
    ours = kid(a, b, subsets=100, size=300)
    spread = many["kernel_inception_distance_std"]
    assert abs(ours["kid_mean"] - many["kernel_inception_distance_mean"]) < 0.5 * spread
    assert ours["kid_std"] == pytest.approx(spread, rel=0.5)
