"""Tables of the records in Markdown. They depend on records only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.data.datasets import DATASETS
from benchmarks.files.gpu_speed import GpuSpeedRecord, StageTimes
from benchmarks.files.writing import write_text
from benchmarks.perf.gpu.column import RUNS, extrapolate, step_seconds
from benchmarks.perf.gpu.csv_files import write_csv_files
from benchmarks.perf.gpu.items import CPU_DATASET, DATASET, MANY, PRECISION, Item, find_skip_reason, items
from benchmarks.perf.gpu.reading import read_records

Row = dict[str, Any]


def write_tables(folder: Path) -> list[Path]:
    """Write speed_gpu.md and the CSV files of all records of a folder."""
    records = sorted(read_records(folder), key=_order)
    return [write_text(folder / "speed_gpu.md", report(records)), *write_csv_files(folder, records)]


def report(records: Sequence[GpuSpeedRecord]) -> str:
    """All tables, per device."""
    lines: list[str] = []
    for device in dict.fromkeys(record.provenance.device for record in records):
        lines += [*_device([record for record in records if record.provenance.device == device])]
    return "\n".join(lines) + "\n"


def report_line(record: GpuSpeedRecord) -> str:
    """What a record says, in one line."""
    if record.status != "measured":
        return f"{record.status}: {record.reason}"
    parts = [f"{row['stage']} {row['µs a step']} µs a step" for row in (*_step_rows(record), *_run_rows(record))]
    parts += [f"{part.stage} {part.count:.4g} {part.counted} a step" for part in record.operations]
    parts += [f"{part.name}: {_verdict(part.equal)}" for part in record.comparisons]
    parts += [f"{row['stage']} {row['cost, %']} % slower" for row in _cost_rows(record)]
    return f"{'; '.join(parts)} ({record.seconds:.0f} s)"


def _device(records: Sequence[GpuSpeedRecord]) -> Iterator[str]:
    first = records[0]
    yield f"## {first.provenance.device.partition(': ')[2]}"
    yield ""
    for title, rows in TABLES.items():
        found = [row for record in records for row in rows(record)]
        if found:
            yield f"### {title}"
            yield ""
            yield from _markdown(found)
            yield ""
    dataset, precision = (DATASET, PRECISION) if first.provenance.device.startswith("cuda") else (CPU_DATASET, "fp32")
    yield from _column(records, dataset, precision)
    yield from _notes(records)


def _column(records: Sequence[GpuSpeedRecord], dataset: str, precision: str) -> Iterator[str]:
    hours = extrapolate(records, dataset, precision)
    yield f"### Hours of a column of Table 1: {DATASETS[dataset].label}, {RUNS} runs of each model, {precision}"
    yield ""
    yield from _markdown([
        {"model": row.model, "steps of a run": f"{row.steps:,}", "one at a time, h": _number(row.alone),
         "engine": row.engine or "—", f"{MANY} at once, h": _number(row.together), "computed from": row.source or "—"}
        for row in hours
    ])  # fmt: skip
    yield ""
    for name, values in (("one at a time", [r.alone for r in hours]), (f"{MANY} at once", [r.together for r in hours])):
        known = [value for value in values if value is not None]
        missing = [row.model for row, value in zip(hours, values, strict=True) if value is None]
        total = f"{sum(known):.2f} hours" if known else "not measured"
        yield f"- All models, {name}: {total}{f', without {_join(missing)}' if known and missing else ''}."
    yield (f"- Computed as runs x steps at the paper's epochs x the median of the measured seconds of a step, with the "
           f"fastest engine measured. Without compiling, capturing, and evaluation. If {MANY} runs at once are not "
           "measured for a model, then the gain of GLF is used.")  # fmt: skip
    yield ""


def _notes(records: Sequence[GpuSpeedRecord]) -> Iterator[str]:
    """Where, on what and how it was measured, and what is missing."""
    origins = {record.provenance for record in records}
    yield "### Notes"
    yield ""
    yield f"- Versions: torch {_join(o.torch for o in origins)}, Python {_join(o.python for o in origins)}."
    commits = _join(f"{(o.commit or 'unknown')[:12]}{' with changes' if o.dirty else ''}" for o in origins)
    yield f"- Commit: {commits}. Preset: {_join(r.preset for r in records)}."
    if not all(origin.exclusive for origin in origins):
        yield "- Other processes may have used the device during some measurements."
    for synthetic, what in ((False, "real images"), (True, "random images")):
        found = _join(r.dataset for r in records if r.images and r.images.synthetic == synthetic)
        if found:
            yield f"- Data: {what} of {found}."
    yield "- Times are medians over blocks, their range in brackets. Deterministic algorithms are used, unless stated."
    yield from _list("Failed", [f"{_item(r).name}: {r.reason}" for r in records if r.status == "failed"])
    skipped = Counter(record.reason for record in records if record.status == "skipped")
    yield from _list(
        "Skipped", [f"{count} item{'' if count == 1 else 's'}: {reason}" for reason, count in skipped.items()]
    )
    device = torch.device(records[0].provenance.device.partition(":")[0])
    present = {_item(record).name for record in records}
    absent = [i.name for i in items(device) if i.name not in present and not find_skip_reason(i, device)]
    yield from _list("Not measured yet", absent)
    yield ""


def _list(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield f"- {title}:"
        yield from (f"    - {line}" for line in lines)


def _head(record: GpuSpeedRecord) -> Row:
    return {"model": record.model, "data set": record.dataset, "precision": record.precision, "engine": record.engine}


def _step_rows(record: GpuSpeedRecord) -> Iterator[Row]:
    for times in record.stages if record.kind == "steps" else ():
        epoch = (DATASETS[record.dataset].counts or (0, 0))[0] // times.batch * step_seconds(times)
        first, second = [*times.setup_seconds, None, None][:2]
        yield {
            **_head(record), "engine used": times.engine_used, "stage": times.stage,
            "batch": times.batch, "µs a step": _spread(times), "s an epoch": _number(epoch),
            "setup, s": _number(first), "second setup, s": _number(second),
        }  # fmt: skip


def _operation_rows(record: GpuSpeedRecord) -> Iterator[Row]:
    for part in record.operations:
        yield {**_head(record), "stage": part.stage, "a step": f"{part.count:.4g}", "counted": part.counted}


def _run_rows(record: GpuSpeedRecord) -> Iterator[Row]:
    for times in record.stages if record.kind == "runs" else ():
        memory = record.memory
        used = memory.device if memory else None
        yield {
            **_head(record), "stage": times.stage, "runs at once": record.runs,
            "µs a step": _spread(times, record.runs),
            "memory, GB": _number(memory.peak / 1e9 if memory else None),
            "memory of the device, GB": _number(used / 1e9 if used is not None else None),
        }  # fmt: skip


def _comparison_rows(record: GpuSpeedRecord) -> Iterator[Row]:
    for part in record.comparisons:
        yield {**_head(record), "compared": part.name, "bits": _verdict(part.equal), "note": part.detail or "—"}


def _cost_rows(record: GpuSpeedRecord) -> Iterator[Row]:
    if record.kind != "determinism-cost":
        return
    for stage in dict.fromkeys(times.stage for times in record.stages):
        both = [
            median(t / times.steps for times in record.stages
                   if (times.stage, times.deterministic) == (stage, wanted) for t in times.seconds)
            for wanted in (True, False)
        ]  # fmt: skip
        yield {
            **_head(record), "stage": stage, "deterministic, µs a step": f"{both[0] * 1e6:,.0f}",
            "nondeterministic, µs a step": f"{both[1] * 1e6:,.0f}", "cost, %": f"{100 * (both[0] / both[1] - 1):.1f}",
        }  # fmt: skip


TABLES: dict[str, Callable[[GpuSpeedRecord], Iterator[Row]]] = {
    "One run": _step_rows,
    "Operations of the device in a step": _operation_rows,
    "Several runs in one process": _run_rows,
    "Equal bits": _comparison_rows,
    "The cost of deterministic algorithms": _cost_rows,
}


def _markdown(rows: Sequence[Row]) -> Iterator[str]:
    yield f"| {' | '.join(rows[0])} |"
    yield f"|{' --- |' * len(rows[0])}"
    for row in rows:
        yield f"| {' | '.join(str(cell).replace('|', '/') for cell in row.values())} |"


def _spread(times: StageTimes, runs: int = 1) -> str:
    """Median and range of the blocks, in microseconds per step and run."""
    values = [seconds / times.steps / runs * 1e6 for seconds in times.seconds]
    return f"{median(values):,.0f} ({min(values):,.0f}–{max(values):,.0f})"


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:.3g}"


def _verdict(equal: bool | None) -> str:
    return "not compared" if equal is None else "equal" if equal else "different"


def _join(values: Any) -> str:
    return ", ".join(sorted(set(values)))


def _item(record: GpuSpeedRecord) -> Item:
    return Item(record.kind, record.model, record.dataset, record.precision, record.engine, record.runs)


def _order(record: GpuSpeedRecord) -> tuple[str, int]:
    """By device, and in the order of measurement. Items that are no longer measured come last."""
    device = torch.device(record.provenance.device.partition(":")[0])
    names = [item.name for item in items(device)]
    name = _item(record).name
    return record.provenance.device, names.index(name) if name in names else len(names)
