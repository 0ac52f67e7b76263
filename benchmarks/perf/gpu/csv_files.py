"""The records as CSV files for other programs: numbers in base units, one row per measurement."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
from pandas import DataFrame

from benchmarks.files.gpu_speed import GpuSpeedRecord
from benchmarks.files.writing import write_text
from benchmarks.perf.gpu.column import extrapolate
from benchmarks.reporting.formats.csv import frame_to_csv

Row = dict[str, Any]


def write_csv_files(folder: Path, records: Sequence[GpuSpeedRecord]) -> list[Path]:
    """Write one file per kind of row that the records have; return the paths."""
    paths = []
    for name, rows in ROWS.items():
        found = [row for record in records for row in rows(record)]
        if found:
            paths.append(write_text(folder / f"{name}.csv", frame_to_csv(DataFrame(found))))
    columns = [*column_rows(records)]
    return paths + ([write_text(folder / "column.csv", frame_to_csv(DataFrame(columns)))] if columns else [])


def _head(record: GpuSpeedRecord) -> Row:
    names = ("kind", "model", "dataset", "precision", "engine", "runs")
    return {"device": record.provenance.device, **{name: getattr(record, name) for name in names}}


def block_rows(record: GpuSpeedRecord) -> Iterator[Row]:
    """The seconds of each block of each stage. `steps` are those of each of the `runs`."""
    for times in record.stages:
        for number, seconds in enumerate(times.seconds):
            yield {
                **_head(record), "stage": times.stage, "batch": times.batch, "engine_used": times.engine_used,
                "deterministic": times.deterministic, "steps": times.steps, "block": number, "seconds": seconds,
                "memory_bytes": record.memory.peak if record.memory else None,
            }  # fmt: skip


def setup_rows(record: GpuSpeedRecord) -> Iterator[Row]:
    """The seconds of compiling and capturing, of the first and of a second training in the process."""
    for times in record.stages:
        for number, seconds in enumerate(times.setup_seconds):
            yield {**_head(record), "stage": times.stage, "training": number, "seconds": seconds}


def operation_rows(record: GpuSpeedRecord) -> Iterator[Row]:
    """The operations of a step of each stage."""
    for part in record.operations:
        yield {**_head(record), **msgspec.structs.asdict(part)}


def comparison_rows(record: GpuSpeedRecord) -> Iterator[Row]:
    """Whether trainings gave equal bits."""
    for part in record.comparisons:
        yield {**_head(record), "compared": part.name, "equal": part.equal, "detail": part.detail}


def column_rows(records: Sequence[GpuSpeedRecord]) -> Iterator[Row]:
    """The extrapolated hours of each column of Table 1 of which a step is measured."""
    cells = dict.fromkeys(
        (r.provenance.device, r.dataset, r.precision) for r in records if (r.kind, r.status) == ("steps", "measured")
    )
    for device, dataset, precision in cells:
        selected = [record for record in records if record.provenance.device == device]
        for hours in extrapolate(selected, dataset, precision):
            yield {"device": device, "dataset": dataset, "precision": precision, **asdict(hours)}


ROWS: dict[str, Callable[[GpuSpeedRecord], Iterator[Row]]] = {
    "blocks": block_rows,
    "setup": setup_rows,
    "operations": operation_rows,
    "reproducibility": comparison_rows,
}
