"""The record of a density that was fitted to the latents of one run, RESULTS/densities/KEY.json."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from benchmarks.files.record import Evaluation, Failure, Provenance
from benchmarks.files.types import MAX_INTEGER, Count, FileStruct, Key, Name, Number, Seconds, check_depth

SCHEMA = 1


class Settings(FileStruct, kw_only=True, frozen=True):
    """The settings of a fit. The record's key is a hash of them, of the run's key and of the seed."""

    hyper: dict[str, Any] = field(default_factory=dict)
    latents: Count
    held_out: Count
    source: str = ""

    def __post_init__(self) -> None:
        """Bound the depth of the part that has no type."""
        check_depth(self.hyper)


class DensityRecord(FileStruct, kw_only=True, frozen=True):
    """One density, fitted to the latents of the training images of one run, and what was measured of it."""

    schema: Literal[1]
    key: Key
    autoencoder: Key
    model: Name
    model_label: str
    dataset: Name
    preset: Name
    seed: Count
    density: str
    label: str
    revision: Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
    status: Literal["done", "failed"]
    settings: Settings
    chosen: dict[str, Number]
    values: dict[str, Number]
    evaluations: list[Evaluation]
    provenance: Provenance
    n_parameters: Count | None = None
    fit_seconds: Seconds | None = None
    error: Failure | None = None

    def __post_init__(self) -> None:
        """A fit that is not done says why."""
        if self.status != "done" and self.error is None:
            raise ValueError(f"`error` is missing, and the status is {self.status}")
