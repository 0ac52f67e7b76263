"""Read the records of training speed, and compute the seconds per epoch that Table 5 shows."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from statistics import mean, median
from typing import Any

from pandas import DataFrame

from benchmarks.files.reading import InvalidFile, check, list_files, read_json
from benchmarks.files.speed import SCHEMA, SpeedRecord

COLUMNS = ("purpose", "model", "dataset", "stage", "seconds_per_epoch", "min", "max", "rounds", "images", "batch",
           "device", "precision", "engine", "channels_last", "processes", "exclusive", "synthetic")  # fmt: skip


def read_speed_records(folder: Path) -> list[dict[str, Any]]:
    """All speed records of a folder. A file that is not a valid one is left out with a warning that names it.

    Raises:
        OSError: the folder exists and cannot be read.
    """
    records = []
    for name in list_files(folder, ".json"):
        try:
            record = read_json(folder / name)
            if isinstance(record, dict) and record.get("what") == "speed" and record.get("schema") == SCHEMA:
                check(record, SpeedRecord)
                records.append(record)
        except (OSError, InvalidFile) as reason:
            warnings.warn(f"{folder / name}: not a valid speed record, so it is ignored ({reason})", stacklevel=2)
    return records


def read_epoch_seconds(folder: Path) -> DataFrame:
    """Seconds per epoch of our training loop, from the records of a folder.

    Returns:
        One row per stage of each record of purpose "table", with the columns `COLUMNS`.
        `seconds_per_epoch` is the median over rounds of the seconds of one epoch of the whole training set (`images` //
        `batch` steps). If several `processes` ran at the same time, it is the time of one of them.  `min` and `max` are
        over
        rounds.  `engine` is the engine of all stages.  `exclusive`: nothing else used the device (on a CPU: at
        most 5 % of its cores).  `synthetic`: trained on random images of the right shape.
    """
    rows = []
    for record in read_speed_records(Path(folder)):
        if record["purpose"] != "table":
            continue
        engines = {row["how"] for row in record["rows"] if row["loop"] == "ours"}
        for stage, loops in step_seconds(record).items():
            values = [seconds * steps_per_epoch(record, stage) for seconds in loops["ours"].values()]
            rows.append({
                **{name: record[name] for name in ("purpose", "model", "dataset", "images", "precision",
                                                   "channels_last", "processes", "exclusive", "synthetic")},
                "stage": stage, "seconds_per_epoch": median(values), "min": min(values), "max": max(values),
                "rounds": len(values), "batch": record["batch"][stage],
                "device": record["provenance"]["device"], "engine": ", ".join(sorted(engines)),
            })  # fmt: skip
    return DataFrame(rows, columns=[*COLUMNS])


def step_seconds(record: Mapping[str, Any]) -> dict[str, dict[str, dict[int, float]]]:
    """Stage -> loop -> round -> seconds of one step (for the loop "ceiling": of one GFLOP), mean over processes."""
    seconds: dict[str, dict[str, dict[int, float]]] = {}
    for row in record["rows"]:
        rounds = seconds.setdefault(row["stage"], {}).setdefault(row["loop"], {})
        rounds[row["round"]] = mean(row["seconds"]) / row["steps"]
    return seconds


def steps_per_epoch(record: Mapping[str, Any], stage: str) -> int:
    """Steps of an epoch of the whole data set."""
    return int(record["images"] // record["batch"][stage])
