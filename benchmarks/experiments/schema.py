"""Upgrades of records from older schemas. Nothing measured is lost when the form of a record changes.

| schema | what changed |
| --- | --- |
| 1 | the first |
| 2 | evaluations say what was scored (`source`, `n`) and have a metric protocol with fields of its own |
| 3 | standard names for fields (`RECORD_NAMES` and below); ids and keys still hash the old names |
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from benchmarks.data.fingerprint import digest
from benchmarks.files.record import SCHEMA


def upgrade(record: dict[str, Any]) -> dict[str, Any]:
    """The same record in the current schema; files are not touched.

    Raises:
        KeyError, TypeError: a field of its schema is missing.
    """
    while record["schema"] < SCHEMA:
        record = UPGRADES[record["schema"]](record)
    return record


def _from_1(record: dict[str, Any]) -> dict[str, Any]:
    """Schema 1 had only one metric protocol: samples, rounded, against unchanged reference images."""
    evaluations = []
    for old in record["evaluations"]:
        protocol = _protocol_from_1(old["protocol"])
        identity = digest(protocol)[:16]
        evaluations.append({
            **old,
            "key": digest([record["key"], old["draw"], identity]),
            "source": "prior",
            "n": protocol["n_fake"],
            "protocol": protocol,
            "protocol_id": identity,
        })  # fmt: skip
    return {**record, "schema": 2, "evaluations": evaluations}


def _protocol_from_1(old: dict[str, Any]) -> dict[str, Any]:
    crop = re.match(r"(\d+)x\1 centre crop, (.+)", old["preprocessing"])
    inception = old["extractor"] == "inception"
    backend = {"inception": "pytorch-fid's InceptionV3", "pixels": "none"}.get(old["extractor"], "torch")
    return {
        **{name: old[name] for name in ("metric", "extractor", "weights", "dims", "real", "n_real", "n_fake")},
        "backend": backend,
        "input": "gray replicated to 3 channels, 299x299 plain bilinear" if inception else "as given",
        "split": old["real_split"],
        "crop": int(crop[1]) if crop else None,
        "resize": crop[2] if crop else None,
        "reals": "as they are",
        "fakes": "as they are",
        "quantisation": old["quantisation"],
        "estimator": old["estimator"],
    }


# Schema 2 -> 3
RECORD_NAMES = {"row": "protocol_row", "curve": "learning_curve"}
DATA_NAMES = {"train": "train_fingerprint", "test": "test_fingerprint"}
PROVENANCE_NAMES = {"before": "earlier"}
ENGINE_NAMES = {"asked": "requested"}
PROTOCOL_NAMES = {
    "reals": "real_transform",
    "fakes": "fake_transform",
    "real": "real_fingerprint",
    "quantisation": "quantization",
}
EVALUATION_NAMES = {
    "absent": "missing_reason",
    "how": "metric_parameters",
    "rescues": "fallbacks",
    "later": "additions",
}


def _from_2(record: dict[str, Any]) -> dict[str, Any]:
    """Rename fields. Protocol ids and evaluation keys do not change: they hash the old names."""
    evaluations = []
    for old in record["evaluations"]:
        evaluation = _renamed(old, EVALUATION_NAMES)
        if "protocol" in evaluation:
            evaluation["protocol"] = _renamed(evaluation["protocol"], PROTOCOL_NAMES)
        if "additions" in evaluation:
            evaluation["additions"] = [_renamed(entry, EVALUATION_NAMES) for entry in evaluation["additions"]]
        evaluations.append(evaluation)
    new = _renamed({**record, "schema": 3, "evaluations": evaluations}, RECORD_NAMES)
    for part, names in {
        "data": DATA_NAMES,
        "provenance": PROVENANCE_NAMES,
        "settings": {"row": "protocol_row"},
    }.items():
        if new.get(part):
            new[part] = _renamed(new[part], names)
    if (new.get("provenance") or {}).get("engine"):
        new["provenance"]["engine"] = _renamed(new["provenance"]["engine"], ENGINE_NAMES)
    if new.get("learning_curve"):
        curve = new["learning_curve"]
        new["learning_curve"] = {**curve, "protocol": _renamed(curve["protocol"], PROTOCOL_NAMES)}
    return new


def _renamed(values: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}


UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1, 2: _from_2}
