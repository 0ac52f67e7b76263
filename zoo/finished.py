"""Find the weights that finished runs have kept in a results folder.

A results folder has one JSON file per run, records/KEY.json, and the weights of the run in runs/KEY/weights.pt. Records
are parsed as JSON. Nothing in them is executed or imported. This module does not import torch.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from zoo.registry import MODELS, did_you_mean

if TYPE_CHECKING:
    from zoo.base import LatentModel

DEFAULT_RESULTS = "results/local"  # the results folder of the command line
MAX_NAMED = 20  # of the runs that a message lists


@dataclass(frozen=True)
class FinishedRun:
    """A finished run whose weights were kept.

    Attributes:
        path: its weights.
        model: the name that `entry` accepts; of a run with changed settings, they follow it, as in "glf[beta=4]".
        dataset: name of its data set.
        preset: name of its preset.
        seed: its seed.
        key: its run key, which is also the name of its record.
    """

    path: Path
    model: str
    dataset: str
    preset: str
    seed: int
    key: str

    def load(self) -> LatentModel:
        """Load the model on the CPU in evaluation mode, as `zoo.load` does.

        Raises:
            ValueError: the class is external and has not been adopted.
        """
        from zoo.factory import load  # imports torch

        return load(self.path)


class _Record(msgspec.Struct):
    """The fields of a record that this module reads."""

    key: str
    model: str
    dataset: str
    preset: str
    seed: int
    status: str


def find(
    *,
    model: str | None = None,
    dataset: str | None = None,
    preset: str | None = None,
    seed: int | None = None,
    results: str | os.PathLike[str] = DEFAULT_RESULTS,
) -> list[FinishedRun]:
    """Find the finished runs of a results folder that match and whose weights were kept.

    A file that is not a readable record is left out with a warning that names it.

    Args:
        model: name of the model; None matches all models.
        dataset: name of the data set, as records have it; None matches all data sets.
        preset: name of the preset; None matches all presets.
        seed: seed of the run; None matches all seeds.
        results: results folder.

    Returns:
        At least one run, in the order of model, data set, preset and seed.

    Raises:
        FileNotFoundError: the folder does not exist or has no records.
        LookupError: no finished run matches, or the weights of all that match were removed. The message says what is
            there.
    """
    folder = Path(results)
    if not (folder / "records").is_dir():
        problem = "has no records" if folder.is_dir() else "does not exist"
        raise FileNotFoundError(
            f"the results folder {folder.absolute()} {problem}: expected the folder that a command named by --results. "
            "Pass it as zoo.find(results=...)"
        )
    finished = _finished_runs(folder)
    wanted = {"model": model, "dataset": dataset, "preset": preset, "seed": seed}
    wanted = {name: value for name, value in wanted.items() if value is not None}
    matches = [run for run in finished if all(getattr(run, name) == value for name, value in wanted.items())]
    kept = [run for run in matches if run.path.is_file()]
    if kept:
        return kept
    selection = " with " + ", ".join(f"{name}={value!r}" for name, value in wanted.items()) if wanted else ""
    if matches:
        raise LookupError(
            f"the weights of every finished run{selection} in {folder} were removed, by --keep logs or by hand: "
            f"{_summary(matches)}. To train these runs again, repeat their command with --force and --keep weights"
        )
    names = {*MODELS, *(run.model for run in finished)}
    hint = did_you_mean(model, names) if model is not None and model not in names else ""
    raise LookupError(f"no finished run{selection} in {folder}{hint}. Finished runs there: {_summary(finished)}")


def _finished_runs(folder: Path) -> list[FinishedRun]:
    """All finished runs of a results folder, with or without weights."""
    runs = []
    for path in sorted((folder / "records").glob("*.json")):
        if path.name.startswith("."):  # other programs' files, such as ._KEY.json on a Mac's disk
            continue
        try:
            run = _finished_run(folder, path)
        except (OSError, ValueError) as reason:
            warnings.warn(f"{path}: not a readable record, left out ({reason})", stacklevel=3)
            continue
        if run is not None:
            runs.append(run)
    return sorted(runs, key=lambda run: (run.model, run.dataset, run.preset, run.seed, run.key))


def _finished_run(folder: Path, path: Path) -> FinishedRun | None:
    """The finished run of one record; None if it failed or diverged.

    Raises:
        ValueError: the file is not JSON, or a field is missing or has another type.
    """
    if not path.is_file():  # reading a FIFO would wait
        raise ValueError("not a file")
    try:
        record = msgspec.json.decode(path.read_bytes(), type=_Record)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if record.key != path.stem:  # so that a key cannot name a file outside the folder
        raise ValueError(f"holds the record of {record.key}")
    if record.status != "done":
        return None
    weights = folder / "runs" / path.stem / "weights.pt"
    return FinishedRun(weights, record.model, record.dataset, record.preset, record.seed, path.stem)


def _summary(runs: Iterable[FinishedRun]) -> str:
    """Runs in words: "glf on digits, preset demo, seeds 0, 1, 2; vae on digits, preset demo, seed 0"."""
    seeds: dict[str, list[int]] = {}
    for run in runs:
        seeds.setdefault(f"{run.model} on {run.dataset}, preset {run.preset}", []).append(run.seed)
    lines = []
    for name, values in seeds.items():
        numbers = ", ".join(str(value) for value in sorted({*values}))
        lines.append(f"{name}, seed{'s' if len({*values}) > 1 else ''} {numbers}")
    more = f"; and {len(lines) - MAX_NAMED} more" if len(lines) > MAX_NAMED else ""
    return "; ".join(lines[:MAX_NAMED]) + more or "none"
