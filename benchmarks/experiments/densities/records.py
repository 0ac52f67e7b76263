"""The records of fitted densities: one JSON file each, and a data frame of all of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pandas import DataFrame

from benchmarks.files.density import SCHEMA, DensityRecord
from benchmarks.files.reading import InvalidFile, check, list_files, read_json

FOLDER = "densities"  # in the results folder
COLUMNS = ("key", "autoencoder", "model", "model_label", "dataset", "preset", "seed", "density", "label", "status",
           "train_nll", "held_out_nll", "far_share", "fit_seconds", "n_parameters", "draw", "metric", "protocol_id",
           "distance", "revision")  # fmt: skip


def read_record(path: Path) -> dict[str, Any] | None:
    """The record in a file, or None if there is none. A file without a valid record counts as absent, with a warning.

    Raises:
        OSError: the file exists and cannot be read.
    """
    try:
        record = read_json(path)
        if isinstance(record, dict) and isinstance(record.get("schema"), int) and record["schema"] > SCHEMA:
            raise InvalidFile(f"written by a newer version: schema {record['schema']}, this one knows {SCHEMA}")
        check(record, DensityRecord)
        if record["key"] != path.stem:
            raise InvalidFile(f"it holds the record of {record['key']}")
    except FileNotFoundError:
        return None
    except InvalidFile as reason:
        warnings.warn(f"{path}: not a valid density record, so it is ignored ({reason})", stacklevel=2)
        return None
    return dict(record)


def read_densities(results: Path) -> DataFrame:
    """All density records of a results folder, one row per evaluation, with the columns `COLUMNS`.

    A fit without evaluations has one row with an empty `draw`. `distance` is the Fréchet distance under `protocol_id`,
    and `metric` the name of its column.
    """
    rows: list[dict[str, Any]] = []
    folder = results / FOLDER
    for name in list_files(folder, ".json"):
        record = read_record(folder / name)
        if record is not None:
            rows += _rows(record)
    return DataFrame(rows, columns=[*COLUMNS])


def _rows(record: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    shared = {name: record.get(name) for name in COLUMNS[:10]} | {
        "revision": record.get("revision"),
        "fit_seconds": record.get("fit_seconds"),
        "n_parameters": record.get("n_parameters"),
        **{name: record["values"].get(name) for name in ("train_nll", "held_out_nll", "far_share")},
    }
    return [
        {
            **shared,
            **{name: evaluation.get(name) for name in ("draw", "metric", "protocol_id")},
            "distance": (evaluation.get("values") or {}).get(evaluation.get("metric")),
        }
        for evaluation in record["evaluations"] or [{}]
    ]
