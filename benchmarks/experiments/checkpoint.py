"""The saved state and the weights of a run, in runs/KEY."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

import zoo
from benchmarks.files.reading import check, check_regular, decode_json
from benchmarks.files.record import Epoch as EpochRow
from benchmarks.files.record import LearningCurve, SavedProvenance
from benchmarks.files.writing import finite, replacing
from benchmarks.training.loop import STATE_KEYS, Epoch, State

# Texts in JSON that a saved state holds beside its tensors -> what they hold
SAVED_JSON = {"epochs": list[EpochRow], "provenance": SavedProvenance, "curve": LearningCurve | None}


def load_model_if_valid(weights: Path) -> zoo.LatentModel | None:
    """The model of a weights file, or None if there is no file that can be read."""
    try:
        verify_checksums(weights)
        return zoo.load(weights)
    except Exception:  # torch raises many kinds for a broken file
        return None


def verify_checksums(path: Path) -> None:
    """Raise an error if an entry of a torch.save file does not match its checksum. torch does not check this."""
    check_regular(path, path.stat())
    with zipfile.ZipFile(path) as file:
        broken = file.testzip()
    if broken is not None:
        raise ValueError(f"{path}: {broken} does not match its checksum")


def modification_time(path: Path) -> int | None:
    """When a file was last written, in ns; None if there is no file."""
    return path.stat().st_mtime_ns if path.is_file() else None


def write_state(path: Path, epoch: Epoch, record: dict[str, Any]) -> None:
    """Save the state of training, by rename."""
    provenance = record["provenance"]
    state = {
        "training": epoch.state(),
        "epochs": json.dumps(finite(record["epochs"])),
        "curve": json.dumps(record.get("learning_curve")),
        "provenance": json.dumps(
            {name: provenance[name] for name in ("started", "resumed")}
            | {"before": provenance["earlier"]}
            | {"place": {name: provenance[name] for name in ("device", "torch", "commit")}}
        ),
    }
    with replacing(path, sync=True) as temporary:
        torch.save(state, temporary)


def read_state(path: Path) -> State | None:
    """What `write_state` saved, or None if there is no file that can be read."""
    if not path.is_file():
        return None
    try:
        verify_checksums(path)
        state: State = torch.load(path, map_location="cpu", weights_only=True)
        for name, kind in SAVED_JSON.items():
            check(decode_json(state.get(name, "null")), kind)
        is_complete = state["training"].keys() >= STATE_KEYS
    except Exception:  # torch raises many kinds for a broken file; training from scratch gives the same result
        is_complete = False
    if not is_complete:
        warnings.warn(f"{path}: cannot be read; the run starts from scratch", stacklevel=2)
    return state if is_complete else None
