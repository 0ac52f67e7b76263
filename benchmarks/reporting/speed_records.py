"""Records of speed: reading them, and seconds per epoch as a frame, which Table 5 is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import mean, median
from typing import Any

from pandas import DataFrame

SCHEMA = 1
COLUMNS = ("purpose", "model", "dataset", "stage", "seconds_per_epoch", "min", "max", "rounds", "images", "batch",
           "device", "precision", "engine", "channels_last", "processes", "exclusive", "synthetic")  # fmt: skip


def load(folder: Path) -> list[dict[str, Any]]:
    """All records of a folder."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    return [record for record in found if record.get("what") == "speed" and record["schema"] == SCHEMA]


def read(folder: Path) -> DataFrame:
    """Seconds per epoch of our training as the records of a folder have measured them.

    Returns:
        One row per stage of a record of the purpose "table" or "processes".  `seconds_per_epoch` is the median over
        rounds of the seconds of one epoch of the whole training set (`images` // `batch` steps), of one process of
        `processes` that ran at the same time; `min` and `max` are of the rounds.  `engine` says how steps of all
        stages were taken.  `exclusive`: nobody else used the device (on a CPU: at most 5 % of its cores).
        `synthetic`: random images of the right shape.
    """
    rows = []
    for record in load(Path(folder)):
        if record["purpose"] not in ("table", "processes"):
            continue
        how = {row["how"] for row in record["rows"] if row["loop"] == "ours"}
        for stage, loops in steps(record).items():
            values = [seconds * per_epoch(record, stage) for seconds in loops["ours"].values()]
            rows.append({
                **{name: record[name] for name in ("purpose", "model", "dataset", "images", "precision",
                                                   "channels_last", "processes", "exclusive", "synthetic")},
                "stage": stage, "seconds_per_epoch": median(values), "min": min(values), "max": max(values),
                "rounds": len(values), "batch": record["batch"][stage],
                "device": record["provenance"]["device"], "engine": ", ".join(sorted(how)),
            })  # fmt: skip
    return DataFrame(rows, columns=[*COLUMNS])


def steps(record: Mapping[str, Any]) -> dict[str, dict[str, dict[int, float]]]:
    """Stage -> loop -> round -> seconds of one step, mean over the processes; of "ceiling": of one GFLOP."""
    found: dict[str, dict[str, dict[int, float]]] = {}
    for row in record["rows"]:
        of = found.setdefault(row["stage"], {}).setdefault(row["loop"], {})
        of[row["round"]] = mean(row["seconds"]) / row["steps"]
    return found


def per_epoch(record: Mapping[str, Any], stage: str) -> int:
    """Steps of an epoch of the whole data set."""
    return int(record["images"] // record["batch"][stage])
