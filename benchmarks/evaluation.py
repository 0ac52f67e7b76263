"""How a trained model is measured: the metric protocol as data, and the measurement.

A protocol says which reals, how many of each, how images become numbers and which weights look at them.  Its
fingerprint stands in every record, and a table's cell never mixes two.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor

from benchmarks import provenance
from benchmarks.datasets import DataSet
from benchmarks.features import Extractor
from benchmarks.metrics import Moments, frechet, moments
from zoo import LatentModel

REAL = FAKE = 10_000  # Table 1: "10k generated images and 10k real images"


@dataclass(frozen=True)
class Measure:
    """A data set's test images seen by an extractor: what a model is compared with.

    Departs: the paper does not say which real images it compares with; ours are of the test part, as in the GAN
    numbers that it cites.  No switch.
    Departs: B.4 blames JPEG files for a rival's numbers; that code also stretches the contrast of each generated image.
    Ours does neither: pixels become round(255 x), and nothing else.  No switch.

    Attributes:
        data: the data set; reals are its test part's first 10,000 images by digest.
        extractor: of features.
    """

    data: DataSet
    extractor: Extractor

    @property
    def protocol(self) -> dict[str, Any]:
        """All that a number depends on beside the model."""
        return {
            "metric": self.extractor.metric,
            "estimator": "Fréchet distance of Gaussians, unbiased covariances, float64",
            "extractor": self.extractor.name,
            "note": self.extractor.note,
            "weights": self.extractor.weights,
            "dims": self.extractor.dims,
            "real_split": "test",
            "real": self.data.test.fingerprint,
            "n_real": min(REAL, len(self.data.test)),
            "n_fake": FAKE,
            "preprocessing": self.data.spec.preprocessing,
            "quantisation": "round(255 x) to uint8",
        }

    @property
    def protocol_id(self) -> str:
        """Fingerprint of the protocol, 16 hexadecimal digits."""
        return digest(self.protocol)[:16]

    @property
    def problem(self) -> str | None:
        """Why these reals cannot be measured with this extractor, or None."""
        n = min(REAL, len(self.data.test))
        if n <= self.extractor.dims:
            return (
                f"{self.data.name} has {n} test images and {self.extractor.name} {self.extractor.dims} features: a "
                f"Fréchet distance needs more images than features: take features with fewer, or more test images"
            )
        return None

    def caption(self) -> str:
        """The protocol in one sentence."""
        p = self.protocol
        return (
            f"{self.data.spec.label}: {p['n_fake']:,} generated images against {p['n_real']:,} of the test part, "
            f"features {p['extractor']} ({p['dims']}-d, weights {p['weights'][:8]}; {p['note']}), {p['quantisation']}, "
            f"metric protocol {self.protocol_id}."
        )

    def real_moments(self) -> Moments:
        """Moments of the reals' features."""
        return _real_moments(self)

    def draw(self, model: LatentModel, key: str, seed: int, draw: int) -> dict[str, Any]:
        """Measure one sample set of a model; an entry of a record's evaluations.

        Raises:
            NotFinite: a generated image is not.
        """
        started = time.perf_counter()
        fake = to_uint8(model.sample(FAKE, seed=stream("draw", seed, draw)))
        a, b = self.real_moments(), moments(self.extractor(fake))
        value, rescues = frechet(a.mean, a.cov, b.mean, b.cov)
        return {
            "key": self.evaluation_key(key, draw),
            "draw": draw,
            "metric": self.extractor.metric,
            "protocol": self.protocol,
            "protocol_id": self.protocol_id,
            "values": {self.extractor.metric: value},
            "rescues": rescues,
            "seconds": round(time.perf_counter() - started, 3),
            "provenance": provenance.place(model.device),
        }

    def evaluation_key(self, key: str, draw: int) -> str:
        """Key of one evaluation: training key, draw, metric protocol."""
        return digest([key, draw, self.protocol_id])

    def missing(self, record: dict[str, Any], draws: int) -> list[int]:
        """Draws that a record does not have yet."""
        there = {evaluation["key"] for evaluation in record["evaluations"]}
        return [draw for draw in range(draws) if self.evaluation_key(record["key"], draw) not in there]

    def all(self, model: LatentModel, record: dict[str, Any], draws: int) -> Iterator[dict[str, Any]]:
        """Measure the missing draws one by one."""
        for draw in self.missing(record, draws):
            yield self.draw(model, record["key"], record["seed"], draw)


@lru_cache(maxsize=4)
def _real_moments(measure: Measure) -> Moments:
    return moments(measure.extractor(measure.data.test.canonical(REAL).images))


def diagnose(model: LatentModel, data: DataSet) -> dict[str, float]:
    """What Section 2's two criteria rest on: how well the test images are reconstructed, how latents are spread.

    Args:
        model: trained.
        data: its test part's first 10,000 images by digest are taken.

    Returns:
        recon_sse (squared error per image, summed over pixels), latent_std and latent_mean (standard deviation and
        absolute mean over images, mean over dimensions); nothing for a model without an encoder.
    """
    x = data.test.canonical(REAL).images
    try:
        z = model.encode(x)
    except NotImplementedError:
        return {}
    squared = (model.decode(z) - x.float().div_(255)).square().flatten(1).sum(1)
    z = z.double()
    return {
        "recon_sse": squared.double().mean().item(),
        "latent_std": z.std(0).mean().item(),
        "latent_mean": z.mean(0).abs().mean().item(),
    }


class NotFinite(RuntimeError):
    """A model generated a NaN or an infinity."""


def to_uint8(images: Tensor) -> Tensor:
    """Images in [0, 1] as files would hold them: round(255 x), uint8; rounded, not truncated.

    Raises:
        NotFinite: some entry is NaN or infinite.
    """
    if not torch.isfinite(images).all():
        raise NotFinite(f"{int((~torch.isfinite(images.flatten(1))).any(1).sum())} generated images are not finite")
    return images.mul(255).round().clamp(0, 255).to(torch.uint8)


def digest(value: Any) -> str:
    """sha256 of a JSON value, whatever the order of its keys."""
    return sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()).hexdigest()


def stream(purpose: str, *numbers: int) -> int:
    """A seed for one purpose: streams of different purposes or numbers have nothing in common."""
    return int(digest([purpose, *numbers])[:15], 16)
