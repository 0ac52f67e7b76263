"""The record of a run, RESULTS/records/KEY.json, in the current schema."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType, field

from benchmarks.files.types import MAX_INTEGER, Count, FileStruct, Key, Name, Number, Seconds, check_depth

SCHEMA = 3


class Head(FileStruct, kw_only=True, frozen=True):
    """What the records of all schemas have."""

    schema: Annotated[int, Meta(ge=1, le=2**31)]
    key: str


class Failure(FileStruct, kw_only=True, frozen=True):
    """Why a run failed or diverged."""

    message: str
    traceback: str | None = None
    stage: str | None = None
    epoch: Count | None = None
    part: str | None = None


class Stage(FileStruct, kw_only=True, frozen=True):
    """The schedule of one stage of training."""

    epochs: Count | UnsetType = UNSET
    batch: Count | UnsetType = UNSET
    lr: float | dict[str, float] | UnsetType = UNSET
    factors: dict[str, float] | UnsetType = UNSET
    weight_decay: float | dict[str, float] | UnsetType = UNSET
    betas: list[float] | UnsetType = UNSET
    steps: Count | None = None


class Settings(FileStruct, kw_only=True, frozen=True):
    """All settings of a run. The run's key is a hash of most of them."""

    hyper: dict[str, Any] = field(default_factory=dict)
    stages: dict[str, Stage] = field(default_factory=dict)
    images: Count
    image_shape: list[Count] | UnsetType = UNSET
    source: str | UnsetType = UNSET
    pretrained: dict[str, str] | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Bound the depth of the part that has no type."""
        check_depth(self.hyper)


class Data(FileStruct, kw_only=True, frozen=True):
    """The images of a run."""

    train_fingerprint: str | None = None
    test_fingerprint: str | None = None
    n_train: Count | None = None
    n_test: Count | None = None
    preprocessing: str | None = None
    split: str | None = None
    warnings: list[str] = field(default_factory=list)


class Protocol(FileStruct, kw_only=True, frozen=True):
    """The metric protocol of an evaluation; see `benchmarks.evaluation.protocol.MetricProtocol`."""

    metric: str | None = None
    extractor: str | None = None
    weights: str | None = None
    backend: str | None = None
    input: str | None = None
    split: str | None = None
    real_fingerprint: str | None = None
    real_transform: str | None = None
    fake_transform: str | None = None
    quantization: str | None = None
    estimator: str | None = None
    resize: str | None = None
    dims: Count | None = None
    n_real: Count | None = None
    n_fake: Count | None = None
    crop: Count | None = None


class Origin(FileStruct, kw_only=True, frozen=True):
    """Where a number was computed."""

    device: str | None = None
    torch: str | None = None
    commit: str | None = None


class Addition(FileStruct, kw_only=True, frozen=True):
    """Metrics that were added to an evaluation later."""

    columns: list[str]
    provenance: Origin | None = None
    fallbacks: Count | None = None
    seconds: Seconds | None = None


class Evaluation(FileStruct, kw_only=True, frozen=True):
    """The metrics of one set of images, such as one sample set."""

    key: Key
    source: str
    draw: Count
    metric: str
    protocol_id: str
    protocol: Protocol
    values: dict[str, Number]
    n: Count | None = None
    missing_reason: str | None = None
    metric_parameters: dict[str, str] = field(default_factory=dict)
    fallbacks: Count | None = None
    seconds: Seconds | None = None
    provenance: Origin | None = None
    additions: list[Addition] = field(default_factory=list)


class Epoch(FileStruct, kw_only=True, frozen=True):
    """One epoch of one stage. Its other fields are numbers: the losses, and the metric of the learning curve."""

    stage: str
    epoch: Count
    steps: Count
    seconds: Seconds


class LearningCurve(FileStruct, kw_only=True, frozen=True):
    """The metric protocol of the learning curve."""

    protocol: Protocol
    protocol_id: str


class Engine(FileStruct, kw_only=True, frozen=True):
    """The training engine."""

    requested: str | None = None
    stages: dict[str, str] = field(default_factory=dict)
    deterministic: bool | UnsetType = UNSET
    runs_at_once: Count | UnsetType = UNSET


class Provenance(Origin, kw_only=True, frozen=True):
    """Device, versions, commit and times of a run."""

    threads: Count | None = None
    python: str | None = None
    system: str | None = None
    dirty: bool | None = None
    pretrained: dict[str, str] | UnsetType = UNSET
    slurm_job: str | None = None
    started: str | None = None
    finished: str | None = None
    resumed: Count = 0
    earlier: list[Origin] = field(default_factory=list)
    engine: Engine | None = None


class SavedProvenance(FileStruct, kw_only=True, frozen=True):
    """The part of the provenance that a saved state keeps."""

    started: str
    resumed: Count
    before: list[Origin]
    place: Origin


class Record(FileStruct, kw_only=True, frozen=True):
    """One run: its settings, images, epochs, evaluations and provenance."""

    schema: Literal[3]
    key: Key
    model: Name
    label: str
    revision: Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
    dataset: Name
    protocol_row: Name
    preset: Name
    seed: Count
    precision: str
    status: Literal["done", "failed", "diverged"]
    settings: Settings
    data: Data
    evaluations: list[Evaluation]
    epochs: list[Epoch]
    diagnostics: dict[str, Number]
    provenance: Provenance
    error: Failure | None = None
    learning_curve: LearningCurve | None = None

    def __post_init__(self) -> None:
        """A run that is not done says why."""
        if self.status != "done" and self.error is None:
            raise ValueError(f"`error` is missing, and the status is {self.status}")
