"""Properties that all metrics share."""

import numpy as np
import pytest
from far_modes import draw_modes

from benchmarks.evaluation.metrics import frechet_distance, kid, knn_metrics, prd


@pytest.mark.parametrize("metric", [kid, knn_metrics, lambda a, b: prd(real=a, fake=b)])
def test_invalid_features_are_refused(metric):
    x = np.zeros((30, 3))
    nan, flat, narrow = np.full((30, 3), np.nan), np.zeros(30), np.zeros((30, 2))
    for bad, words in ((nan, "not finite"), (flat, "matrix"), (narrow, "features")):
        with pytest.raises(ValueError, match=words):
            metric(x, bad)
    with pytest.raises(ValueError, match=r"need|clusters"):
        metric(x[:1], x[:1])


@pytest.mark.parametrize("metric", [lambda a, b: prd(real=a, fake=b, runs=4), knn_metrics, kid,
                                    lambda a, b: {"fd": frechet_distance(a, b)}])  # fmt: skip
def test_the_order_of_images_does_not_matter(metric):
    g = np.random.default_rng(5)
    a, b = draw_modes(g, range(10), 400), draw_modes(g, range(3, 10), 400)
    one, two = metric(a, b), metric(g.permutation(a), g.permutation(b))
    loose = {} if metric is knn_metrics else {"abs": 0.04}  # clusterings and subsets are drawn by position
    assert one == {name: pytest.approx(value, rel=0.05, **loose) for name, value in two.items()}
