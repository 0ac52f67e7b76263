"""Estimate how long runs will train, from the speed in records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from benchmarks.experiments import records
from benchmarks.experiments.trial import Trial
from benchmarks.reporting import speed_records

# The measurements of this repository, which an installed package lacks.
COMMITTED = Path(__file__).resolve().parents[2] / "results" / "measured"

Stage = tuple[str, str, str]  # model, data set, name of the stage
Speed = dict[str, dict[Stage, float]]  # device -> stage -> seconds per step


def estimate_time(trials: Sequence[Trial], results: Path, workers: int, on_gpu: bool) -> str:
    """Estimate how long trials train, one after the other and with all workers, and name the source of the speed.

    Args:
        trials: what is to be trained.
        results: results folder, whose records are preferred.
        workers: processes that train at the same time; 0: not known.
        on_gpu: whether they train on a GPU: speeds of such a device are preferred.
    """
    found = _best_speed(trials, results, on_gpu)
    if found is None:
        return "no estimate of the time: there is no record of the speed of these models on these data sets"
    device, source, speed = found
    known = [trial for trial in trials if _seconds(trial, speed) is not None]
    seconds = sum(_seconds(trial, speed) or 0.0 for trial in known)
    text = f"about {format_time(seconds)} of training one after the other"
    if workers > 1 and len(known) > 1:
        text += f", {format_time(seconds / min(workers, len(known)))} with {min(workers, len(known))} at a time"
    if len(known) < len(trials):
        text += f", without {len(trials) - len(known)} runs of unknown speed"
    return f"{text}; measured on {device} ({source})"


def estimate_seconds(trials: Sequence[Trial], results: Path, on_gpu: bool) -> list[float | None]:
    """Seconds that each trial trains, None for an unknown speed; the arguments are those of `estimate_time`."""
    found = _best_speed(trials, results, on_gpu)
    return [None if found is None else _seconds(trial, found[2]) for trial in trials]


def measured_speed(folder: Path) -> Speed:
    """The seconds per step that the records of a results folder have measured, and its speed records if it has any."""
    evaluations, epochs = records.read(folder)
    speed: Speed = {}
    if not epochs.empty:
        devices = evaluations[["key", "device"]].drop_duplicates("key")
        joined = epochs[["key", "model", "dataset", "stage", "seconds", "steps"]].merge(devices, on="key")
        sums = joined.groupby(["device", "model", "dataset", "stage"], as_index=False)[["seconds", "steps"]].sum()
        for _, row in sums[sums["steps"] > 0].iterrows():
            stage = row["model"], row["dataset"], row["stage"]
            speed.setdefault(row["device"], {})[stage] = row["seconds"] / row["steps"]
    for _, row in speed_records.read_epoch_seconds(folder / "speed").iterrows():
        stage = row["model"], row["dataset"], row["stage"]
        seconds = row["seconds_per_epoch"] / (row["images"] // row["batch"])
        speed.setdefault(row["device"], {}).setdefault(stage, seconds)
    return speed


def format_time(seconds: float) -> str:
    """A duration in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 360_000 else f"{seconds / 3600:,.0f} h"


def _best_speed(trials: Sequence[Trial], results: Path, on_gpu: bool) -> tuple[str, str, Mapping[Stage, float]] | None:
    """Device, source and speeds. Preferred are, in this order: the same kind of device, more trials, this folder."""
    candidates: list[tuple[str, str, Mapping[Stage, float]]]
    candidates = [(device, "records of this results folder", speed)
                  for device, speed in measured_speed(results).items()]  # fmt: skip
    candidates += [
        (device, "measurements of this repository", speed) for device, speed in _committed_speed(COMMITTED).items()
    ]
    usable = [c for c in candidates if any(_seconds(trial, c[2]) is not None for trial in trials)]

    def rank(candidate: tuple[str, str, Mapping[Stage, float]]) -> tuple[bool, int]:
        device, _, speed = candidate
        return device.startswith("cpu") != on_gpu, sum(_seconds(trial, speed) is not None for trial in trials)

    return max(usable, key=rank) if usable else None  # of equal ranks, the first


@lru_cache
def _committed_speed(measured: Path) -> Mapping[str, Mapping[Stage, float]]:
    """The speeds in the measurements of this repository. They do not change, and are read once for all tables."""
    speed: Speed = {}
    folders = [measured, *sorted(measured.iterdir())] if measured.is_dir() else []
    for folder in folders:
        for device, stages in measured_speed(folder).items():
            for stage, seconds in stages.items():
                speed.setdefault(device, {}).setdefault(stage, seconds)
    return speed


def _seconds(trial: Trial, speed: Mapping[Stage, float]) -> float | None:
    """Seconds that a trial trains; None if the speed of one of its stages is not known."""
    seconds = 0.0
    for name, schedule in trial.protocol.stages.items():
        pace = speed.get((trial.name, trial.dataset, name)) or speed.get((trial.model, trial.dataset, name))
        if pace is None:
            return None
        seconds += schedule.total(trial.images) * pace
    return seconds
