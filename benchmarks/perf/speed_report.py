"""Tables, CSV and plot of speed records: seconds per epoch, ratios to other loops, and how the cost grows.

The functions depend on records only; they measure nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
from pandas import DataFrame

from benchmarks import environment
from benchmarks.presets import PRESETS, TABLE1
from benchmarks.protocols import protocol
from benchmarks.reporting.speed_records import step_seconds, steps_per_epoch

NAMES = {"ours": "ours", "eager": "eager, resident", "plain": "plain loop", "pythae": "pythae"}


def summary(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per stage, with medians over rounds. Ratios and shares are lists with one value per round."""
    rows = []
    for stage, loops in step_seconds(record).items():
        seconds_by_round = loops["ours"]
        epoch = [seconds * steps_per_epoch(record, stage) for seconds in seconds_by_round.values()]
        row: dict[str, Any] = {
            "model": record["model"], "dataset": record["dataset"], "stage": stage, "precision": record["precision"],
            "processes": record["processes"], "epoch": median(epoch), "epochs": epoch,
            "images": record["processes"] * record["batch"][stage] / median(seconds_by_round.values()),
        }  # fmt: skip
        if "ceiling" in loops:
            work = record["flops"][stage] / 1e9
            row["mfu"] = [work * loops["ceiling"][n] / seconds for n, seconds in seconds_by_round.items()]
        for loop in NAMES:
            if loop in loops and loop != "ours":
                row[loop] = [loops[loop][n] / seconds for n, seconds in seconds_by_round.items()]
        rows.append(row)
    return rows


def report(records: Sequence[Mapping[str, Any]]) -> str:
    """All tables as Markdown."""
    lines: list[str] = []
    for device in dict.fromkeys(record["provenance"]["device"] for record in records):
        selected = [record for record in records if record["provenance"]["device"] == device]
        lines += [f"## {device.partition(': ')[2]}", ""]
        lines += [*_table(selected), *_images(selected), *_sides(selected), *_column(selected)]
    return "\n".join(lines) + "\n"


def _table(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    selected = [record for record in records if record["purpose"] == "table"]
    if not selected:
        return
    baselines = " | ".join(f"× {name}" for loop, name in NAMES.items() if loop != "ours")
    yield f"| model | data set | stage | precision | processes | s/epoch | images/s | of sgemm | {baselines} |"
    yield "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for record in selected:
        precision = record["precision"] + (", channels last" if record["channels_last"] else "")
        for row in summary(record):
            loops = [_spread(row.get(loop)) for loop in NAMES if loop != "ours"]
            cells = [row["model"], row["dataset"] + (" (random)" if record["synthetic"] else ""), row["stage"],
                     precision, str(row["processes"]), _spread(row["epochs"]), f"{row['images']:,.0f}",
                     _spread(row.get("mfu")), *loops]  # fmt: skip
            yield f"| {' | '.join(cells)} |"
    yield ""
    counts = {len(row["epochs"]) for record in selected for row in summary(record)}
    not_exclusive = [record["foreign"] for record in selected if not record["exclusive"]]
    yield f"Medians of {' or '.join(map(str, sorted(counts)))} paired rounds, their range in brackets."
    yield from _laps(selected)
    if not_exclusive:
        yield f"{len(not_exclusive)} of {len(selected)} measurements shared the machine with other processes."
    yield ""


def _laps(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Notes on loops that take fewer steps per lap than ours, where the start of an epoch weighs more."""
    lines: dict[str, None] = {}
    for record in records:
        for stage in step_seconds(record):
            taken = {loop: {r["steps"] for r in record["rows"] if (r["loop"], r["stage"]) == (loop, stage)}
                     for loop in NAMES}  # fmt: skip
            fewer = {loop: min(taken[loop]) for loop in NAMES if taken[loop] and taken[loop] != taken["ours"]}
            if fewer:
                each = ", ".join(f"{NAMES[loop]} {count}" for loop, count in fewer.items())
                lines[f"{record['model']}, {stage}, {record['dataset']}, {record['precision']}: timed over "
                     f"{max(taken['ours'])} steps, {each}; fetching the first batch is among them."] = None  # fmt: skip
    yield from lines


def _images(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Seconds per epoch against the number of images, and the deviation from proportionality."""
    selected = sorted((r for r in records if r["purpose"] == "images"), key=lambda r: r["images_used"])
    if not selected:
        return
    yield "| images | s/epoch | µs per image | peak memory, GB |"
    yield "| ---: | ---: | ---: | ---: |"
    seconds_per_image = []
    for record in selected:
        seconds = median(mean(r["seconds"]) for r in record["rows"])
        trained = record["rows"][0]["steps"] * next(iter(record["batch"].values()))  # whole batches
        per_image = seconds / trained
        seconds_per_image.append(per_image)
        yield f"| {record['images_used']:,} | {seconds:.3g} | {per_image * 1e6:.1f} | {_memory(record):.2f} |"
    deviation = max(abs(value / seconds_per_image[-1] - 1) for value in seconds_per_image)
    yield ""
    yield f"Seconds per image differ by at most {deviation:.1%} from those at {selected[-1]['images_used']:,} images."
    yield ""


def _sides(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Seconds per step against its FLOPs, and the fixed cost of a step by a fit."""
    selected = sorted((r for r in records if r["purpose"] == "side"), key=lambda r: r["shape"][1])
    if not selected:
        return
    yield "| side | GFLOP per step | ms per step | peak memory, GB |"
    yield "| ---: | ---: | ---: | ---: |"
    points = []
    for record in selected:
        ((stage, loops),) = step_seconds(record).items()
        points.append((record["flops"][stage] / 1e9, median(loops["ours"].values())))
        yield f"| {record['shape'][1]} | {points[-1][0]:.4g} | {points[-1][1] * 1e3:.4g} | {_memory(record):.2f} |"
    yield ""
    if len(points) > 1:
        fixed, slope = fit(points)
        yield f"Fitted: {fixed * 1e3:.3g} ms per step and {1 / slope:,.0f} GFLOP/s beyond it."
        yield ""


def fit(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Fit seconds = fixed + slope * work by least squares of relative errors; both are at least zero."""
    from scipy.optimize import nnls

    rows = np.array([[1 / t, work / t] for work, t in points])
    (fixed, slope), _ = nnls(rows, np.ones(len(points)))
    return float(fixed), float(slope)


def _column(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Minutes of a column of Table 1, extrapolated from records of all its models at one process and one engine."""
    tables = [r for r in records if r["purpose"] == "table" and r["processes"] == 1 and not r["channels_last"]]
    tables.sort(key=lambda record: record["images_used"])
    for cell in dict.fromkeys(map(_cell, tables)):
        dataset, precision, engine = cell
        selected = {r["model"]: r for r in tables if _cell(r) == cell}  # the record with the longest laps
        if not {*TABLE1} <= selected.keys():
            continue
        hours = {model: column_hours(selected[model]) for model in TABLE1}
        n_seeds = PRESETS["paper"].seeds
        total = n_seeds * sum(hours.values())
        yield (
            f"Table 1's column {dataset} in {precision}, engine {engine}, extrapolated: {n_seeds} runs "
            f"of {len(hours)} models at the paper's epochs take {total * 60:.0f} minutes one after the other."
        )
        yield ""


def _cell(record: Mapping[str, Any]) -> tuple[str, str, str]:
    """Data set, precision and engine. On one device, measurements with equal values can be added up."""
    return record["dataset"], record["precision"], record["engine"]


def column_hours(record: Mapping[str, Any]) -> float:
    """Hours of one run with the paper's epochs."""
    stages = protocol(record["model"], record["dataset"], "paper", record["images"]).stages
    seconds = step_seconds(record)
    return sum(s.total(record["images"]) * median(seconds[name]["ours"].values()) for name, s in stages.items()) / 3600


def _memory(record: Mapping[str, Any]) -> float:
    return float(max(max(row["memory"]) for row in record["rows"] if row["loop"] == "ours") / 1e9)


def _spread(values: Sequence[float] | None) -> str:
    """Format median and range."""
    if not values:
        return "—"
    return f"{median(values):.3g} ({min(values):.3g}–{max(values):.3g})"


def frame(records: Sequence[Mapping[str, Any]]) -> DataFrame:
    """Every round of every loop, with one row per process, for CSV."""
    names = ("purpose", "model", "dataset", "precision", "engine", "processes", "exclusive", "synthetic")
    row_fields = ("round", "stage", "loop", "steps", "how", "foreign")
    return DataFrame([
        {**{name: record[name] for name in names}, "device": record["provenance"]["device"],
         "side": record["shape"][1], **{name: row[name] for name in row_fields},
         "process": number, "seconds": row["seconds"][number], "cpu": row["cpu"][number]}
        for record in records for row in record["rows"] for number in range(len(row["seconds"]))
    ])  # fmt: skip


def draw(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Plot each baseline's time per epoch divided by ours, for all rounds, as PNG and PDF."""
    plt = environment.import_pyplot()
    cells = [(r, stage, loops) for r in records if r["purpose"] == "table" for stage, loops in step_seconds(r).items()
             if {*NAMES} & {*loops} > {"ours"}]  # fmt: skip
    if not cells:
        return
    figure, axes = plt.subplots(figsize=(7, 1.2 + 0.55 * len(cells)), layout="constrained")
    labels = []
    for position, (record, stage, loops) in enumerate(reversed(cells)):
        for number, loop in enumerate(NAMES):
            if loop in loops:
                values = [seconds / loops["ours"][n] for n, seconds in loops[loop].items()]
                y = position + 0.3 - 0.2 * number
                is_first = NAMES[loop] not in axes.get_legend_handles_labels()[1]
                axes.barh(y, median(values), 0.17, color=f"C{number}", label=NAMES[loop] if is_first else None)
                axes.plot(values, [y] * len(values), ".", color="black", markersize=3)
        seconds = median(loops["ours"].values()) * steps_per_epoch(record, stage)
        setting = f"{record['provenance']['device'].split(':')[0]}, {record['precision']}"
        labels.append(f"{record['model']}, {stage}, {record['dataset']}\n{setting}: {seconds:.3g} s")
    axes.set_yticks(range(len(cells)), labels, fontsize=8)
    if axes.get_xlim()[1] > 10:
        axes.set_xscale("log")
        axes.set_xlim(left=0.5)
    axes.set_xlabel("time per epoch / ours in the same round (bars: median, dots: rounds)")
    figure.legend(*axes.get_legend_handles_labels(), fontsize=8, ncols=len(NAMES), loc="outside upper center")
    for suffix in (".png", ".pdf"):
        figure.savefig(path.with_suffix(suffix), dpi=150, metadata={"CreationDate": None} if suffix == ".pdf" else None)
    plt.close(figure)
