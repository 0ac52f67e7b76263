"""Evaluation requests: which images of a run are scored, and under which variant of the metric protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.data.fingerprint import digest
from benchmarks.evaluation.metrics import FD, METRICS
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


def recorded_parameters(evaluation: Mapping[str, Any]) -> dict[str, str]:
    """Column -> parameters of its metric, as in `Scorer.metric_parameters`, for an evaluation of a record.

    Older evaluations have no parameters; they contain only a Fréchet distance.
    """
    parameters: dict[str, str] = evaluation.get("metric_parameters", {})
    return dict.fromkeys(evaluation["values"], METRICS[FD].parameters) | parameters
