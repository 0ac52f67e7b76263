"""The records of training speed, RESULTS/speed/*.json, which `python -m benchmarks.perf.speed` writes."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from benchmarks.files.types import Count, FileStruct, Name, Seconds

SCHEMA = 1
Positive = Annotated[int, Meta(ge=1)]


class Origin(FileStruct, kw_only=True, frozen=True):
    """Where it was measured."""

    device: str


class Round(FileStruct, kw_only=True, frozen=True):
    """The seconds of some steps of one stage by one training loop."""

    round: Count
    loop: str
    stage: str
    steps: Positive
    how: str
    seconds: Annotated[list[Seconds], Meta(min_length=1)]


class SpeedRecord(FileStruct, kw_only=True, frozen=True):
    """One measurement: several rounds of several training loops."""

    schema: Literal[1]
    what: Literal["speed"]
    purpose: str
    model: Name
    dataset: Name
    precision: str
    engine: str
    channels_last: bool
    processes: Positive
    exclusive: bool
    synthetic: bool
    images: Positive
    batch: dict[str, Positive]
    rows: list[Round]
    provenance: Origin
