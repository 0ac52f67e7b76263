"""The Gaussian mixture, compared with that of scikit-learn."""

import pytest
import torch
from sklearn.mixture import GaussianMixture as Sklearn

from zoo.base import NotFitted
from zoo.densities import GaussianMixture


@pytest.fixture(scope="module")
def z():
    g = torch.Generator().manual_seed(0)
    centres = 4 * torch.randn(3, 4, generator=g)
    skew = torch.tensor([[2.0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0.5, 1], [0, 0, 0, 1]])
    return centres[torch.randint(3, (900,), generator=g)] + torch.randn(900, 4, generator=g) @ skew


@pytest.fixture(scope="module")
def fitted(z):
    torch.manual_seed(1)
    mixture = GaussianMixture(4, components=3)
    mixture.fit(z)
    return mixture


def test_the_log_density_equals_that_of_scikit_learn(fitted, z):
    reference = Sklearn(3)
    reference.weights_, reference.means_ = fitted.weights.numpy(), fitted.means.numpy()
    precision = torch.linalg.inv(fitted.cholesky).mT  # scikit-learn's upper factor of the precision
    reference.precisions_cholesky_ = precision.numpy()
    expected = torch.as_tensor(reference.score_samples(z.double().numpy()))
    assert torch.allclose(fitted.log_prob(z), expected, atol=1e-8)


def test_the_fitted_mixture_has_the_mean_and_covariance_of_the_latents(fitted, z):
    """Every M-step of EM preserves both, except for the 1e-6 that scikit-learn adds to the diagonal."""
    mean, cov = moments(fitted)
    z = z.double()
    assert torch.allclose(mean, z.mean(0), atol=1e-9)
    assert torch.allclose(cov, z.T.cov(correction=0) + 1e-6 * torch.eye(4).double(), atol=1e-9)


def moments(mixture):
    """Mean and covariance of a mixture."""
    mean = mixture.weights @ mixture.means
    cov = mixture.cholesky @ mixture.cholesky.mT + mixture.means[:, :, None] * mixture.means[:, None, :]
    return mean, (mixture.weights[:, None, None] * cov).sum(0) - mean[:, None] * mean


def test_draws_have_the_mean_and_covariance_of_the_mixture(fitted):
    draws = fitted.sample(200_000, torch.Generator().manual_seed(2))
    mean, cov = moments(fitted)
    assert torch.allclose(draws.mean(0), mean, atol=0.05)
    assert torch.allclose(draws.T.cov(), cov, rtol=0.03, atol=0.1)


def test_draws_are_as_likely_as_the_latents(fitted, z):
    draws = fitted.sample(50_000, torch.Generator().manual_seed(2))
    assert fitted.log_prob(draws).mean().item() == pytest.approx(fitted.log_prob(z).mean().item(), abs=0.2)


def test_the_fit_depends_on_the_seed_of_torch(z):
    """There are more components than clusters, so the result depends on the start of k-means."""
    one, again, other = (GaussianMixture(4, components=7) for _ in range(3))
    for mixture, seed in ((one, 1), (again, 1), (other, 2)):
        torch.manual_seed(seed)
        mixture.fit(z)
    assert all(torch.equal(a, b) for a, b in zip(one.buffers(), again.buffers(), strict=True))
    assert not torch.allclose(one.means, other.means)


def test_the_mixture_is_part_of_the_state_dict(fitted):
    other = GaussianMixture(4, components=3)
    other.load_state_dict(fitted.state_dict())
    draws = [m.sample(5, torch.Generator().manual_seed(3)) for m in (fitted, other)]
    assert torch.equal(*draws)


def test_sampling_before_the_fit_raises_not_fitted():
    with pytest.raises(NotFitted):
        GaussianMixture(4).sample(1, torch.Generator())
