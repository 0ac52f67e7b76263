"""Diagnostics of Section 2's two criteria: reconstruction error, and how well latents match their density."""

from __future__ import annotations

from contextlib import suppress

import torch
from torch import Tensor

from benchmarks.data.datasets import Dataset
from benchmarks.evaluation.names import DIAGNOSTICS
from benchmarks.evaluation.protocol import MAX_IMAGES
from benchmarks.evaluation.sources import stream_seed
from zoo import LatentModel
from zoo.base import evaluating

LATENT_DRAWS = 50_000  # from the model's latent density: five times the number of latents, so that their noise is small


def diagnose(model: LatentModel, data: Dataset) -> dict[str, float | None]:
    """Reconstruction and latents of the test images, at most 10,000, by smallest digest.

    Args:
        model: trained.
        data: the data set.

    Returns:
        recon_sse (squared error per image, summed over pixels); latent_std and latent_mean (standard deviation and
        absolute mean of the encoder's means over images, averaged over dimensions); prior_mean and prior_cov
        (`latent_mismatch` of q(z), the draws from q(z|x), to the model's density); latent_nll (of the same draws, in
        nats per image); posterior_var (variance of q(z|x), mean over images and dimensions; 0 for an encoder without
        noise). None where a density has no closed form or is singular, or there is no encoder.
    """
    return dict.fromkeys(DIAGNOSTICS) | _diagnose(model, data)


def _diagnose(model: LatentModel, data: Dataset) -> dict[str, float]:
    x = data.test.canonical(MAX_IMAGES).images
    try:
        z = model.encode(x)
    except NotImplementedError:
        return {}
    sse = (model.decode(z) - x.float().div_(255)).square().flatten(1).sum(1)
    z = z.double()
    values = {
        "recon_sse": sse.double().mean().item(),
        "latent_std": z.std(0).mean().item(),
        "latent_mean": z.mean(0).abs().mean().item(),
    }
    q, q_again = posterior_draws(model, x), posterior_draws(model, x, 1)
    values["posterior_var"] = (q - q_again).double().square().mean().item() / 2  # unbiased: two draws per image
    with evaluating(model):
        p = model.sample_latent(LATENT_DRAWS, torch.Generator().manual_seed(stream_seed("latents", 0)))
        with suppress(NotImplementedError):
            values["latent_nll"] = mean_nll(model, q)
    return values | latent_mismatch(q.double().cpu(), p.double().cpu())


def mean_nll(model: LatentModel, z: Tensor) -> float:
    """Negative log-likelihood of latents z, (n, nz), under the model's density: mean, in nats per image.

    Raises:
        NotImplementedError: the density has no closed form.
        NotFitted: the density has not been fitted yet.
    """
    with evaluating(model):
        return -torch.cat([model.log_prob(chunk) for chunk in z.split(1000)]).double().mean().item()


def posterior_draws(model: LatentModel, x: Tensor, stream: int = 0) -> Tensor:
    """Draws from q(z|x), one per image, from the same noise for each model: (n, C, H, W) uint8 -> (n, nz)."""
    return model.encode(x, torch.Generator().manual_seed(stream_seed("posterior", stream)))


def latent_mismatch(q: Tensor, p: Tensor) -> dict[str, float]:
    """How far latents q, (n, nz), are from a density, known by its draws p, (m, nz); float64.

    Both are whitened by the density's mean and covariance, so that models of different scales can be compared.

    Returns:
        prior_mean: norm of q's mean, in standard deviations of the density; 0 for a match.
        prior_cov: Frobenius norm of q's covariance minus the identity, over sqrt(nz).  It is about the relative error
            of a direction's variance: 0 for a match, and about sqrt(nz / n) for n draws of the density itself.
            Both are absent if the density's covariance is singular.
    """
    factor, info = torch.linalg.cholesky_ex(p.T.cov())
    if info:
        return {}
    whitened = torch.linalg.solve_triangular(factor, (q - p.mean(0)).T, upper=False).T
    nz = q.shape[1]
    return {
        "prior_mean": whitened.mean(0).norm().item(),
        "prior_cov": ((whitened.T.cov() - torch.eye(nz, dtype=q.dtype)).norm() / nz**0.5).item(),
    }
