"""The records of runs: one JSON file each, and the two data frames that are read from all of them.

A record is parsed as JSON. Nothing in it is executed or imported.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import uuid
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame

from benchmarks.data.fingerprint import digest
from benchmarks.evaluation.names import DIAGNOSTICS
from benchmarks.experiments import index, schema
from benchmarks.experiments.schema import SCHEMA, upgrade

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
PROVENANCE_COLUMNS = ("train_fingerprint", "test_fingerprint", "device", "torch", "engine", "commit", "dirty")
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
INTEGERS = ("revision", "seed", "draw", "n", "n_real", "n_fake", "dims", "crop", "epoch")


def write(folder: ResultsFolder, record: Mapping[str, Any]) -> Path:
    """Write one record to FOLDER/records/KEY.json, whole or not at all.

    Args:
        folder: the results folder; `records/` is made where it is missing.
        record: plain JSON values. A number that is not finite is written as null, because JSON has no NaN.

    Returns:
        the path written.
    """
    return write_json(Path(folder) / "records" / f"{record['key']}.json", record)


def write_json(path: Path, value: Mapping[str, Any]) -> Path:
    """Write JSON by rename; a number that is not finite is written as null."""
    return write_text(path, json.dumps(_finite(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> Path:
    """Write a text file by rename: a reader, or a job that is killed, never leaves or sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, because a rename is atomic only within a file system.  Not by `tempfile`: its mode 0600 would
    # hide the results from the rest of the group.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


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

    A file that cannot be read counts as absent, so its run is repeated. A warning names the file.

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
        provenance: train_fingerprint, test_fingerprint, device, torch, engine, commit, dirty

    Columns of `epochs`, one row per epoch of each stage.
        run: key, model, dataset, preset, seed
        place in the run: stage, epoch
        metric protocol of the learning curve, if the run has one: protocol_id
        numbers: one column for each that the records have, such as seconds, steps, objective, the losses of the stage,
            and the metric of the learning curve

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
    # The rows depend on these two files. An index made by another version of them is not used.
    code = b"".join(Path(file).read_bytes() for file in (__file__, schema.__file__))
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
    """The engines that trained the stages; None if the record does not say."""
    stages = engine.get("stages") if isinstance(engine, Mapping) else None
    return (
        ", ".join(sorted({str(name) for name in stages.values()})) if isinstance(stages, Mapping) and stages else None
    )


def _load(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        key, schema = str(record["key"]), int(record["schema"])
        record = upgrade(record) if schema <= SCHEMA else record
        missing = [name for name in (*RUN_COLUMNS, "evaluations", "epochs") if name not in record]
        if missing and schema <= SCHEMA:
            raise KeyError(", ".join(missing))
    except FileNotFoundError:
        return None
    except OSError as reason:  # the file exists: if it counted as absent, it would be replaced
        raise RecordError(
            f"{path}: cannot be read ({reason.strerror}); its run is neither used nor repeated"
        ) from reason
    except (ValueError, KeyError, TypeError) as reason:
        message = f"{type(reason).__name__}: {reason}"
        warnings.warn(f"{path}: not a valid record, so it is ignored ({message})", stacklevel=3)
        return None
    if schema > SCHEMA:
        raise RecordError(f"{path}: written by a newer version (schema {schema}, this one knows {SCHEMA}); "
                         "update the package, or use another results folder")  # fmt: skip
    if key != path.stem:
        raise RecordError(
            f"{path}: holds the record of {key}, but a record file is named by its key. Rename or remove it"
        )
    return dict(record)


def _finite(value: Any) -> Any:
    """The same JSON value with null for every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


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
