"""Evaluation requests: which images of a run are scored, and under which variant of the metric protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.data.fingerprint import digest
from benchmarks.evaluation.protocol import BASE_VARIANT, MetricProtocol
from benchmarks.evaluation.sources import SOURCES


@dataclass(frozen=True)
class EvaluationRequest:
    """One set of images to score, and the protocol variant to score it under."""

    source: str = "prior"
    draw: int = 0
    variant: str = BASE_VARIANT


def evaluation_requests(
    draws: int, sources: Sequence[str] = ("prior",), variants: Sequence[str] = (BASE_VARIANT,)
) -> list[EvaluationRequest]:
    """All combinations of draws, sources and variants. A source without randomness has only one draw."""
    return [
        EvaluationRequest(source, draw, variant)
        for source in sources
        for draw in range(draws if SOURCES[source].is_random else 1)
        for variant in variants
    ]


def evaluation_key(key: str, request: EvaluationRequest, protocol: MetricProtocol) -> str:
    """Key of one evaluation: a hash of the run's key, the source, the draw and the metric protocol."""
    source = [] if request.source == "prior" else [request.source]
    return digest([key, *source, request.draw, protocol.id])
