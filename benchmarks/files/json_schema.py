"""Export what each kind of JSON file holds as JSON Schemas: `python -m benchmarks.files.json_schema`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.files.density import DensityRecord
from benchmarks.files.launch import Claim, Launch, Progress
from benchmarks.files.record import Record
from benchmarks.files.speed import SpeedRecord
from benchmarks.files.writing import write_json

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "schemas"
FILES: dict[str, Any] = {
    "record": Record,
    "density-record": DensityRecord,
    "launch": Launch,
    "claim": Claim,
    "progress": Progress,
    "speed-record": SpeedRecord,
}


def schemas() -> dict[str, dict[str, Any]]:
    """Name of a kind of file -> its JSON Schema, draft 2020-12."""
    return {
        name: {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(kind)}
        for name, kind in FILES.items()
    }


def main() -> int:
    """Write docs/schemas/NAME.schema.json for each kind of file, and print the paths."""
    for name, schema in schemas().items():
        print(write_json(FOLDER / f"{name}.schema.json", schema))
    return 0


if __name__ == "__main__":
    sys.exit(main())
