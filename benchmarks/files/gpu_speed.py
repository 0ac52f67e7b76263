"""The records of what only a GPU can tell: OUT/ITEM-DEVICE.json of `python -m benchmarks.perf.speed --gpu`."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, field

from benchmarks.files.types import Count, FileStruct, Name, Seconds

SCHEMA: Final = 1
Positive = Annotated[int, Meta(ge=1)]


class StageTimes(FileStruct, kw_only=True, frozen=True):
    """What one stage of training took.

    Attributes:
        stage: its name.
        batch: images per step.
        steps: steps of each run in one block.
        seconds: of each block, for all runs together.
        setup_seconds: what the first epoch took beyond its steps, mainly compiling and capturing: of the first
            training in the process, and of the second one if there was one.
        engine_used: engine, with the reason if another one had been requested.
        deterministic: whether deterministic algorithms were wanted.
        nondeterministic_operations: operations that have none.
    """

    stage: str
    batch: Positive
    steps: Positive
    seconds: list[Seconds]
    setup_seconds: list[Seconds]
    engine_used: str
    deterministic: bool = True
    nondeterministic_operations: list[str] = field(default_factory=list)


class StageOperations(FileStruct, kw_only=True, frozen=True):
    """What the device executes in one step of a stage.

    Attributes:
        stage: its name.
        count: operations per step.
        counted: "kernels" (with copies and fills, by the profiler) or "operators" (of torch, in an eager step).
    """

    stage: str
    count: Annotated[float, Meta(ge=0)]
    counted: Literal["kernels", "operators"]


class Comparison(FileStruct, kw_only=True, frozen=True):
    """Whether two trainings gave the same bits.

    Attributes:
        name: what was compared.
        equal: whether weights and epochs are equal; null if it was not compared.
        detail: the first difference, with the operations that have no deterministic algorithm; or why it was not
            compared; "" if they are equal.
        weights: sha256 of the weights of both.
    """

    name: str
    equal: bool | None
    detail: str = ""
    weights: list[str] = field(default_factory=list)


class Memory(FileStruct, kw_only=True, frozen=True):
    """Memory in bytes.

    Attributes:
        peak: most memory in use: on a GPU what torch reserved, on a CPU that of the process since its start.
        device: in use on the whole GPU at the end, other processes included; null on a CPU.
    """

    peak: Count
    device: Count | None = None


class Images(FileStruct, kw_only=True, frozen=True):
    """The images of a training.

    Attributes:
        count: number of images.
        fingerprint: identifies their pixels.
        synthetic: whether they are random, because the data set is missing or too small.
    """

    count: Positive
    fingerprint: str
    synthetic: bool


class Origin(FileStruct, kw_only=True, frozen=True):
    """Where it was measured.

    Attributes:
        device: the GPU or processor model.
        torch: version, with that of CUDA.
        cudnn: version, if there is a GPU.
        commit: of the code; null if it is unknown.
        dirty: whether the code differs from the commit; null if it is unknown.
        exclusive: whether no other process used the GPU when the measurements began.
    """

    device: str
    torch: str
    python: str
    cudnn: int | None = None
    commit: str | None = None
    dirty: bool | None = None
    exclusive: bool


class GpuSpeedRecord(FileStruct, kw_only=True, frozen=True):
    """One item of the measurements of a GPU.

    Attributes:
        kind: what was measured, one of `benchmarks.perf.gpu.items.KINDS`.
        status: "measured"; "failed" (with the error as reason); or "skipped" (with the reason).
        model, dataset, precision, engine: of the training.
        runs: number of runs in the process.
        preset: preset of the hyper-parameters and batch sizes.
        seed: of the first run; the other runs have the seeds after it.
        seconds: that the item took in all.
    """

    schema: Literal[1]
    what: Literal["speed-gpu"]
    kind: str
    model: Name
    dataset: Name
    precision: str
    engine: str
    runs: Positive
    preset: str
    seed: Count
    status: Literal["measured", "failed", "skipped"]
    reason: str = ""
    seconds: Seconds = 0.0
    images: Images | None = None
    stages: list[StageTimes] = field(default_factory=list)
    operations: list[StageOperations] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    memory: Memory | None = None
    provenance: Origin
