"""Extrapolate the time of a column of Table 1 from the measured steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.data.datasets import DATASETS
from benchmarks.files.gpu_speed import GpuSpeedRecord, StageTimes
from benchmarks.perf.gpu.items import MANY, MODEL
from benchmarks.presets import PRESETS, TABLE1
from benchmarks.protocols import protocol

RUNS = PRESETS["paper"].seeds  # runs of each model in the table


@dataclass(frozen=True)
class Hours:
    """Hours of one GPU for `RUNS` runs of a model at the paper's epochs.

    Attributes:
        model: a key of `zoo.MODELS`.
        steps: of one run, all stages.
        alone: one run after the other; None if it cannot be computed.
        engine: with which `alone` is computed, the faster of those measured.
        together: `MANY` runs at once; None if it cannot be computed.
        source: how `together` is computed.
    """

    model: str
    steps: int
    alone: float | None
    engine: str
    together: float | None
    source: str


def step_seconds(times: StageTimes, runs: int = 1) -> float:
    """Seconds per step and run: the median over blocks."""
    return median(times.seconds) / times.steps / runs


def extrapolate(records: Sequence[GpuSpeedRecord], dataset: str, precision: str) -> list[Hours]:
    """The hours of each model of Table 1.

    Args:
        records: of one device.
        dataset: column of the table.
        precision: of the training.
    """
    selected = [r for r in records if (r.dataset, r.precision, r.status) == (dataset, precision, "measured")]
    gains = dict(_gains(selected))
    return [_hours(selected, model, dataset, gains) for model in TABLE1]


def _gains(records: Sequence[GpuSpeedRecord]) -> Iterator[tuple[str, float]]:
    """Engine -> how many times faster the steps of `MODEL` are with `MANY` runs at once than those of one run."""
    for many in (r for r in records if (r.kind, r.model, r.runs) == ("runs", MODEL, MANY)):
        for one in (r for r in records if (r.kind, r.model, r.engine) == ("steps", MODEL, many.engine)):
            pairs = zip(one.stages, many.stages, strict=True)
            yield many.engine, median(step_seconds(a) / step_seconds(b, MANY) for a, b in pairs)


def _hours(records: Sequence[GpuSpeedRecord], model: str, dataset: str, gains: dict[str, float]) -> Hours:
    counts = DATASETS[dataset].counts
    stages = protocol(model, dataset, "paper", counts[0] if counts else 0).stages
    steps = {name: schedule.total(counts[0] if counts else 0) for name, schedule in stages.items()}
    of_model = [r for r in records if r.model == model]

    def hours(record: GpuSpeedRecord) -> float:
        return RUNS * sum(steps[t.stage] * step_seconds(t, record.runs) for t in record.stages) / 3600

    alone = {r.engine: hours(r) for r in of_model if r.kind == "steps"}
    engine = min(alone, key=lambda name: alone[name], default="")
    together = {f"measured, {r.engine}": hours(r) for r in of_model if r.kind == "runs" and r.runs == MANY}
    if not together:
        together = {
            f"{name}, gain of {MODEL} ({gains[name]:.2f})": time / gains[name]
            for name, time in alone.items() if name in gains
        }  # fmt: skip
    source = min(together, key=lambda name: together[name], default="")
    return Hours(model, sum(steps.values()), alone.get(engine), engine, together.get(source), source)
