"""Write the records of runs as TensorBoard event files: one folder per run, with scalars and hyper-parameters.

TensorBoard is optional. This module imports it only when it writes.
"""

from __future__ import annotations

import importlib
import re
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data.fingerprint import digest
from benchmarks.experiments import records
from benchmarks.printing import escape_terminal_line

INSTALL = "pip install 'ae-bench[tensorboard]'"
STAMP = "record.digest"  # file in each folder: the digest of the record that its events show
Scalar = int | float | str | bool


class NotInstalled(ImportError):
    """TensorBoard is not installed, or is too old for this PyTorch."""


@dataclass
class Export:
    """The folders of runs, by what one export did with them.

    Attributes:
        written: new folders.
        unchanged: folders that already held the events of the current record.
        outdated: other folders that already existed. They were not changed.
    """

    written: list[Path] = field(default_factory=list)
    unchanged: list[Path] = field(default_factory=list)
    outdated: list[Path] = field(default_factory=list)


def check_installed() -> None:
    """Check that TensorBoard can be imported.

    Raises:
        NotInstalled: it cannot. The message says how to install it.
    """
    try:
        importlib.import_module("torch.utils.tensorboard")
    except ImportError as error:
        raise NotInstalled(f"TensorBoard cannot be imported ({error}). Install it: {INSTALL}") from None


def export(results: Path, out: Path) -> Export:
    """Write the events of every record of a results folder that has no folder in `out` yet.

    Runs that failed or diverged are written, too: their status is a hyper-parameter. No existing file is changed.

    Raises:
        NotInstalled: TensorBoard cannot be imported.
    """
    check_installed()
    done = Export()
    for key in records.read_evaluations(results)["key"].unique():
        record = records.find(results, key)
        if record is None:  # removed meanwhile
            continue
        folder = out / folder_name(record)
        if folder.exists():
            stamp = folder / STAMP
            is_current = stamp.is_file() and stamp.read_text(encoding="utf-8").strip() == digest(record)
            (done.unchanged if is_current else done.outdated).append(folder)
            continue
        _write_folder(record, folder)
        done.written.append(folder)
    return done


def folder_name(record: Mapping[str, Any]) -> str:
    """The folder name of a run, which TensorBoard shows. It is a single path component for all names."""
    name = "-".join(str(record[part]) for part in ("dataset", "model", "preset"))
    name = f"{name}-seed{record['seed']}-{record['key'][:12]}"
    return re.sub(r"[^\w.+-]", "_", name, flags=re.ASCII).lstrip(".")


def epoch_scalars(record: Mapping[str, Any]) -> list[tuple[str, int, float, float]]:
    """The numbers of all epochs as (tag, epoch, value, seconds of training until then).

    A tag is STAGE/NAME, and learning_curve/METRIC/PROTOCOL_ID for points of a learning curve, whose epochs are counted
    over all stages. Numbers that are not finite are left out.
    """
    curve = record.get("learning_curve") or {}
    metric = (curve.get("protocol") or {}).get("metric")
    rows, elapsed = [], 0.0
    for index, epoch in enumerate(record["epochs"]):
        elapsed += epoch.get("seconds") or 0.0
        for name, value in epoch.items():
            if name in ("stage", "epoch") or not _is_number(value):
                continue
            if name == metric:
                rows.append((f"learning_curve/{name}/{curve['protocol_id']}", index, float(value), elapsed))
            else:
                rows.append((f"{epoch['stage']}/{name}", int(epoch["epoch"]), float(value), elapsed))
    return rows


def final_scalars(record: Mapping[str, Any]) -> dict[str, float]:
    """Tag -> number of the finished run: means over sample sets, and diagnostics.

    A tag is evaluation/SOURCE/METRIC/PROTOCOL_ID, because values under two metric protocols must not be compared.
    """
    values: dict[str, list[float]] = {}
    for evaluation in record["evaluations"]:
        for name, value in evaluation["values"].items():
            if _is_number(value):
                tag = f"evaluation/{evaluation['source']}/{name}/{evaluation['protocol_id']}"
                values.setdefault(tag, []).append(float(value))
    means = {tag: float(np.mean(numbers)) for tag, numbers in values.items()}
    diagnostics = record.get("diagnostics") or {}
    return means | {f"diagnostics/{name}": float(value) for name, value in diagnostics.items() if _is_number(value)}


def hyper_parameters(record: Mapping[str, Any]) -> dict[str, Scalar]:
    """The fields that identify a run, and its settings, flat: settings/stages/train/batch and so on."""
    names = ("model", "revision", "dataset", "preset", "seed", "precision", "status")
    flat: dict[str, Scalar] = {name: _printable(record[name]) for name in names}

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for name, inner in value.items():
                add(f"{prefix}/{name}", inner)
        elif isinstance(value, Scalar):
            flat[prefix] = _printable(value)
        elif value:  # a list; None and empty lists are left out
            flat[prefix] = _printable(", ".join(map(str, value)))

    for name, value in (record.get("settings") or {}).items():
        if name not in names:
            add(f"settings/{name}", value)
    return flat


def _write_folder(record: Mapping[str, Any], folder: Path) -> None:
    """Write the folder of one run. It appears only when it is complete."""
    from torch.utils.tensorboard import SummaryWriter
    from torch.utils.tensorboard.summary import hparams

    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.tmp")
    start = _start(record)
    try:
        final = final_scalars(record)
        with SummaryWriter(str(temporary)) as writer:
            for summary in hparams(hyper_parameters(record), final):
                writer.file_writer.add_summary(summary, walltime=start)  # add_hparams would make a folder of its own
            end = start
            for tag, epoch, value, elapsed in epoch_scalars(record):
                end = start + elapsed
                writer.add_scalar(tag, value, epoch, walltime=end)
            for tag, value in final.items():
                writer.add_scalar(tag, value, 0, walltime=end)
        (events,) = temporary.glob("events.out.tfevents.*")
        events.rename(temporary / f"events.out.tfevents.{record['key'][:12]}")  # without this machine's name
        (temporary / STAMP).write_text(digest(record) + "\n", encoding="utf-8")
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _start(record: Mapping[str, Any]) -> float:
    """When a run started, in seconds since 1970; 0 if the record does not say."""
    started = (record.get("provenance") or {}).get("started")
    return datetime.fromisoformat(started).timestamp() if isinstance(started, str) else 0.0


def _printable(value: Scalar) -> Scalar:
    return escape_terminal_line(value) if isinstance(value, str) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
