"""The records of runs: one JSON file each, and the two data frames that are read from all of them.

A record is parsed as JSON and checked against `benchmarks.files.record.Record`. Nothing in it is executed or imported.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import pandas as pd
from msgspec import Meta
from pandas import DataFrame

from benchmarks.data.fingerprint import digest
from benchmarks.evaluation.names import DIAGNOSTICS
from benchmarks.experiments import index, schema
from benchmarks.experiments.schema import upgrade
from benchmarks.files import reading
from benchmarks.files import record as record_file
from benchmarks.files.record import SCHEMA
from benchmarks.files.types import MAX_INTEGER
from benchmarks.files.writing import write_json, write_text

__all__ = ["DIAGNOSTICS", "SCHEMA", "RecordError", "digest", "find", "put_evaluation", "read", "write", "write_json",
           "write_text"]  # fmt: skip

ResultsFolder = str | os.PathLike[str]  # a results folder


class RecordError(ValueError):
    """A record that cannot be used, and must not be treated as absent."""


# The columns of the frames; those of metrics come after EVALUATION_FIELDS.
RUN_COLUMNS = ("key", "model", "label", "revision", "dataset", "protocol_row", "preset", "seed", "precision", "status")
EVALUATION_FIELDS = (
    "error",
    "source",
    "draw",
    "metric",
    "protocol_id",
    "n",
    "n_real",
    "n_fake",
    "extractor",
    "split",
    "real_transform",
    "fake_transform",
    "quantization",
    "dims",
    "input",
    "crop",
    "resize",
    "weights",
    "backend",
    "estimator",
)
PROVENANCE_COLUMNS = (
    "train_fingerprint", "test_fingerprint", "device", "torch", "engine", "runs_at_once", "commit", "dirty"
)  # fmt: skip
EPOCH_COLUMNS = (
    "key",
    "model",
    "dataset",
    "preset",
    "seed",
    "stage",
    "epoch",
    "protocol_id",
)  # the last one: of the learning curve

FRAMES = ("evaluations", "epochs")  # a row per evaluation, a row per epoch
INTEGERS = ("revision", "seed", "draw", "n", "n_real", "n_fake", "dims", "crop", "epoch", "runs_at_once")


def write(folder: ResultsFolder, record: Mapping[str, Any]) -> Path:
    """Write one record to FOLDER/records/KEY.json, whole or not at all.

    Args:
        folder: the results folder; `records/` is made where it is missing.
        record: plain JSON values. A number that is not finite is written as null, because JSON has no NaN.

    Returns:
        the path written.
    """
    return write_json(Path(folder) / "records" / f"{record['key']}.json", record)


def put_evaluation(record: dict[str, Any], evaluation: dict[str, Any]) -> None:
    """Add an evaluation to a record.

    If the record already has an evaluation with the same key, values are added to that one: those of metrics that it
    lacks, or has with other parameters. Its `additions` list these values with their provenance.
    """
    for existing in record["evaluations"]:
        if existing["key"] == evaluation["key"]:
            values, old = existing["values"], existing.get("metric_parameters", {})
            new = evaluation["metric_parameters"]
            unchanged = {name for name in values if name not in new or old.get(name, new[name]) == new[name]}
            added = {name: value for name, value in evaluation["values"].items() if name not in unchanged}
            origin = {name: evaluation[name] for name in ("fallbacks", "seconds", "provenance")}
            existing["values"] = values | added
            existing["metric_parameters"] = old | {name: new[name] for name in added}
            existing["additions"] = [*existing.get("additions", []), {"columns": [*added], **origin}]
            return
    record["evaluations"].append(evaluation)


def find(folder: ResultsFolder, key: str) -> dict[str, Any] | None:
    """The record of a run key, or None if there is none.

    A file that is not a valid record counts as absent, so its run is repeated. A warning names the file and the reason.

    Raises:
        RecordError: the file cannot be opened, is of a newer schema, or holds another key than its name says.
    """
    return _load(Path(folder) / "records" / f"{key}.json")


def read(folder: ResultsFolder) -> tuple[DataFrame, DataFrame]:
    """All records of a results folder as two data frames, in the order of the file names.

    A record that cannot be used, such as one of a newer schema, is left out with a warning that names it. An absent
    folder gives empty frames with the same columns, except those of metrics and losses.

    Columns of `evaluations`, one row per evaluation. A run without evaluations has one row with an empty `draw`.
        run: key, model, label, revision, dataset, protocol_row, preset, seed, precision, status
        message of a run that failed or diverged: error
        images that were scored, their sample set and number: source, draw, n
        metric protocol: metric, protocol_id, n_real, n_fake, extractor, split, real_transform, fake_transform,
            quantization, dims, input, crop, resize, weights, backend, estimator
        metrics: one column for each value that the records have, such as fid, fd_classifier, kid_mean, prd_f8
        diagnostics of the run: recon_sse, latent_std, latent_mean, prior_mean, prior_cov, latent_nll, posterior_var
        provenance: train_fingerprint, test_fingerprint, device, torch, engine, runs_at_once, commit, dirty

    Columns of `epochs`, one row per epoch of each stage.
        run: key, model, dataset, preset, seed
        place in the run: stage, epoch
        metric protocol of the learning curve, if the run has one: protocol_id
        numbers: one column for each that the records have, such as seconds, steps, objective, the losses of the stage,
            and the metric of the learning curve

    `runs_at_once` is the largest number of runs that the process trained at once while it trained this one. It is empty
    in records that do not say, such as those of a CPU.

    Select rows with status "done" and source "prior" for the numbers of a table. Group by model, dataset, preset and
    protocol_id: distances under two metric protocols must not be compared. Take the mean over the sample sets (`draw`)
    of each `key` before the mean over runs. The script examples/records.py does this.

    Returns:
        (evaluations, epochs).
    """
    return read_columns(folder)


def read_columns(
    folder: ResultsFolder, epoch_columns: Callable[[str], bool] | None = None, categories: bool = False
) -> tuple[DataFrame, DataFrame]:
    """The frames of `read`, with only some columns of `epochs`: for many records.

    Args:
        folder: the results folder.
        epoch_columns: which columns of `epochs` are needed, by their names; None: all.
        categories: whether the columns of text in `epochs` are categorical, which takes little memory.
    """
    rows = _rows_of(folder, {"evaluations": None, "epochs": epoch_columns})
    evaluations = _evaluations_frame(rows.pop("evaluations"))
    epochs = rows.pop("epochs").frame(epoch_columns, categories)
    numbers = [str(name) for name in epochs if name not in EPOCH_COLUMNS]
    fixed = [name for name in EPOCH_COLUMNS if epoch_columns is None or epoch_columns(name)]
    return evaluations, _frame(epochs, [*fixed, *numbers], numbers=numbers)


def read_evaluations(folder: ResultsFolder) -> DataFrame:
    """Only the first of the two frames of `read`, which is faster."""
    return _evaluations_frame(_rows_of(folder, {"evaluations": None})["evaluations"])


def _evaluations_frame(rows: index.Rows) -> DataFrame:
    frame = rows.frame()
    fixed = (*RUN_COLUMNS, *EVALUATION_FIELDS, *DIAGNOSTICS, *PROVENANCE_COLUMNS)
    metrics = sorted({str(name) for name in frame} - set(fixed))
    return _frame(
        frame,
        [*RUN_COLUMNS, *EVALUATION_FIELDS, *metrics, *DIAGNOSTICS, *PROVENANCE_COLUMNS],
        numbers=[*metrics, *DIAGNOSTICS],
    )


def _rows_of(folder: ResultsFolder, requested: Mapping[str, index.Wanted]) -> dict[str, index.Rows]:
    """Rows of some kinds of all records. Rows of unchanged records come from the index."""
    # The rows depend on these files. An index made by another version of them is not used.
    code = b"".join(Path(file).read_bytes() for file in (__file__, schema.__file__, record_file.__file__))
    version = hashlib.sha256(code + str(SCHEMA).encode()).hexdigest()[:16]

    def read_file(path: Path) -> dict[str, index.SharedAndOwn] | None:
        try:
            record = _load(path)
        except RecordError as reason:
            warnings.warn(str(reason), stacklevel=2)
            return None
        return None if record is None else dict(zip(FRAMES, _rows(record), strict=True))

    return index.read_rows(Path(folder) / "records", version, FRAMES, read_file, requested)


def _rows(record: dict[str, Any]) -> tuple[index.SharedAndOwn, index.SharedAndOwn]:
    """One record's rows in both frames: what all of them have, and what each of them has."""
    evaluations: list[dict[str, Any]] = []
    data, provenance, error = (record.get(part) or {} for part in ("data", "provenance", "error"))
    common = {name: record.get(name) for name in RUN_COLUMNS} | {
        "error": error.get("message"),
        **{name: (record.get("diagnostics") or {}).get(name) for name in DIAGNOSTICS},
        **{name: data.get(name) for name in ("train_fingerprint", "test_fingerprint")},
        **{name: provenance.get(name) for name in ("device", "torch", "commit", "dirty")},
        "engine": _engine(provenance.get("engine")),
        "runs_at_once": engine.get("runs_at_once") if isinstance(engine := provenance.get("engine"), Mapping) else None,
    }
    for evaluation in record.get("evaluations") or [{}]:
        protocol = evaluation.get("protocol") or {}
        own = {name: evaluation.get(name) for name in ("source", "draw", "metric", "protocol_id", "n")}
        own |= {name: protocol.get(name) for name in EVALUATION_FIELDS[6:]}
        numbers = evaluation.get("values") or {}
        evaluations.append({**numbers, **own})
    shared = {name: record.get(name) for name in EPOCH_COLUMNS[:5]}
    if record.get("learning_curve"):
        shared["protocol_id"] = record["learning_curve"].get("protocol_id")
    return (common, evaluations), (shared, record.get("epochs") or [])


def _engine(engine: Any) -> str | None:
    """The engines that trained the stages, without the reasons; None if the record does not say."""
    stages = engine.get("stages") if isinstance(engine, Mapping) else None
    if not isinstance(stages, Mapping) or not stages:
        return None
    return ", ".join(sorted({str(name).partition(":")[0] for name in stages.values()}))


# Epochs as plain rows: all fields but the stage are numbers.
EpochRows = list[dict[str, str | Annotated[int, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)] | float | None]]


def _load(path: Path) -> dict[str, Any] | None:
    """The record in a file, upgraded and checked; None, with a warning, if the file holds no valid record."""
    try:
        value = reading.read_json(path)
        head = msgspec.convert(value, record_file.Head)
        if head.schema <= SCHEMA:
            record = upgrade(value)
            reading.check(record, record_file.Record)
            _check_epochs(record["epochs"])
    except FileNotFoundError:
        return None
    except OSError as reason:  # the file exists: if it counted as absent, it would be replaced
        raise RecordError(
            f"{path}: cannot be read ({reason.strerror}); its run is neither used nor repeated"
        ) from reason
    # A field of an older schema may be of any type; `upgrade` finds that out by using it.
    except (ValueError, KeyError, TypeError, AttributeError) as reason:
        message = str(reason) if isinstance(reason, ValueError) else f"{type(reason).__name__}: {reason}"
        warnings.warn(f"{path}: not a valid record, so it is ignored ({message})", stacklevel=3)
        return None
    if head.schema > SCHEMA:
        raise RecordError(f"{path}: written by a newer version (schema {head.schema}, this one knows {SCHEMA}); "
                         "update the package, or use another results folder")  # fmt: skip
    if head.key != path.stem:
        raise RecordError(
            f"{path}: holds the record of {head.key}, but a record file is named by its key. Rename or remove it"
        )
    return dict(record)


def _check_epochs(epochs: list[dict[str, Any]]) -> None:
    """Raise InvalidFile if a field of an epoch, other than its stage, is no number."""
    reading.check(epochs, EpochRows)
    for row in epochs:
        if [*map(type, row.values())].count(str) > 1:
            names = [name for name, value in row.items() if isinstance(value, str) and name != "stage"]
            raise reading.InvalidFile(f"Expected numbers, got text in {', '.join(names)} - at `$.epochs`")


def _frame(rows: DataFrame, columns: list[str], *, numbers: list[str]) -> DataFrame:
    """Rows as a frame. The types of its columns do not depend on missing values."""
    types: dict[str, Any] = dict.fromkeys(INTEGERS, "Int64") | {"dirty": "boolean"}
    # Column by column: operations on the whole frame would copy it
    typed = {}
    for name in columns:
        column = rows[name] if name in rows else pd.Series(np.nan, index=rows.index)
        if "dirty" in columns:
            column = column.astype(types[name]) if name in types else column.infer_objects()
        typed[name] = pd.to_numeric(column) if name in numbers and column.dtype.kind not in "if" else column
    # Columns of evaluations are put together, so that rows are selected fast; those of epochs are too large to copy
    return DataFrame(typed, columns=columns, index=rows.index, copy="dirty" in columns)
